// Answers to our mails: a mailbox that is looked into, and what its letters do.
//
// A letter counts only if a person wrote it, its sender's address is known (a receiver's, or listed
// in [imap]), it answers one of our mails by a signed Message-Id, and its first line is a command.
// Everything else is left where it is, seen, counted by reason. A sender's address can be forged;
// the token cannot, and it went to the receivers only.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "alertd/api/ack_handlers.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/config/table.h"
#include "common/net/imap_client.h"

namespace tocsin::alertd {

/// `[imap]`
struct MailReplySettings {
  net::ImapServer server;
  base::Duration poll{15'000};
  std::set<std::string> senders;  ///< Known addresses, in lower case.
};

/// Reads `[imap]`; nullopt if there is none.
std::optional<MailReplySettings> read_mail_reply_settings(config::Table& root);

/// Owner: `executor`. Thread: start and stop from any.
class MailReplies {
 public:
  MailReplies(MailReplySettings settings, api::AckDesk& desk, net::ImapClient& client,
              base::Executor& executor, base::Metrics& metrics);
  ~MailReplies() { *alive_ = false; }
  MailReplies(const MailReplies&) = delete;
  MailReplies& operator=(const MailReplies&) = delete;

  void start();
  void stop() { *alive_ = false; }

  /// What one letter does; for tests. Returns the reason that is counted.
  std::string take(const std::string& message);

 private:
  void poll();

  MailReplySettings settings_;
  api::AckDesk& desk_;
  net::ImapClient& client_;
  base::Executor& executor_;
  base::Metrics& metrics_;
  base::FailureLog log_{"alertd/mail_replies"};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tocsin::alertd
