#include "alertd/app/mail_replies.h"

#include "alertd/api/mail_reply.h"
#include "common/base/strings.h"
#include "common/net/mail_read.h"

namespace tocsin::alertd {

std::optional<MailReplySettings> read_mail_reply_settings(config::Table& root) {
  if (!root.has("imap")) return std::nullopt;
  config::Table table = root.table("imap");
  MailReplySettings settings;
  net::ImapServer& server = settings.server;
  server.host = table.required_string("host");
  const std::string tls = table.one_of("tls", "implicit", {"implicit", "starttls", "none"});
  server.tls_mode = tls == "none"       ? net::SmtpTls::None
                    : tls == "starttls" ? net::SmtpTls::StartTls
                                        : net::SmtpTls::Implicit;
  server.port =
      static_cast<unsigned short>(table.integer("port", tls == "implicit" ? 993 : 143, 1, 65535));
  server.tls.ca_file = table.string("tls_ca_file", "");
  server.user = table.required_string("user");
  if (const auto password = table.secret("password")) server.password = *password;
  server.mailbox = table.string("mailbox", server.mailbox);
  settings.poll = table.duration("poll", settings.poll);
  if (settings.poll < std::chrono::seconds(1)) {
    table.error("poll", "poll is shorter than a second", "15s is quick enough for a person");
  }
  for (const std::string& sender : table.strings("senders")) {
    settings.senders.insert(base::to_lower(base::trim(sender)));
  }
  table.finish();
  return settings;
}

MailReplies::MailReplies(MailReplySettings settings, api::AckDesk& desk, net::ImapClient& client,
                         base::Executor& executor, base::Metrics& metrics)
    : settings_(std::move(settings)),
      desk_(desk),
      client_(client),
      executor_(executor),
      metrics_(metrics) {}

void MailReplies::start() {
  executor_.post([this, alive = alive_] {
    if (*alive) poll();
  });
}

void MailReplies::poll() {
  client_.fetch_unseen(settings_.server, {}, executor_,
                       [this, alive = alive_](const base::Result<net::ImapFetched>& fetched) {
                         if (!*alive) return;
                         if (!fetched) {
                           log_.report("mailbox", fetched.error().message);
                         } else {
                           log_.clear("mailbox");
                           for (const std::string& message : fetched->messages) take(message);
                         }
                         executor_.post_after(settings_.poll, [this, alive] {
                           if (*alive) poll();
                         });
                       });
}

std::string MailReplies::take(const std::string& message) {
  const net::ReceivedMail mail = net::read_mail(message);
  const auto reply = api::read_reply(mail.text);
  std::string token = api::reply_token(mail.in_reply_to);
  if (token.empty()) token = api::reply_token(mail.references);
  std::string reason = "taken";
  if (mail.automatic) {
    reason = "automatic";
  } else if (!settings_.senders.contains(mail.from)) {
    reason = "unknown_sender";
  } else if (token.empty()) {
    reason = "no_token";
  } else if (!reply) {
    reason = "no_command";
  }
  metrics_
      .counter("tocsin_alertd_mail_replies_total", "Mails in the mailbox, by what became of them.",
               {{"reason", reason}})
      .increment();
  if (reason != "taken") {
    base::log_info("alertd/mail_replies", "mail from '{}' left alone: {}",
                   base::escape_control(mail.from), reason);
    return reason;
  }
  api::AckDesk::Act act;
  act.token = token;
  act.by = mail.from;
  act.source = "mail " + mail.from;
  act.hold = reply->hold;
  act.action = reply->action;
  act.comment = reply->comment;
  desk_.act(std::move(act), [from = mail.from](const api::AckResult& result) {
    base::log_info("alertd/mail_replies", "mail from {}: {}", from, result.text);
  });
  return reason;
}

}  // namespace tocsin::alertd
