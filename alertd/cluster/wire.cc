#include "alertd/cluster/wire.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::cluster {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kPeersMax = 100;
constexpr std::size_t kNameBytesMax = 256;
constexpr base::Duration kClockWindow = std::chrono::minutes(5);

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, "peer's message: " + std::move(message));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->data(), text->size()) : std::string();
}

bool flag_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_bool() && value->get_bool();
}

Result<PeerName> peer_of(const json::object& object) {
  PeerName peer{text_of(object, "name"), text_of(object, "address")};
  if (peer.name.empty() || peer.name.size() > kNameBytesMax ||
      peer.address.size() > kNameBytesMax) {
    return bad("a peer without a name, or with one that is too long");
  }
  return peer;
}

Result<Entry> entry_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (!object) return bad("an entry is no object");
  Entry entry;
  entry.kind = text_of(*object, "kind");
  entry.key = text_of(*object, "key");
  entry.body = text_of(*object, "body");
  const json::value* updated = object->if_contains("updated_at");
  const json::value* expires = object->if_contains("expires_at");
  if (entry.kind.empty() || entry.key.empty() || !updated || !updated->is_int64() || !expires ||
      !expires->is_int64()) {
    return bad("an entry without kind, key or times");
  }
  entry.updated_at = base::wall_time(updated->get_int64());
  entry.expires_at = base::wall_time(expires->get_int64());
  return entry;
}

const json::array* array_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value ? value->if_array() : nullptr;
}

}  // namespace

std::string encode(const Message& message) {
  json::object object;
  object["version"] = 1;
  object["label"] = message.label;
  object["name"] = message.from.name;
  object["address"] = message.from.address;
  if (message.leaving) object["leaving"] = true;
  if (message.full) object["full"] = true;
  if (!message.after.empty()) {
    object["after"] = {{"kind", message.after.kind}, {"key", message.after.key}};
  }
  json::array peers;
  for (const PeerName& peer : message.peers) {
    peers.push_back({{"name", peer.name}, {"address", peer.address}});
  }
  object["peers"] = std::move(peers);
  json::array entries;
  for (const Entry& entry : message.entries) {
    entries.push_back({{"kind", entry.kind},
                       {"key", entry.key},
                       {"body", entry.body},
                       {"updated_at", base::to_ms(entry.updated_at)},
                       {"expires_at", base::to_ms(entry.expires_at)}});
  }
  object["entries"] = std::move(entries);
  return json::serialize(object);
}

Result<Message> decode(std::string_view text) {
  if (text.size() > 2 * kMessageBytesMax) return bad("too large");
  json::parse_options options;
  options.max_depth = 8;
  json::error_code failure;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), failure,
                                        json::storage_ptr(), options);
  if (failure || !value.is_object()) return bad("no JSON object");
  const json::object& object = value.get_object();
  const json::value* version = object.if_contains("version");
  if (!version || !version->is_int64() || version->get_int64() != 1) {
    return bad("another version of the protocol");
  }
  Message message;
  message.label = text_of(object, "label");
  TC_TRY(message.from, peer_of(object));
  message.leaving = flag_of(object, "leaving");
  message.full = flag_of(object, "full");
  if (const json::value* after = object.if_contains("after"); after && after->is_object()) {
    message.after = {text_of(after->get_object(), "kind"), text_of(after->get_object(), "key")};
  }
  if (const json::array* peers = array_of(object, "peers")) {
    if (peers->size() > kPeersMax) return bad(fmt::format("more than {} peers", kPeersMax));
    for (const json::value& one : *peers) {
      if (!one.is_object()) return bad("a peer is no object");
      TC_TRY(PeerName peer, peer_of(one.get_object()));
      message.peers.push_back(std::move(peer));
    }
  }
  if (const json::array* entries = array_of(object, "entries")) {
    for (const json::value& one : *entries) {
      TC_TRY(Entry entry, entry_of(one));
      message.entries.push_back(std::move(entry));
    }
  }
  return message;
}

std::string signature(const base::Secret& secret, base::WallTime at, std::string_view body) {
  if (secret.empty()) return "";
  const std::int64_t ms = base::to_ms(at);
  return fmt::format("{}:{}", ms,
                     base::hmac_sha256_hex(secret.reveal(), fmt::format("{}:{}", ms, body)));
}

bool is_signed(const base::Secret& secret, std::string_view given, std::string_view body,
               base::WallTime now) {
  if (secret.empty()) return true;
  const auto ms = base::parse_i64(given.substr(0, given.find(':')));
  if (!ms || *ms < 0 || *ms > 100'000'000'000'000) return false;
  const base::WallTime at = base::wall_time(*ms);
  return std::chrono::abs(now - at) <= kClockWindow &&
         base::equals_constant_time(given, signature(secret, at, body));
}

}  // namespace tocsin::cluster
