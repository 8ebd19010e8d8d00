// Messages to XMPP: to a person, or into a room.
#pragma once

#include <memory>
#include <string>

#include "common/base/executor.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/net/talk.h"

namespace tocsin::net {

struct XmppAccount {
  std::string jid;  ///< "tocsin@example.org", with a resource if wanted.
  base::Secret password;
  std::string host;  ///< Empty: by the domain's SRV record.
  unsigned short port = 5222;
  std::string ca_file;    ///< PEM; empty: the system's.
  bool insecure = false;  ///< Any certificate.
};

struct XmppMessage {
  std::string id;  ///< The same on every attempt.
  std::string to;  ///< A person's address, or a room's.
  bool is_room = false;
  std::string nick;            ///< In the room.
  base::Secret room_password;  ///< May be empty.
  std::string thread;          ///< May be empty.
  std::string body;            ///< UTF-8 without control characters but line ends.
};

/// Thread: send() from any.
class XmppClient {
 public:
  virtual ~XmppClient() = default;
  /// Logs in and enters the room if need be, and sends. Proof of delivery: the room sends the
  /// message back; for a person, the server answers a ping sent after it and has not returned the
  /// message. `done` is posted to `reply_on`.
  /// Errors in `done`: Unavailable, Timeout (outcome unknown), Cancelled.
  virtual void send(XmppMessage message, base::Duration timeout, base::Executor& reply_on,
                    TalkDone done) = 0;
};

/// One connection, made with the first message. Messages wait in a queue of at most 100.
std::unique_ptr<XmppClient> make_xmpp_client(const base::Clock& clock, XmppAccount account);

}  // namespace tocsin::net
