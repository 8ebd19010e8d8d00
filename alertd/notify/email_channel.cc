// Mail: text and HTML in one message, one thread an incident.
//
// The Message-ID is made from the delivery key. When the answer to DATA is lost, the message is
// sent again under the same id, and most mail servers and clients show it once.

#include <fmt/core.h>

#include "alertd/notify/channels.h"
#include "alertd/notify/http_outcome.h"
#include "alertd/notify/message.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kReplyShownMax = 300;

std::string domain_of(const std::string& address, const std::string& host_name) {
  const std::size_t at = address.rfind('@');
  std::string domain = at == std::string::npos ? host_name : address.substr(at + 1);
  return domain.empty() ? "localhost" : domain;
}

// RFC 4954: 530, 534, 535, 538 and 454 are about authentication.
FailureReason reason_of_reply(int code, bool permanent) {
  if (code == 530 || code == 534 || code == 535 || code == 538 || code == 454) {
    return FailureReason::Auth;
  }
  return permanent ? FailureReason::Refused : FailureReason::Unreachable;
}

Outcome mail_outcome(const base::Result<net::MailOutcome>& result) {
  Outcome outcome;
  if (!result) {
    outcome.verdict = result.error().code == base::ErrorCode::InvalidArgument ? Verdict::Permanent
                                                                              : Verdict::Retry;
    outcome.unknown = result.error().code == base::ErrorCode::Timeout;
    outcome.reason = reason_of(result.error().code);
    outcome.text = base::escape_control(result.error().message);
    return outcome;
  }
  const bool taken = result->smtp_code >= 200 && result->smtp_code < 300;
  outcome.verdict = taken               ? Verdict::Delivered
                    : result->permanent ? Verdict::Permanent
                                        : Verdict::Retry;
  if (!taken) outcome.reason = reason_of_reply(result->smtp_code, result->permanent);
  outcome.text = fmt::format("SMTP {} {}", result->smtp_code,
                             base::escape_control(result->reply.substr(0, kReplyShownMax)));
  for (const std::string& refusal : result->refused) {
    outcome.text += "; not to " + base::escape_control(refusal.substr(0, kReplyShownMax));
  }
  return outcome;
}

class EmailChannel final : public Channel {
 public:
  EmailChannel(const ChannelSettings& settings, const NotifySettings& notify,
               const ChannelWorld& world)
      : email_(std::get<EmailSettings>(settings.kind)),
        timeout_(settings.timeout),
        writer_(settings, notify, world.executor.clock()),
        executor_(world.executor),
        client_(world.mail),
        host_(domain_of(email_.from, world.host_name)),
        failures_(world.metrics, settings),
        refused_(world.metrics.counter("tocsin_alertd_notify_recipients_refused_total",
                                       "Recipients refused by a server that took the message.",
                                       {{"channel", full_name(settings)}})) {}

  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override {
    Message message = writer_.write(notification, Escaping::None, true);
    failures_.note(message.template_failure);
    net::Mail mail = envelope(notification, key);
    for (const auto& [name, text] : message.fields) {
      constexpr std::string_view kHeader = "header.";
      if (!name.starts_with(kHeader)) continue;
      if (std::string line = one_line(text); !line.empty()) {
        mail.extra_headers.emplace_back(name.substr(kHeader.size()), std::move(line));
      }
    }
    mail.subject = std::move(message.title);
    mail.text = std::move(message.text);
    mail.html = std::move(message.html);
    client_.send(email_.server, std::move(mail), timeout_, executor_,
                 [done = std::move(done), note = std::move(message.template_failure),
                  refused = refused_](const base::Result<net::MailOutcome>& result) mutable {
                   if (result) refused.increment(static_cast<double>(result->refused.size()));
                   Outcome outcome = mail_outcome(result);
                   if (!note.empty()) outcome.text += "; " + note;
                   done(std::move(outcome));
                 });
  }

 private:
  net::Mail envelope(const incident::Notification& notification, const DeliveryKey& key) const {
    const model::Severity severity = notification.incident.severity;
    net::Mail mail;
    mail.from = email_.from;
    mail.to = email_.to;
    // An answer brings the token back; see api/mail_reply.h.
    const std::string& ack = notification.ack_path;
    const std::string token = ack.substr(std::min(ack.rfind('/') + 1, ack.size()));
    mail.message_id = mail_message_id(key.value + (token.empty() ? "" : ".ack-" + token), host_);
    mail.date = notification.created_at;
    const auto add = [&mail](const char* name, std::string_view value) {
      if (const std::string line = one_line(value); !line.empty()) {
        mail.extra_headers.emplace_back(name, line);
      }
    };
    if (!notification.thread_key.empty()) {
      const std::string thread = mail_thread_id(notification.thread_key, host_);
      add("In-Reply-To", thread);
      add("References", thread);
    }
    add("X-Tocsin-Incident", notification.incident.id);
    add("X-Tocsin-Severity", model::to_string(severity));
    add("X-Tocsin-Kind", to_string(notification.kind));
    // Keeps out-of-office answers away.
    add("Auto-Submitted", "auto-generated");
    if (severity == model::Severity::Critical && notification.firing()) {
      add("X-Priority", "1");
      add("Importance", "high");
    }
    return mail;
  }

  EmailSettings email_;
  base::Duration timeout_;
  MessageWriter writer_;
  base::Executor& executor_;
  net::MailClient& client_;
  std::string host_;
  TemplateFailures failures_;
  base::Counter refused_;
};

}  // namespace

std::string mail_message_id(const std::string& key, const std::string& host) {
  return fmt::format("<{}@{}>", key, host);
}

std::string mail_thread_id(const std::string& thread_key, const std::string& host) {
  return fmt::format("<incident-{}@{}>", base::sha256_hex(thread_key).substr(0, 32), host);
}

std::unique_ptr<Channel> make_channel_of(const EmailSettings&, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<EmailChannel>(settings, notify, world);
}

}  // namespace tocsin::notify
