// Mail in by IMAP, over libcurl: the unseen messages of one mailbox.
#pragma once

#include <functional>
#include <memory>
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

/// Thread: fetch_unseen() from any.
class ImapClient {
 public:
  virtual ~ImapClient() = default;
  /// Fetches unseen messages and marks them as seen; `done` is posted to `reply_on`. If the
  /// connection breaks in between, those that were fetched are still handed over.
  /// Errors in `done`: InvalidArgument (bad name, refused login), Unavailable, Timeout, Cancelled.
  virtual void fetch_unseen(const ImapServer& server, const ImapLimits& limits,
                            base::Executor& reply_on, ImapDone done) = 0;
};

std::unique_ptr<ImapClient> make_imap_client(const base::Clock& clock);

}  // namespace tocsin::net
