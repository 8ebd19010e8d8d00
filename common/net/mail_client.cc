// MailClient over libcurl's SMTP.
//
// The server's last reply is what the operator needs to read, so every reply line is looked at: the
// last one is reported, and refusals of single recipients are kept when the others were served. One
// bad address in a list must not cost the others their page.
#include "common/net/mail_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "common/base/log.h"
#include "common/base/strings.h"
#include "common/net/curl_pool.h"
#include "common/net/curl_tls.h"
#include "common/net/mail_format.h"
#include "common/net/url.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kReplyBytesMax = 2000;
constexpr std::size_t kRefusedMax = 100;

/// One mail, checked and formatted, ready for a thread of the pool.
struct Letter {
  SmtpServer server;
  std::string from;
  std::vector<std::string> to;
  std::string text;
  base::Duration timeout;
};

/// What is collected while curl runs.
struct Dialogue {
  std::string_view rest;             ///< Of the text, not yet handed to curl.
  std::string reply;                 ///< The last complete reply, lines joined by '\n'.
  bool reply_open = false;           ///< More lines of `reply` follow.
  std::vector<std::string> refused;  ///< Replies of 400 and above.
  std::string after_text;            ///< The first reply after the whole text was handed over.
};

std::size_t on_upload(char* out, std::size_t size, std::size_t count, void* user) {
  auto& dialogue = *static_cast<Dialogue*>(user);
  const std::size_t length = std::min(size * count, dialogue.rest.size());
  std::memcpy(out, dialogue.rest.data(), length);
  dialogue.rest.remove_prefix(length);
  return length;
}

std::size_t on_reply(char* data, std::size_t, std::size_t size, void* user) {
  auto& dialogue = *static_cast<Dialogue*>(user);
  const std::string line =
      base::escape_control(base::trim(std::string_view(data, size)).substr(0, 512));
  if (!dialogue.reply_open) dialogue.reply.clear();
  if (dialogue.reply.size() + line.size() < kReplyBytesMax) {
    if (!dialogue.reply.empty()) dialogue.reply += '\n';
    dialogue.reply += line;
  }
  dialogue.reply_open = line.size() > 3 && line[3] == '-';
  if (dialogue.rest.empty() && dialogue.after_text.empty()) dialogue.after_text = line;
  const bool refusal = line.starts_with('4') || line.starts_with('5');
  if (!dialogue.reply_open && refusal && dialogue.refused.size() < kRefusedMax) {
    dialogue.refused.push_back(dialogue.reply);
  }
  return size;
}

struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string server_url(CURL* easy, const SmtpServer& server) {
  const bool literal6 = server.host.find(':') != std::string::npos;
  std::string url =
      fmt::format("{}://{}{}{}:{}/", server.tls_mode == SmtpTls::Implicit ? "smtps" : "smtp",
                  literal6 ? "[" : "", server.host, literal6 ? "]" : "", server.port);
  if (!server.hello.empty()) {
    char* escaped =
        curl_easy_escape(easy, server.hello.c_str(), static_cast<int>(server.hello.size()));
    if (escaped != nullptr) url += escaped;
    curl_free(escaped);
  }
  return url;
}

std::string origin_of(const SmtpServer& server) {
  return fmt::format("smtp://{}:{}", base::escape_control(server.host), server.port);
}

base::Result<MailOutcome> outcome_of(CURLcode code, long smtp_code, Dialogue& dialogue,
                                     const Letter& letter, std::string_view detail) {
  const std::string origin = origin_of(letter.server);
  if (code == CURLE_OK) {
    return MailOutcome{250, false, dialogue.reply, std::move(dialogue.refused)};
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    return base::error(base::ErrorCode::Cancelled,
                       fmt::format("mail by {} given up: the client was stopped", origin));
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return base::error(base::ErrorCode::Timeout,
                       fmt::format("mail by {}: no answer within {}", origin,
                                   base::format_duration(letter.timeout)));
  }
  const bool refused_tls = code == CURLE_USE_SSL_FAILED;
  // The whole text is with the server, and it said neither yes nor no.
  if (dialogue.rest.empty() && dialogue.refused.empty() && dialogue.after_text.empty()) {
    return base::error(base::ErrorCode::Timeout,
                       fmt::format("mail by {}: the connection was lost after the message was "
                                   "handed over; it may have been taken",
                                   origin));
  }
  if (smtp_code >= 400 && smtp_code <= 599 && !refused_tls) {
    const bool permanent = smtp_code >= 500 || code == CURLE_LOGIN_DENIED;
    // The last reply may be the answer to our goodbye; what counts is the last refusal.
    const std::string& reply = dialogue.refused.empty() ? dialogue.reply : dialogue.refused.back();
    return MailOutcome{static_cast<int>(smtp_code), permanent, reply, {}};
  }
  if (code == CURLE_LOGIN_DENIED) return MailOutcome{535, true, dialogue.reply, {}};
  const std::string why =
      refused_tls ? std::string("the server does not offer STARTTLS, which is required")
                  : base::escape_control(detail.empty() ? curl_easy_strerror(code) : detail);
  const bool ours = code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
                    code == CURLE_URL_MALFORMAT;
  return base::error(ours ? base::ErrorCode::InvalidArgument : base::ErrorCode::Unavailable,
                     fmt::format("mail by {}: {}", origin, why));
}

base::Result<MailOutcome> perform(CURL* easy, const Letter& letter) {
  Dialogue dialogue;
  dialogue.rest = letter.text;
  char detail[CURL_ERROR_SIZE] = "";
  const std::string url = server_url(easy, letter.server);
  const std::string from = "<" + letter.from + ">";
  curl_slist* list = nullptr;
  for (const std::string& to : letter.to) {
    if (curl_slist* longer = curl_slist_append(list, ("<" + to + ">").c_str())) list = longer;
  }
  const std::unique_ptr<curl_slist, SlistFree> recipients(list);

  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_USE_SSL,
                   letter.server.tls_mode == SmtpTls::None ? static_cast<long>(CURLUSESSL_NONE)
                                                           : static_cast<long>(CURLUSESSL_ALL));
  set_tls_options(easy, letter.server.tls);
  if (!letter.server.user.empty()) {
    curl_easy_setopt(easy, CURLOPT_USERNAME, letter.server.user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, letter.server.password.reveal().c_str());
  }
  curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
  curl_easy_setopt(easy, CURLOPT_READDATA, &dialogue);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &dialogue);
  const CURLcode code = curl_easy_perform(easy);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
  // The connection outlives this call and may still say goodbye through the handle.
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, nullptr);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, nullptr);
  long smtp_code = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &smtp_code);
  return outcome_of(code, smtp_code, dialogue, letter, detail);
}

base::Result<Letter> prepare(const SmtpServer& server, const Mail& mail, base::Duration timeout) {
  const auto safe_name = [](std::string_view text, std::string_view extra) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '.' || c == '_' || extra.find(c) != std::string_view::npos;
    });
  };
  if (server.host.empty() || !safe_name(server.host, ":%")) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}' is not a mail server's name or address",
                                   base::escape_control(server.host)));
  }
  if (!safe_name(server.hello, ":[]")) {
    return base::error(
        base::ErrorCode::InvalidArgument,
        fmt::format("'{}' is not a name for EHLO", base::escape_control(server.hello)));
  }
  Letter letter{server, {}, {}, {}, timeout};
  TC_TRY(letter.text, format_mail(mail));
  TC_TRY(letter.from, mailbox_address(mail.from));
  for (const std::string& to : mail.to) {
    TC_TRY(std::string address, mailbox_address(to));
    letter.to.push_back(std::move(address));
  }
  return letter;
}

class CurlMailClient final : public MailClient {
 public:
  CurlMailClient(const base::Clock& clock, unsigned threads, std::size_t queue_max)
      : log_("net/mail_client"), pool_(clock, "mail-send", threads, queue_max) {}

  void send(const SmtpServer& server, Mail mail, base::Duration timeout, base::Executor& reply_on,
            MailDone done) override {
    const auto reply = [&reply_on, done = std::move(done)](base::Result<MailOutcome> result) {
      reply_on.post([done, result = std::move(result)] { done(result); });
    };
    auto letter = prepare(server, mail, timeout);
    if (!letter) {
      reply(std::move(letter).error());
      return;
    }
    const std::string origin = origin_of(server);
    if (server.tls.insecure && server.tls_mode != SmtpTls::None) {
      log_.report(origin, "the server's certificate is not verified: 'insecure' is set");
    }
    auto shared = std::make_shared<const Letter>(std::move(*letter));
    pool_.submit(CurlPool::Job{origin, timeout,
                               [shared, reply](void* easy) -> base::Task {
                                 auto result = std::make_shared<base::Result<MailOutcome>>(
                                     perform(static_cast<CURL*>(easy), *shared));
                                 return [reply, result] { reply(std::move(*result)); };
                               },
                               [reply](base::Error error) { reply(std::move(error)); }});
  }

 private:
  base::FailureLog log_;
  CurlPool pool_;
};

}  // namespace

std::unique_ptr<MailClient> make_mail_client(const base::Clock& clock, unsigned threads,
                                             std::size_t queue_max) {
  return std::make_unique<CurlMailClient>(clock, threads, queue_max);
}

}  // namespace tocsin::net
