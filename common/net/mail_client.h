// Mail out by SMTP, over libcurl.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/net/http_client.h"

namespace tocsin::net {

enum class SmtpTls {
  None,      ///< Plain; for a relay on this host.
  StartTls,  ///< STARTTLS required.
  Implicit,  ///< TLS from the first byte (port 465).
};

struct SmtpServer {
  std::string host;
  unsigned short port = 25;
  SmtpTls tls_mode = SmtpTls::StartTls;
  TlsOptions tls;
  std::string user;  ///< Empty: no AUTH.
  base::Secret password;
  std::string hello;  ///< Name given in EHLO; empty: this host's.
};

/// One message. Header values are UTF-8; non-ASCII is encoded (RFC 2047); control characters are
/// refused.
struct Mail {
  std::string from;
  std::vector<std::string> to;
  std::string subject;
  std::string message_id;  ///< "<...@host>"
  Headers extra_headers;   ///< In-Reply-To, References, X-...
  base::WallTime date;
  std::string text;  ///< text/plain; quoted-printable on the wire.
  std::string html;  ///< text/html; empty: no second part.
};

/// What the server said to a mail it did not take: `permanent` for 5xx and refused logins.
struct MailOutcome {
  int smtp_code = 0;  ///< 250 when taken.
  bool permanent = false;
  std::string reply;                 ///< The server's last reply, control characters escaped.
  std::vector<std::string> refused;  ///< When taken: replies for recipients that were not.
};

using MailDone = std::function<void(base::Result<MailOutcome>)>;

/// Thread: send() from any.
class MailClient {
 public:
  virtual ~MailClient() = default;
  /// Sends one mail; `done` is posted to `reply_on`. An SMTP refusal is an outcome, not an error.
  /// Errors in `done`: InvalidArgument (control character in a header, no recipient), Unavailable,
  /// Timeout (outcome unknown: the same Message-ID makes a repeat recognisable), Cancelled.
  virtual void send(const SmtpServer& server, Mail mail, base::Duration timeout,
                    base::Executor& reply_on, MailDone done) = 0;
};

std::unique_ptr<MailClient> make_mail_client(const base::Clock& clock, unsigned threads,
                                             std::size_t queue_max);

}  // namespace tocsin::net
