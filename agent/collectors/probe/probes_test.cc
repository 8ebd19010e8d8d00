// Probes against small servers of the test's own on loopback: what is closed, deaf, slow, too much.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "agent/collectors/probe/probes.h"
#include "common/base/asio_executor.h"

namespace tocsin::agent {
namespace {

/// A socket on a free port of loopback; closed with the object.
struct Port {
  explicit Port(int type, bool listening = true) : fd(::socket(AF_INET, type, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    number = ntohs(address.sin_port);
    if (type == SOCK_STREAM && listening) ::listen(fd.get(), 16);
  }
  ProbeFd fd;
  unsigned short number = 0;
};

/// Says `text` to whoever connects, after the first bytes from it if `asked`, and hangs up.
class Speaker {
 public:
  Speaker(std::string text, bool asked) : text_(std::move(text)), asked_(asked) {
    executor_.post([this] {
      while (!stop_) serve();
    });
  }
  ~Speaker() {
    stop_ = true;
    executor_.stop();
  }
  unsigned short port() const { return port_.number; }

 private:
  void serve() {
    pollfd waiting{port_.fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) return;
    const ProbeFd client(::accept(port_.fd.get(), nullptr, nullptr));
    char bytes[4096];
    if (asked_) (void)!::recv(client.get(), bytes, sizeof bytes, 0);
    (void)!::send(client.get(), text_.data(), text_.size(), MSG_NOSIGNAL);
    ::shutdown(client.get(), SHUT_WR);
  }

  std::string text_;
  bool asked_;
  Port port_{SOCK_STREAM};
  std::atomic<bool> stop_ = false;
  base::RealClock clock_;
  base::AsioExecutor executor_{clock_, "speaker", 1};
};

ProbeSettings settings_for(ProbeKind kind, unsigned short port) {
  ProbeSettings settings;
  settings.kind = kind;
  settings.timeout = base::Duration{300};
  settings.route.address = {"127.0.0.1", port};
  settings.route.server_name = "127.0.0.1";
  settings.http.url = fmt::format("http://127.0.0.1:{}/", port);
  return settings;
}

/// Runs it; "" if it went well, else the reason.
std::string outcome(const ProbeSettings& settings, std::string* detail = nullptr) {
  const base::RealClock clock;
  const ProbeResult result = run_probe(settings, clock);
  CHECK(result.duration_seconds < 5);
  if (detail != nullptr && result.failure) *detail = result.failure->detail;
  return result.failure ? std::string(to_string(result.failure->reason)) : std::string();
}

TalkStep expecting(const std::string& pattern) {
  TalkStep step;
  step.expect = TextPattern::compile(pattern).value();
  return step;
}

}  // namespace

TEST_CASE("probes: a closed port, a deaf one, a name that does not exist") {
  const Port closed(SOCK_STREAM, false);
  const Port deaf(SOCK_STREAM);
  for (const ProbeKind kind : {ProbeKind::Http, ProbeKind::Tls, ProbeKind::Smtp}) {
    CHECK(outcome(settings_for(kind, closed.number)) == "connect");
    CHECK(outcome(settings_for(kind, deaf.number)) == "timeout");
  }
  CHECK(outcome(settings_for(ProbeKind::Tcp, closed.number)) == "connect");
  CHECK(outcome(settings_for(ProbeKind::Tcp, deaf.number)) == "");  // it opens, and that is all
  ProbeSettings nowhere = settings_for(ProbeKind::Tcp, 1);
  nowhere.route.address.host = "nowhere.invalid.";
  nowhere.route.ip = IpProtocol::V4;
  CHECK(outcome(nowhere) == "dns");
  nowhere.route.connect_to = net::HostPort{"127.0.0.1", deaf.number};
  CHECK(outcome(nowhere) == "");
}

TEST_CASE("probes: HTTP answers, too large ones, and what is none") {
  const Speaker good("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true);
  ProbeSettings settings = settings_for(ProbeKind::Http, good.port());
  CHECK(outcome(settings) == "");
  settings.http.body_bytes_max = 4;
  CHECK(outcome(settings) == "body");
  settings.http.body_bytes_max = 5;
  CHECK(outcome(settings) == "");
  settings.http.require_tls = true;
  CHECK(outcome(settings) == "tls");
  const Speaker none("SSH-2.0-OpenSSH_9.2\r\n", true);
  CHECK(outcome(settings_for(ProbeKind::Http, none.port())) == "protocol");
  CHECK(outcome(settings_for(ProbeKind::Tls, none.port())) == "tls");
  const Speaker away(
      "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", true);
  CHECK(outcome(settings_for(ProbeKind::Http, away.port())) == "protocol");
  const Speaker cut("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
  CHECK(outcome(settings_for(ProbeKind::Http, cut.port())) == "protocol");
}

TEST_CASE("probes: a conversation: the line that comes, and the one that does not") {
  const Speaker banner("hello there\r\n220 ready\r\n", false);
  ProbeSettings settings = settings_for(ProbeKind::Tcp, banner.port());
  settings.talk.push_back(expecting("^220 "));
  CHECK(outcome(settings) == "");
  settings.talk.push_back(expecting("^250 "));
  std::string detail;
  CHECK(outcome(settings, &detail) == "answer");
  CHECK(detail == "the expected line did not come; the other side hung up");
  CHECK(outcome(settings_for(ProbeKind::Smtp, banner.port()), &detail) == "answer");
  CHECK(detail == "expected 220, got 'hello there'");
  const Speaker endless(std::string(40'000, 'x'), false);
  settings = settings_for(ProbeKind::Tcp, endless.port());
  settings.talk.push_back(expecting("y"));
  CHECK(outcome(settings, &detail) == "answer");
  CHECK(detail.find("longer than 16 KiB") != std::string::npos);
}

TEST_CASE("probes: a DNS server that is deaf or closed") {
  ProbeSettings settings = settings_for(ProbeKind::Dns, 0);
  settings.dns.query = "shop.example";
  const Port deaf(SOCK_DGRAM);
  settings.route.address.port = deaf.number;
  CHECK(outcome(settings) == "timeout");
  {
    const Port gone(SOCK_DGRAM);
    settings.route.address.port = gone.number;
  }
  CHECK(outcome(settings) == "connect");
}

TEST_CASE("probes: ping, or why not") {
  ProbeSettings settings = settings_for(ProbeKind::Icmp, 0);
  std::string detail;
  const std::string reason = outcome(settings, &detail);
  if (reason == "permission") {
    CHECK(detail.find("net.ipv4.ping_group_range") != std::string::npos);
  } else {
    CHECK(reason == "");
  }
}

}  // namespace tocsin::agent
