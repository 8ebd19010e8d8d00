// Mail in by IMAP, over libcurl: the unseen messages of one mailbox, or one's own by their subject.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/result.h"
#include "common/net/mail_client.h"

namespace tocsin::net {

struct ImapServer {
  std::string host;
  unsigned short port = 993;
  SmtpTls tls_mode = SmtpTls::Implicit;
  TlsOptions tls;
  std::string user;
  base::Secret password;
  std::string mailbox = "INBOX";
};

struct ImapLimits {
  std::size_t messages_max = 20;            ///< At once; the rest comes with the next call.
  std::size_t message_bytes_max = 1 << 20;  ///< A larger one is marked as seen and left out.
  base::Duration timeout{20'000};           ///< For everything.
};

struct ImapFetched {
  std::vector<std::string> messages;  ///< As they are stored, oldest first; they are seen now.
  std::size_t too_large = 0;
};

using ImapDone = std::function<void(base::Result<ImapFetched>)>;

/// Messages of one's own, known by words in their subject. The server does the looking: no message
/// is fetched, and none is marked as seen.
struct MailSearch {
  std::string common;              ///< In the subject of all of them. Letters, digits and '-'.
  std::vector<std::string> words;  ///< One message each; of the same letters.
  /// Those that are found are deleted; and so are those with `common` that came before this day.
  std::optional<base::WallTime> remove_before;
};

struct MailFound {
  std::vector<std::string> words;  ///< Of those that are there.
  std::size_t removed = 0;
};

using MailFoundDone = std::function<void(base::Result<MailFound>)>;

/// Thread: fetch_unseen() and search() from any.
class ImapClient {
 public:
  virtual ~ImapClient() = default;
  /// Fetches unseen messages and marks them as seen; `done` is posted to `reply_on`. If the
  /// connection breaks in between, those that were fetched are still handed over.
  /// Errors in `done`: InvalidArgument (bad name, refused login), Unavailable, Timeout, Cancelled.
  virtual void fetch_unseen(const ImapServer& server, const ImapLimits& limits,
                            base::Executor& reply_on, ImapDone done) = 0;

  /// Looks for messages by their subject; `done` is posted to `reply_on`. Deleting marks and
  /// expunges them alone (UIDPLUS, RFC 4315); a server without it keeps them, marked as deleted.
  /// Errors in `done`: as fetch_unseen(); InvalidArgument also for a word of other letters.
  virtual void search(const ImapServer& server, const MailSearch& search, base::Duration timeout,
                      base::Executor& reply_on, MailFoundDone done) = 0;
};

std::unique_ptr<ImapClient> make_imap_client(const base::Clock& clock);

}  // namespace tocsin::net
