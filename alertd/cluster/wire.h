// What peers say to each other: one JSON object each way. Format: README.md of this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/cluster/replicated_table.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace tocsin::cluster {

struct PeerName {
  std::string name;     ///< Random, kept over restarts; the order of names is the order of sending.
  std::string address;  ///< "host:port"
  friend bool operator==(const PeerName&, const PeerName&) = default;
};

struct Message {
  std::string label;  ///< Of the cluster; peers of another label are refused.
  PeerName from;
  std::vector<PeerName> peers;    ///< Those the sender finds alive, without itself.
  bool leaving = false;           ///< The sender ends.
  bool full = false;              ///< The sender wants everything from `after` on.
  ReplicatedTable::Cursor after;  ///< In an answer: where it ended, if there is more.
  std::vector<Entry> entries;
};

/// Bodies are kept below this, in bytes, by whoever makes messages.
inline constexpr std::size_t kMessageBytesMax = 8 << 20;

std::string encode(const Message& message);
/// Errors: InvalidArgument (names the field).
base::Result<Message> decode(std::string_view text);

/// Signs a body at a time; "" with an empty secret.
std::string signature(const base::Secret& secret, base::WallTime at, std::string_view body);
/// Returns whether the signature is right and not older or newer than five minutes; with an empty
/// secret everything is.
bool is_signed(const base::Secret& secret, std::string_view signature, std::string_view body,
               base::WallTime now);

}  // namespace tocsin::cluster
