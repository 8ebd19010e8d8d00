// Messages to IRC: one connection that stays, one channel or nick a message.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/secret.h"
#include "common/net/http_client.h"
#include "common/net/talk.h"
#include "common/net/url.h"

namespace tocsin::net {

struct IrcServer {
  HostPort address;
  bool tls = true;
  TlsOptions tls_options;
  std::string nick;
  std::string user;       ///< For SASL PLAIN; empty: none.
  base::Secret password;  ///< Of `user`, or of the server if `user` is empty; may be empty.
  base::Duration line_pause{2'000};  ///< After `burst` lines: servers throw out who talks faster.
  std::size_t burst = 4;
};

struct IrcMessage {
  std::string target;  ///< "#ops" or a nick.
  base::Secret key;    ///< Of the channel; may be empty.
  std::vector<std::string> lines;
};

/// Thread: send() from any.
class IrcClient {
 public:
  virtual ~IrcClient() = default;
  /// Connects if need be, joins the channel, says the lines and asks for a sign of life: its answer
  /// proves that the server has worked through them. `done` is posted to `reply_on`.
  /// Errors in `done`: Unavailable, Timeout (outcome unknown if a line was said), PermissionDenied
  /// (certificate), InvalidArgument, Cancelled.
  virtual void send(IrcMessage message, base::Duration timeout, base::Executor& reply_on,
                    TalkDone done) = 0;
};

/// One connection to one server, made with the first message and kept; lost ones are made again by
/// the next message. Messages wait in a queue of at most 100.
std::unique_ptr<IrcClient> make_irc_client(const base::Clock& clock, IrcServer server);

}  // namespace tocsin::net
