// What `[[mail_queue]]` and `[[mail_canary]]` in the agent's configuration say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/mail/spool_walk.h"
#include "common/net/imap_client.h"
#include "common/net/mail_client.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// How Postfix's queue is read.
enum class SpoolReading {
  Auto,  ///< Its folders, and the listing where they are closed to us.
  Folders,
  Listing,  ///< showq, with the group postdrop.
};

/// One mail server of this host.
struct MailQueueSettings {
  std::string name;  ///< The label `server`.
  MailServer mta = MailServer::Postfix;
  std::string spool;
  SpoolReading reading = SpoolReading::Auto;
  base::Duration interval{60'000};
  SpoolLimits limits{};

  std::string key() const { return "mail_queue " + name; }
};

/// One way that mail takes.
struct MailCanarySettings {
  std::string name;  ///< The label `server`.
  std::string host;  ///< The label `host`, in the message and in its mark.
  net::SmtpServer smtp;
  std::string from;
  std::string to;
  std::optional<net::ImapServer> imap;  ///< Where it should arrive; or:
  std::string maildir;
  std::string mbox;
  base::Duration interval{600'000};           ///< Between two messages.
  base::Duration check_interval{30'000};      ///< Between two looks while one is out.
  base::Duration timeout{30'000};             ///< Of handing it over, and of a look.
  base::Duration lost_after{2 * 86'400'000};  ///< Then nobody waits for it any more.
  bool keep = false;                          ///< What came back is not deleted.

  std::string key() const { return "mail_canary " + name; }
};

std::vector<MailQueueSettings> read_mail_queue_settings(config::Table& root);

/// `host` is the agent's label. Mistakes go to the diagnostics.
std::vector<MailCanarySettings> read_mail_canary_settings(config::Table& root,
                                                          const std::string& host);

}  // namespace tocsin::agent
