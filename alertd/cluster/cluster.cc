#include "alertd/cluster/cluster.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>

#include "common/net/http_text.h"

namespace tocsin::cluster {
namespace {

constexpr std::string_view kPath = "/cluster/v1/exchange";
constexpr int kFailuresMax = 3;
/// Of entries in one message; the rest goes with the next.
constexpr std::size_t kEntryBytesMax = kMessageBytesMax / 2;
constexpr std::size_t kPendingMax = 50'000;
constexpr std::size_t kPeersMax = 100;

/// A host that says "any of mine" is no address for others.
std::string reachable(const std::string& address, const std::string& observed_host) {
  const std::size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  if (colon == std::string::npos || observed_host.empty() ||
      (!host.empty() && host != "0.0.0.0" && host != "[::]")) {
    return address;
  }
  const bool v6 = observed_host.find(':') != std::string::npos;
  return (v6 ? "[" + observed_host + "]" : observed_host) + address.substr(colon);
}

}  // namespace

/// What we know of one peer.
struct Cluster::Peer {
  std::string address;
  std::string name;  ///< Empty until it spoke.
  bool configured = false;
  bool alive = false;
  bool in_flight = false;
  bool synchronised = false;  ///< Everything was exchanged since it came.
  int failures = 0;
  base::Duration pause{0};
  base::MonotonicTime next_try{};
  base::MonotonicTime next_full{};
  ReplicatedTable::Cursor sent;  ///< Of our table, while sending everything.
  bool sending_all = true;
  ReplicatedTable::Cursor wanted;  ///< Of its table, while asking for everything.
  bool wanting_all = true;
  std::deque<Entry> pending;

  void start_over() {
    sent = wanted = {};
    sending_all = wanting_all = true;
    pending.clear();
  }
};

Cluster::Cluster(ClusterOptions options, const ClusterWorld& world, Merged merged)
    : options_(std::move(options)),
      world_(world),
      merged_(std::move(merged)),
      failures_(world.metrics.counter("tocsin_alertd_cluster_failures_total",
                                      "Exchanges with peers that failed.")),
      refused_(world.metrics.counter("tocsin_alertd_cluster_refused_total",
                                     "Peers' messages or entries that were refused.")) {
  shown_.push_back({options_.name, options_.address});
}

Cluster::~Cluster() {
  *alive_ = false;
}

void Cluster::start() {
  world_.executor.post([this, alive = alive_] {
    if (!*alive) return;
    running_ = true;
    started_ = world_.executor.clock().monotonic();
    for (const std::string& address : options_.peers) {
      if (address == options_.address) continue;
      auto& peer = peers_[address];
      if (!peer) peer = std::make_unique<Peer>();
      peer->address = address;
      peer->configured = true;
    }
    tick();
  });
}

void Cluster::stop() {
  world_.executor.post([this, alive = alive_] {
    if (!*alive || !running_) return;
    running_ = false;
    world_.executor.cancel(timer_);
    Message goodbye = hello();
    goodbye.leaving = true;
    for (const auto& [address, peer] : peers_) {
      if (!peer->alive) continue;
      world_.http.send(request_to(address, goodbye), world_.executor, [](auto) {});
    }
  });
}

void Cluster::put(std::vector<Entry> entries) {
  world_.executor.post([this, alive = alive_, entries = std::move(entries)] {
    if (!*alive) return;
    const base::WallTime now = world_.executor.clock().wall();
    for (const Entry& entry : entries) {
      const auto merged = table_.merge(entry, now);
      if (merged == ReplicatedTable::Merge::Refused) refused_.increment();
      if (merged != ReplicatedTable::Merge::Taken) continue;
      for (const auto& [address, peer] : peers_) {
        if (!peer->alive) continue;  // it gets everything when it comes
        if (peer->pending.size() >= kPendingMax) {
          peer->start_over();
        } else {
          peer->pending.push_back(entry);
        }
      }
    }
    for (const auto& [address, peer] : peers_) {
      if (running_ && peer->alive && !peer->in_flight) talk(*peer);
    }
  });
}

void Cluster::tick() {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  table_.expire(world_.executor.clock().wall());
  for (const auto& [address, peer] : peers_) {
    if (!peer->in_flight && peer->next_try <= now) talk(*peer);
  }
  publish();
  timer_ = world_.executor.post_after(options_.heartbeat, [this, alive = alive_] {
    if (*alive && running_) tick();
  });
}

Message Cluster::hello() const {
  Message message;
  message.label = options_.label;
  message.from = {options_.name, options_.address};
  for (const auto& [address, peer] : peers_) {
    if (peer->alive) message.peers.push_back({peer->name, address});
  }
  return message;
}

Message Cluster::message_for(Peer& peer) {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (peer.synchronised && peer.next_full <= now) {
    peer.sent = peer.wanted = {};
    peer.sending_all = peer.wanting_all = true;
  }
  Message message = hello();
  message.full = peer.wanting_all;
  message.after = peer.wanted;
  if (peer.sending_all) {
    peer.sending_all = table_.read(peer.sent, kEntryBytesMax, message.entries);
  }
  std::size_t bytes = message.entries.empty() ? 0 : kEntryBytesMax;
  while (!peer.pending.empty() && bytes < kEntryBytesMax) {
    bytes += peer.pending.front().body.size() + peer.pending.front().key.size() + 64;
    message.entries.push_back(std::move(peer.pending.front()));
    peer.pending.pop_front();
  }
  return message;
}

net::HttpRequest Cluster::request_to(const std::string& address, const Message& message) const {
  net::HttpRequest request;
  request.method = "POST";
  request.url = fmt::format("http://{}{}", address, kPath);
  request.body = encode(message);
  request.headers = {{"Content-Type", "application/json"}};
  const std::string signed_by =
      signature(options_.secret, world_.executor.clock().wall(), request.body);
  if (!signed_by.empty()) request.headers.emplace_back("X-Tocsin-Signature", signed_by);
  request.timeout = std::max<base::Duration>(options_.heartbeat, base::Duration{500});
  request.response_bytes_max = 2 * kMessageBytesMax;
  return request;
}

void Cluster::talk(Peer& peer) {
  peer.in_flight = true;
  world_.http.send(request_to(peer.address, message_for(peer)), world_.executor,
                   [this, alive = alive_, address = peer.address](auto response) {
                     if (*alive) answered(address, std::move(response));
                   });
}

void Cluster::answered(const std::string& address, base::Result<net::HttpResponse> response) {
  const auto found = peers_.find(address);
  if (found == peers_.end()) return;
  Peer& peer = *found->second;
  peer.in_flight = false;
  if (!running_) return;
  if (!response) return failed(peer, response.error().message);
  if (response->status != 200) {
    return failed(peer, fmt::format("HTTP {}", response->status));
  }
  if (!is_signed(options_.secret, response->header("x-tocsin-signature"), response->body,
                 world_.executor.clock().wall())) {
    refused_.increment();
    return failed(peer, "its answer is not signed with our secret");
  }
  auto message = decode(response->body);
  if (!message) return failed(peer, message.error().message);
  if (message->from.name == options_.name) return forget_as_self(address);
  took(peer, *message);
}

void Cluster::took(Peer& peer, const Message& message) {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  // A peer that came back under the same address may be another process, and know nothing.
  if (!peer.alive || peer.name != message.from.name) {
    base::log_info("alertd/cluster", "peer {} at {} is here", message.from.name, peer.address);
  }
  peer.name = message.from.name;
  peer.alive = true;
  peer.failures = 0;
  peer.pause = base::Duration{0};
  peer.next_try = now;
  log_.clear(peer.address);
  merge(message.entries);
  for (const PeerName& other : message.peers) learn(other, false);
  if (peer.wanting_all) {
    peer.wanted = message.after;
    peer.wanting_all = !message.after.empty();
  }
  const bool more = peer.sending_all || peer.wanting_all || !peer.pending.empty();
  if (!peer.sending_all && !peer.wanting_all && (!peer.synchronised || peer.next_full <= now)) {
    peer.synchronised = true;
    peer.next_full = now + options_.full_interval;
  }
  publish();
  if (more) talk(peer);
}

void Cluster::failed(Peer& peer, const std::string& why) {
  failures_.increment();
  ++peer.failures;
  // What the message held may be lost: everything is told again when it is back.
  peer.start_over();
  if (peer.failures >= kFailuresMax || !peer.alive) {
    if (peer.alive) {
      base::log_warning("alertd/cluster", "peer {} at {} is gone: {}", peer.name, peer.address,
                        why);
    }
    peer.alive = false;
    peer.synchronised = false;
    peer.pause = std::clamp(peer.pause * 2, options_.heartbeat, options_.retry_max);
    log_.report(peer.address, why);
  }
  peer.next_try = world_.executor.clock().monotonic() + peer.pause;
  publish();
}

void Cluster::forget_as_self(const std::string& address) {
  base::log_info("alertd/cluster",
                 "{} has our own name {}: that is us, or a copy of our storage (give it another "
                 "cluster.name)",
                 address, options_.name);
  not_peers_.push_back(address);
  peers_.erase(address);
  publish();
}

void Cluster::learn(const PeerName& who, bool alive) {
  if (who.name == options_.name || who.address.empty() || who.address == options_.address) return;
  if (std::find(not_peers_.begin(), not_peers_.end(), who.address) != not_peers_.end()) return;
  for (const auto& [address, peer] : peers_) {
    // Known under another address (a name and its number): one way to it is enough.
    if (peer->name == who.name && address != who.address && (peer->alive || !alive)) return;
  }
  auto& peer = peers_[who.address];
  if (!peer) {
    if (peers_.size() > kPeersMax) {
      peers_.erase(who.address);
      refused_.increment();
      return;
    }
    peer = std::make_unique<Peer>();
    peer->address = who.address;
  }
  if (!alive) return;
  // It spoke to us, so it lives; what it has it sends, what we have it asks for.
  if (peer->name != who.name || !peer->alive) {
    peer->name = who.name;
    peer->start_over();
    peer->synchronised = false;
    peer->pause = base::Duration{0};
    peer->next_try = world_.executor.clock().monotonic();
  }
}

void Cluster::merge(const std::vector<Entry>& entries) {
  const base::WallTime now = world_.executor.clock().wall();
  std::vector<Entry> taken;
  for (const Entry& entry : entries) {
    const auto merged = table_.merge(entry, now);
    if (merged == ReplicatedTable::Merge::Refused) refused_.increment();
    if (merged == ReplicatedTable::Merge::Taken) taken.push_back(entry);
  }
  if (!taken.empty()) merged_(std::move(taken));
}

void Cluster::handle(net::ServerRequest request, net::Respond respond) {
  if (request.method != "POST" || request.path != kPath) {
    respond(net::error_response(404, "not_found", "only peers talk here"));
    return;
  }
  world_.executor.post(
      [this, alive = alive_, request = std::move(request), respond = std::move(respond)] {
        if (*alive) exchange(request, respond);
      });
}

void Cluster::exchange(const net::ServerRequest& request, const net::Respond& respond) {
  const base::WallTime now = world_.executor.clock().wall();
  if (!is_signed(options_.secret, request.header("x-tocsin-signature"), request.body, now)) {
    refused_.increment();
    return respond(net::error_response(401, "unauthorized", "not signed with our secret"));
  }
  auto message = decode(request.body);
  if (!message || message->label != options_.label) {
    refused_.increment();
    return respond(net::error_response(
        400, "bad_data", message ? "another cluster's label" : message.error().message));
  }
  if (!running_) return respond(net::error_response(503, "unavailable", "stopping"));
  Message answer = hello();
  if (message->from.name != options_.name) {
    message->from.address = reachable(message->from.address, request.peer_address);
    merge(message->entries);
    if (message->leaving) {
      const auto peer = peers_.find(message->from.address);
      if (peer != peers_.end()) {
        peer->second->alive = peer->second->synchronised = false;
        peer->second->start_over();
      }
    } else {
      learn(message->from, true);
    }
    if (message->full) {
      answer.after = message->after;
      table_.read(answer.after, kEntryBytesMax, answer.entries);
    }
    publish();
  }
  net::ServerResponse response;
  response.body = encode(answer);
  const std::string signed_by = signature(options_.secret, now, response.body);
  if (!signed_by.empty()) response.headers.emplace_back("X-Tocsin-Signature", signed_by);
  respond(std::move(response));
}

void Cluster::publish() {
  std::vector<PeerName> living{{options_.name, options_.address}};
  bool settled = true;
  for (const auto& [address, peer] : peers_) {
    // One process may answer at two addresses, a name and its number: it counts once.
    const bool known = std::any_of(living.begin(), living.end(),
                                   [&](const PeerName& other) { return other.name == peer->name; });
    if (peer->alive && !known) living.push_back({peer->name, address});
    settled = settled && (!peer->configured || peer->synchronised);
  }
  std::sort(living.begin(), living.end(),
            [](const PeerName& a, const PeerName& b) { return a.name < b.name; });
  const base::Duration since =
      std::chrono::duration_cast<base::Duration>(world_.executor.clock().monotonic() - started_);
  const bool ready = settled || since >= options_.settle_timeout;
  const std::size_t position = place_in(living);
  bool news = !told_;
  {
    const base::MutexLock lock(mutex_);
    news = news || place_in(shown_) != position || (ready && status_ != ClusterStatus::Ready);
    shown_ = std::move(living);
    if (ready) status_ = ClusterStatus::Ready;
  }
  told_ = true;
  if (news && changed_) changed_(position, status());
}

std::size_t Cluster::place_in(const std::vector<PeerName>& living) const {
  const auto ours = std::find_if(living.begin(), living.end(), [this](const PeerName& peer) {
    return peer.name == options_.name;
  });
  return static_cast<std::size_t>(ours - living.begin());
}

std::size_t Cluster::position() const {
  const base::MutexLock lock(mutex_);
  return place_in(shown_);
}

ClusterStatus Cluster::status() const {
  const base::MutexLock lock(mutex_);
  return status_;
}

std::vector<PeerName> Cluster::peers() const {
  const base::MutexLock lock(mutex_);
  return shown_;
}

}  // namespace tocsin::cluster
