// One node among its peers: keeps a replicated table in step with theirs, and knows who lives.
//
//   Cluster cluster(options, {executor, http, metrics}, [](auto entries) { ... merged from peers
//   }); cluster.start();                  // joins; whole state both ways cluster.put(entry); //
//   ours changed: told to all at once cluster.position();               // 0: send first; p: wait p
//   * peer_timeout and look again
//
// Every peer is asked once a second with what changed since (a heartbeat if nothing did), and once
// a minute for everything. A peer that does not answer three times is gone: it keeps being tried,
// ever more seldom, and comes back with the whole state. The order of notifications is the order of
// the names that live. Fail open: without an answer nobody waits longer than the time-out.
// Source: shared/reference/routing.md, section 1, "HA".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/cluster/replicated_table.h"
#include "alertd/cluster/wire.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/net/http_client.h"
#include "common/net/http_server.h"

namespace tocsin::cluster {

struct ClusterOptions {
  std::string name;                ///< Ours; unique.
  std::string address;             ///< Where peers reach us, "host:port".
  std::vector<std::string> peers;  ///< "host:port" of those to join; ourselves among them is fine.
  std::string label;
  base::Secret secret;
  base::Duration heartbeat{1'000};
  base::Duration full_interval{60'000};
  base::Duration settle_timeout{60'000};
  base::Duration retry_max{15'000};  ///< Longest pause between tries of a peer that is gone.
};

struct ClusterWorld {
  base::Executor& executor;  ///< One task at a time; owns everything below.
  net::HttpClient& http;
  base::Metrics& metrics;
};

enum class ClusterStatus { Settling, Ready };

/// Thread: position, status, peers, put and handle from any; start and stop from main.
class Cluster {
 public:
  /// `merged` gets entries that a peer knew better; it runs on the executor.
  using Merged = std::function<void(std::vector<Entry>)>;
  Cluster(ClusterOptions options, const ClusterWorld& world, Merged merged);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// `changed` hears of our place and whether we have settled, at the start and when they change;
  /// on the executor. Before start().
  using Changed = std::function<void(std::size_t position, ClusterStatus status)>;
  void on_change(Changed changed) { changed_ = std::move(changed); }

  void start();
  /// Says good-bye, best effort. Nothing runs after it once the executor is idle.
  void stop();

  /// Our own entries changed (or are read back at the start).
  void put(std::vector<Entry> entries);

  /// A peer's request: POST /cluster/v1/exchange.
  void handle(net::ServerRequest request, net::Respond respond);

  /// Our place among the names that live, from 0.
  std::size_t position() const;
  ClusterStatus status() const;
  const std::string& name() const { return options_.name; }
  /// Those that live, ourselves among them, by name.
  std::vector<PeerName> peers() const;

 private:
  struct Peer;
  void tick();
  void talk(Peer& peer);
  void answered(const std::string& address, base::Result<net::HttpResponse> response);
  void took(Peer& peer, const Message& message);
  void failed(Peer& peer, const std::string& why);
  void exchange(const net::ServerRequest& request, const net::Respond& respond);
  Message message_for(Peer& peer);
  Message hello() const;
  net::HttpRequest request_to(const std::string& address, const Message& message) const;
  void learn(const PeerName& who, bool alive);
  void forget_as_self(const std::string& address);
  void merge(const std::vector<Entry>& entries);
  void publish();
  std::size_t place_in(const std::vector<PeerName>& living) const;

  ClusterOptions options_;
  ClusterWorld world_;
  Merged merged_;
  Changed changed_;
  ReplicatedTable table_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;  ///< By address.
  std::vector<std::string> not_peers_;                  ///< Addresses that turned out to be ours.
  base::MonotonicTime started_{};
  base::TimerId timer_ = 0;
  bool running_ = false;
  bool told_ = false;
  base::Counter failures_;
  base::Counter refused_;
  base::FailureLog log_{"alertd/cluster"};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  mutable base::Mutex mutex_;
  std::vector<PeerName> shown_ GUARDED_BY(mutex_);
  ClusterStatus status_ GUARDED_BY(mutex_) = ClusterStatus::Settling;
};

}  // namespace tocsin::cluster
