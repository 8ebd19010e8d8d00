// Nodes in simulated time, joined by a network that can lose what it carries.
#include "alertd/cluster/cluster.h"

#include <doctest/doctest.h>

#include <set>

#include "common/base/sim_executor.h"

namespace tocsin::cluster {
namespace {

const base::WallTime kStart = base::wall_time(1'700'000'000'000);

/// Carries requests between nodes by the address in the URL; those cut off get nothing.
class FakeNetwork final : public net::HttpClient {
 public:
  std::map<std::string, Cluster*> nodes;
  std::set<std::string> cut;
  int carried = 0;

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    const std::string rest = request.url.substr(7);
    const std::string address = rest.substr(0, rest.find('/'));
    if (!nodes.contains(address) || cut.contains(address)) {
      reply_on.post([done] { done(base::error(base::ErrorCode::Unavailable, "refused")); });
      return;
    }
    ++carried;
    net::ServerRequest arrived;
    arrived.method = request.method;
    arrived.path = rest.substr(rest.find('/'));
    arrived.body = request.body;
    for (const auto& [name, value] : request.headers) {
      arrived.headers.emplace_back(name == "X-Tocsin-Signature" ? "x-tocsin-signature" : name,
                                   value);
    }
    arrived.peer_address = "10.0.0.9";
    nodes[address]->handle(std::move(arrived), [&reply_on, done](net::ServerResponse response) {
      net::HttpResponse answer{response.status, {}, response.body};
      for (const auto& [name, value] : response.headers) {
        if (name == "X-Tocsin-Signature") answer.headers.emplace_back("x-tocsin-signature", value);
      }
      reply_on.post([done, answer] { done(answer); });
    });
  }
};

struct Net {
  base::SimClock clock{kStart};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  FakeNetwork network;
  std::map<std::string, std::unique_ptr<Cluster>> nodes;
  std::map<std::string, std::map<std::string, std::string>> merged;  ///< Node -> key -> body.
  std::map<std::string, std::vector<int>> changes;  ///< Node -> places; -1 while settling.

  Cluster& add(const std::string& name, const std::string& address, std::vector<std::string> peers,
               const std::string& secret = "s") {
    ClusterOptions options;
    options.name = name;
    options.address = address;
    options.peers = std::move(peers);
    options.secret = base::Secret(secret);
    auto node = std::make_unique<Cluster>(options, ClusterWorld{executor, network, metrics},
                                          [this, name](std::vector<Entry> taken) {
                                            for (const Entry& entry : taken)
                                              merged[name][entry.key] = entry.body;
                                          });
    network.nodes[address] = node.get();
    node->on_change([this, name](std::size_t position, ClusterStatus status) {
      changes[name].push_back(status == ClusterStatus::Ready ? static_cast<int>(position) : -1);
    });
    node->start();
    return *(nodes[name] = std::move(node));
  }
  void kill(const std::string& name, const std::string& address) {
    network.nodes.erase(address);
    nodes.erase(name);
  }
  void run(int seconds) { executor.run_for(std::chrono::seconds(seconds)); }
  Entry entry(const std::string& key, const std::string& body, int updated = 0) const {
    return {"silence", key, body, kStart + std::chrono::seconds(updated),
            kStart + std::chrono::hours(1)};
  }
};

TEST_CASE("the table: the latest word wins, whatever the order") {
  ReplicatedTable table(2);
  const Net net;
  using Merge = ReplicatedTable::Merge;
  CHECK(table.merge(net.entry("a", "2", 2), kStart) == Merge::Taken);
  CHECK(table.merge(net.entry("a", "1", 1), kStart) == Merge::Known);
  CHECK(table.merge(net.entry("a", "2", 2), kStart) == Merge::Known);
  CHECK(table.merge(net.entry("a", "3", 2), kStart) == Merge::Taken);  // same time: by the text
  CHECK(table.merge(net.entry("b", "1", 1), kStart) == Merge::Taken);
  CHECK(table.merge(net.entry("c", "1", 1), kStart) == Merge::Refused);
  CHECK(table.merge(net.entry("a", "4", 9), kStart) == Merge::Taken);
  ReplicatedTable::Cursor cursor;
  std::vector<Entry> read;
  CHECK(table.read(cursor, 1, read));
  CHECK_FALSE(table.read(cursor, 1000, read));
  CHECK(read == std::vector<Entry>{net.entry("a", "4", 9), net.entry("b", "1", 1)});
  table.expire(kStart + std::chrono::hours(1));
  CHECK(table.size() == 0);
}

TEST_CASE("messages: there and back, and what is refused") {
  Message message{"label", {"a", "h:1"}, {{"b", "h:2"}}, true, true, {"k", "x"}, {}};
  message.entries = {{"silence", "id", "{\"a\":\"\\u00e9\"}", kStart, kStart}};
  const auto read = decode(encode(message));
  REQUIRE(read);
  CHECK(encode(*read) == encode(message));
  CHECK(read->leaving);
  CHECK(read->after.key == "x");
  for (const char* broken :
       {"", "[]", "{}", R"({"version":2,"name":"a"})", R"({"version":1,"name":""})",
        R"({"version":1,"name":"a","entries":[{"kind":"k"}]})"}) {
    CHECK_FALSE(decode(broken));
  }
  const base::Secret secret("s");
  const std::string stamp = signature(secret, kStart, "body");
  CHECK(is_signed(secret, stamp, "body", kStart + std::chrono::minutes(5)));
  CHECK_FALSE(is_signed(secret, stamp, "body", kStart + std::chrono::minutes(6)));
  CHECK_FALSE(is_signed(secret, stamp, "bodY", kStart));
  CHECK_FALSE(is_signed(secret, "", "body", kStart));
  CHECK_FALSE(is_signed(base::Secret("t"), stamp, "body", kStart));
}

TEST_CASE("two nodes: whole state on joining, changes at once, order by name") {
  Net net;
  Cluster& a = net.add("a", "h:1", {});
  a.put({net.entry("old", "1")});
  net.run(2);
  CHECK(a.status() == ClusterStatus::Ready);
  Cluster& b = net.add("b", "h:2", {"h:1", "h:2"});
  b.put({net.entry("mine", "2")});
  CHECK(b.status() == ClusterStatus::Settling);
  net.run(2);
  CHECK(b.status() == ClusterStatus::Ready);
  CHECK(net.merged["b"]["old"] == "1");
  CHECK(net.merged["a"]["mine"] == "2");
  CHECK(a.position() == 0);
  CHECK(b.position() == 1);
  CHECK(a.peers() == b.peers());
  a.put({net.entry("new", "3")});
  net.executor.run_ready();
  CHECK(net.merged["b"]["new"] == "3");
}

TEST_CASE("a peer that dies is gone within seconds, and gets everything when it is back") {
  Net net;
  Cluster& b = net.add("b", "h:2", {"h:1"});
  net.add("a", "h:1", {"h:2"});
  net.run(3);
  CHECK(b.position() == 1);
  net.kill("a", "h:1");
  net.run(4);
  CHECK(b.position() == 0);
  CHECK(b.peers().size() == 1);
  b.put({net.entry("meanwhile", "1")});
  net.run(600);
  net.add("a", "h:1", {});  // it knows nobody; b comes to it
  net.run(20);
  CHECK(b.position() == 1);
  CHECK(net.merged["a"]["meanwhile"] == "1");
  CHECK(net.changes["b"].back() == 1);
  CHECK(net.changes["b"].front() == -1);
}

TEST_CASE("what a message lost is told again, at the latest by the exchange of everything") {
  Net net;
  Cluster& a = net.add("a", "h:1", {"h:2"});
  net.add("b", "h:2", {});
  net.run(3);
  net.network.cut.insert("h:2");
  a.put({net.entry("lost", "1")});
  net.run(1);
  CHECK_FALSE(net.merged["b"].contains("lost"));
  net.network.cut.clear();
  net.run(70);
  CHECK(net.merged["b"]["lost"] == "1");
}

TEST_CASE("three nodes find each other through one; one that leaves is gone at once") {
  Net net;
  Cluster& a = net.add("a", "h:1", {});
  net.add("b", "h:2", {"h:1"});
  Cluster& c = net.add("c", "h:3", {"h:1"});
  net.run(5);
  CHECK(a.peers().size() == 3);
  CHECK(c.position() == 2);
  net.nodes["b"]->stop();
  net.executor.run_ready();
  CHECK(c.position() == 1);
}

TEST_CASE("one process under two addresses counts once; ourselves not at all") {
  Net net;
  Cluster& a = net.add("a", "h:1", {"alias:2", "h:1", "alias:1"});
  Cluster& b = net.add("b", "h:2", {"h:1"});
  net.network.nodes["alias:2"] = &b;
  net.network.nodes["alias:1"] = &a;
  net.run(10);
  CHECK(a.peers().size() == 2);
  CHECK(a.position() == 0);
  CHECK(b.peers().size() == 2);
  CHECK(b.position() == 1);
}

TEST_CASE("another secret is another cluster; the network is not believed") {
  Net net;
  Cluster& a = net.add("a", "h:1", {});
  Cluster& evil = net.add("evil", "h:2", {"h:1"}, "other");
  evil.put({net.entry("x", "1")});
  net.run(5);
  CHECK(a.peers().size() == 1);
  CHECK(net.merged["a"].empty());
  CHECK(evil.peers().size() == 1);
}

}  // namespace
}  // namespace tocsin::cluster
