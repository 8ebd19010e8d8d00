// The mail's text, and the client against a real SMTP server (Debian's python3-aiosmtpd; skipped
// with a message when it is not installed).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>

#include "common/base/asio_executor.h"
#include "common/base/strings.h"
#include "common/net/mail_client.h"
#include "common/net/mail_format.h"
#include "common/net/test_support.h"
#include "common/sim/test_folder.h"

namespace tocsin::net {
namespace {

using base::ErrorCode;
using test::Waiter;

Mail sample_mail() {
  Mail mail;
  mail.from =
      "T\xC3\xB6"
      "csin <alerts@example.org>";
  mail.to = {"ops@example.org", "\"On, Call\" <call@example.org>"};
  mail.subject = "critical: disk / is 96 % full";
  mail.message_id = "<1.2@example.org>";
  mail.extra_headers = {{"X-Severity", "critical"}};
  mail.date = *base::parse_rfc3339("2026-11-23T14:48:35Z");
  mail.text = "first\n.dot\nm\xC3\xBC = 1 \n";
  return mail;
}

TEST_CASE("quoted-printable") {
  CHECK(quoted_printable("a=b\n") == "a=3Db\r\n");
  CHECK(quoted_printable("end \r\nx\t\ry") == "end=20\r\nx=09\r\ny");
  // 75 characters fit a line with its soft break; the 76th goes to the next.
  CHECK(quoted_printable(std::string(80, 'x')) ==
        std::string(75, 'x') + "=\r\n" + std::string(5, 'x'));
  CHECK(quoted_printable("\xC3\xA4") == "=C3=A4");
}

TEST_CASE("header text") {
  CHECK(encode_header_text("plain") == "plain");
  CHECK(encode_header_text("gr\xC3\xBC\xC3\x9F") == "=?UTF-8?B?Z3LDvMOf?=");
  CHECK(encode_header_text("=?x") == "=?UTF-8?B?PT94?=");
  // Forty two-byte characters: a word holds 39 bytes, but must not split a character, so 38.
  std::string umlauts;
  for (int i = 0; i < 40; ++i) umlauts += "\xC3\xA4";
  const std::string encoded = encode_header_text(umlauts);
  CHECK(encoded.find("\r\n ") == 12 + 52);  // 38 bytes are 13 groups of four characters
}

TEST_CASE("addresses") {
  CHECK(*mailbox_address("a@b") == "a@b");
  CHECK(*mailbox_address(" Name <a@b> ") == "a@b");
  for (const char* bad : {"", "<>", "a b", "a@b\r\nRCPT TO:<c@d>", "Name <a@b", "a,b", "<a@b> c"}) {
    CHECK_FALSE(mailbox_address(bad));
  }
}

TEST_CASE("a plain and a two-part mail") {
  Mail mail = sample_mail();
  const std::string text = *format_mail(mail);
  CHECK(text ==
        "Date: Mon, 23 Nov 2026 14:48:35 +0000\r\n"
        "From: =?UTF-8?B?VMO2Y3Npbg==?= <alerts@example.org>\r\n"
        "To: ops@example.org,\r\n \"On, Call\" <call@example.org>\r\n"
        "Subject: critical: disk / is 96 % full\r\n"
        "Message-ID: <1.2@example.org>\r\n"
        "X-Severity: critical\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "first\r\n.dot\r\nm=C3=BC =3D 1=20\r\n\r\n");
  mail.html = "<b>x</b>";
  const std::string both = *format_mail(mail);
  CHECK(both.find("Content-Type: multipart/alternative; boundary=\"=_") != std::string::npos);
  CHECK(both.find("text/plain") < both.find("text/html"));
  CHECK(both.find("multipart/mixed") == std::string::npos);
  CHECK(*format_mail(mail) == both);

  mail.subject = std::string(30, 'a') + " " + std::string(30, 'b') + " " + std::string(30, 'c');
  CHECK(format_mail(mail)->find("b\r\n ccc") != std::string::npos);
}

TEST_CASE("nothing breaks out of its header") {
  const auto refuses = [](auto change) {
    Mail mail = sample_mail();
    change(mail);
    auto text = format_mail(mail);
    return !text && text.error().code == ErrorCode::InvalidArgument;
  };
  CHECK(refuses([](Mail& mail) { mail.subject = "a\r\nBcc: x@y"; }));
  CHECK(refuses([](Mail& mail) { mail.subject = std::string("a\0b", 3); }));
  CHECK(refuses([](Mail& mail) { mail.from = "a@b\n"; }));
  CHECK(refuses([](Mail& mail) { mail.to = {"a@b\r"}; }));
  CHECK(refuses([](Mail& mail) { mail.to.clear(); }));
  CHECK(refuses([](Mail& mail) { mail.message_id = "<a>\n"; }));
  CHECK(refuses([](Mail& mail) { mail.extra_headers = {{"X-A", "b\nc"}}; }));
  CHECK(refuses([](Mail& mail) { mail.extra_headers = {{"X A", "b"}}; }));
}

/// aiosmtpd in a child process; modes: plain, starttls, auth. Recipients named "no..." get 550, a
/// sender named "later..." gets 451. Prints its port, then each mail it takes as one line of
/// repr().
constexpr const char* kServer = R"(
import asyncio, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
mode, cert, key = sys.argv[1:4]
class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith('later'): return '451 busy, come back'
        envelope.mail_from = address
        return '250 OK'
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('no'): return '550 no such user'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        print(repr((envelope.mail_from, envelope.rcpt_tos, envelope.content)), flush=True)
        if envelope.mail_from.startswith('vanish'): server.transport.abort()
        return '250 queued as 42'
def check(server, session, envelope, mechanism, data):
    good = data.login == b'user' and data.password == b'right'
    return AuthResult(success=True) if good else AuthResult(success=False, handled=False)
async def main():
    options = {}
    if mode != 'plain':
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        options = dict(tls_context=context, require_starttls=True)
    if mode == 'auth':
        options.update(authenticator=check, auth_required=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), **options), '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
)";

class SmtpChild {
 public:
  explicit SmtpChild(const char* mode) {
    test::write_certificate(cert(), folder_.file("key.pem"));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::vector<std::string> words{"python3", "-c", kServer, mode, cert(), folder_.file("key.pem")};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (::posix_spawn(&pid_, "/usr/bin/python3", &actions, nullptr, arguments.data(), environ) !=
        0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
    const auto port = base::parse_u64(read_line());
    port_ = static_cast<unsigned short>(port.value_or(0));
  }
  ~SmtpChild() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  SmtpChild(const SmtpChild&) = delete;
  SmtpChild& operator=(const SmtpChild&) = delete;

  /// 0 if the server could not be started.
  unsigned short port() const { return port_; }
  std::string cert() const { return folder_.file("cert.pem"); }
  /// Returns the next line it prints, or "" after ten seconds or at its end.
  std::string read_line() {
    std::string line;
    char c = 0;
    pollfd ready{out_, POLLIN, 0};
    while (::poll(&ready, 1, 10'000) == 1 && ::read(out_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }

 private:
  sim::TestFolder folder_;
  pid_t pid_ = -1;
  int out_ = -1;
  unsigned short port_ = 0;
};

struct MailFixture {
  base::Result<MailOutcome> send(const SmtpServer& server, Mail mail) {
    auto waiter = std::make_shared<Waiter<base::Result<MailOutcome>>>();
    client->send(server, std::move(mail), base::Duration{10'000}, replies,
                 [waiter](base::Result<MailOutcome> result) { waiter->set(std::move(result)); });
    auto result = waiter->wait();
    if (!result) return base::error(ErrorCode::Io, "no answer in the test");
    return std::move(*result);
  }
  base::RealClock clock;
  base::AsioExecutor replies{clock, "replies", 1};
  std::unique_ptr<MailClient> client = make_mail_client(clock, 2, 4);
};

SmtpServer server_at(unsigned short port, SmtpTls mode) {
  SmtpServer server;
  server.host = "127.0.0.1";
  server.port = port;
  server.tls_mode = mode;
  server.hello = "sender.example.org";
  return server;
}

TEST_CASE("mail over plain SMTP: taken, partly refused, refused now and for good") {
  SmtpChild child("plain");
  if (child.port() == 0) {
    MESSAGE("skipped: python3-aiosmtpd is not installed");
    return;
  }
  MailFixture fixture;
  const SmtpServer server = server_at(child.port(), SmtpTls::None);
  Mail mail = sample_mail();
  auto outcome = fixture.send(server, mail);
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 250);
  CHECK(outcome->reply == "250 queued as 42");
  CHECK(outcome->refused.empty());
  const std::string taken = child.read_line();
  CHECK(taken.starts_with("('alerts@example.org', ['ops@example.org', 'call@example.org'], "));
  CHECK(taken.find("first\\r\\n.dot\\r\\nm=C3=BC") != std::string::npos);  // dot stuffing undone

  mail.to = {"nobody@example.org", "ops@example.org"};
  outcome = fixture.send(server, mail);
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 250);
  REQUIRE(outcome->refused.size() == 1);
  CHECK(outcome->refused[0] == "550 no such user");

  mail.to = {"nobody@example.org"};
  outcome = fixture.send(server, mail);
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 550);
  CHECK(outcome->permanent);
  CHECK(outcome->reply == "550 no such user");

  mail.from = "later@example.org";
  outcome = fixture.send(server, mail);
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 451);
  CHECK_FALSE(outcome->permanent);

  // It goes away after DATA: nobody knows whether it kept the message.
  mail = sample_mail();
  mail.from = "vanish@example.org";
  outcome = fixture.send(server, mail);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::Timeout);
  CHECK(outcome.error().message.find("may have been taken") != std::string::npos);

  // STARTTLS is required by default: a server without it does not get the mail.
  outcome = fixture.send(server_at(child.port(), SmtpTls::StartTls), sample_mail());
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::Unavailable);
  CHECK(outcome.error().message.find("STARTTLS") != std::string::npos);
}

TEST_CASE("mail over STARTTLS with a login") {
  SmtpChild child("auth");
  if (child.port() == 0) {
    MESSAGE("skipped: python3-aiosmtpd is not installed");
    return;
  }
  MailFixture fixture;
  SmtpServer server = server_at(child.port(), SmtpTls::StartTls);
  server.user = "user";
  server.password = base::Secret("right");
  auto outcome = fixture.send(server, sample_mail());
  REQUIRE_FALSE(outcome);  // unknown authority
  CHECK(outcome.error().code == ErrorCode::Unavailable);
  server.tls.ca_file = child.cert();
  outcome = fixture.send(server, sample_mail());
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 250);
  server.password = base::Secret("wrong-pass");
  outcome = fixture.send(server, sample_mail());
  REQUIRE_MESSAGE(outcome, outcome);
  CHECK(outcome->smtp_code == 535);
  CHECK(outcome->permanent);
  CHECK(outcome->reply.find("wrong-pass") == std::string::npos);
}

TEST_CASE("mail errors before the dialogue") {
  MailFixture fixture;
  auto outcome = fixture.send(server_at(1, SmtpTls::None), sample_mail());
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::Unavailable);
  SmtpServer server = server_at(25, SmtpTls::None);
  server.host = "a/b";
  CHECK(fixture.send(server, sample_mail()).error().code == ErrorCode::InvalidArgument);
  server.host = "a";
  server.hello = "x\r\nMAIL FROM:<a>";
  CHECK(fixture.send(server, sample_mail()).error().code == ErrorCode::InvalidArgument);
  Mail mail = sample_mail();
  mail.subject = "a\nb";
  CHECK(fixture.send(server_at(1, SmtpTls::None), mail).error().code == ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace tocsin::net
