// The ruler on real threads, for the thread sanitizer: many groups, reloads and a reader at once.

#include <doctest/doctest.h>

#include <atomic>
#include <set>

#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/ruler.h"
#include "common/base/asio_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler {
namespace {

/// Wakes the test once every alert name was seen.
class WaitingSink final : public model::AlertSink {
 public:
  void post(std::vector<model::Alert> alerts) override {
    base::MutexLock lock(mutex_);
    for (const model::Alert& alert : alerts) names_.emplace(alert.name());
    changed_.notify_all();
  }
  bool wait_for(std::size_t names) {
    base::MutexLock lock(mutex_);
    return changed_.wait_for(mutex_, std::chrono::seconds(20),
                             [&] { return names_.size() >= names; });
  }

 private:
  base::Mutex mutex_;
  base::Condition changed_;
  std::set<std::string> names_;
};

/// Acknowledges on a thread of its own, as the store does.
class ThreadedAppender final : public model::Appender {
 public:
  ThreadedAppender(MemoryStore& store, base::Executor& executor)
      : store_(store), executor_(executor) {}
  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override {
    executor_.post([this, batch = std::move(batch), done = std::move(done)]() mutable {
      store_.append(std::move(batch), std::move(done));
    });
  }

 private:
  MemoryStore& store_;
  base::Executor& executor_;
};

std::string file_text(int file) {
  std::string text = "[[group]]\nname = \"g\"\ninterval = \"1s\"\n";
  const std::string id = std::to_string(file);
  text += "[[group.record]]\nname = \"r:" + id + "\"\nexpr = 'vector(1) + " + id + "'\n";
  text += "[[group.alert]]\nname = \"A" + id + "\"\nexpr = 'r:" + id +
          " > 0'\nseverity = \"low\"\nrunbook = \"https://x.org\"\n"
          "summary = '{{ with query \"r:" +
          id + "\" }}{{ . | first | value }}{{ end }}'\n";
  return text;
}

}  // namespace

TEST_CASE("groups, reloads and readers on four threads") {
  constexpr int kFiles = 8;
  const base::RealClock clock;
  MemoryStore store;
  const promql::Engine engine;
  WaitingSink sink;
  base::Metrics metrics;
  sim::SimFileSystem files;
  REQUIRE(files.create_folders("/rules"));
  for (int i = 0; i < kFiles; ++i) {
    REQUIRE(files.write_atomic("/rules/" + std::to_string(i) + ".toml", file_text(i), 0644));
  }
  base::AsioExecutor store_thread(clock, "store", 1);
  base::AsioExecutor pool(clock, "eval", 4);
  ThreadedAppender appender(store, store_thread);
  RulerOptions options;
  options.paths = {"/rules"};
  Ruler ruler({pool, engine, store, appender, sink, metrics}, options, files);
  REQUIRE(ruler.load().ok);
  CHECK(sink.wait_for(kFiles));
  // Half of the groups change, one goes, one comes.
  for (int i = 0; i < kFiles / 2; ++i) {
    REQUIRE(files.write_atomic("/rules/" + std::to_string(i) + ".toml",
                               "# changed\n" + file_text(i), 0644));
  }
  REQUIRE(files.remove("/rules/7.toml"));
  REQUIRE(files.write_atomic("/rules/8.toml", file_text(8), 0644));
  REQUIRE(ruler.load().ok);
  REQUIRE(ruler.load().ok);
  CHECK(ruler.view().last_load_ok);
  CHECK(sink.wait_for(kFiles + 1));
  CHECK(ruler.view().groups.size() == kFiles);
  ruler.stop();
  pool.stop();
  store_thread.stop();
}

TEST_CASE("arrivals on two threads, waves of rules on four, and hosts that leave") {
  constexpr int kRules = 12;
  const base::RealClock clock;
  MemoryStore store;
  const promql::Engine engine;
  WaitingSink sink;
  base::Metrics metrics;
  sim::SimFileSystem files;
  REQUIRE(files.create_folders("/rules"));
  const auto write = [&](const std::string& more) {
    std::string text = "[[group]]\nname = \"g\"\ninterval = \"on-data\"\nmin_interval = \"0s\"\n";
    for (int i = 0; i < kRules; ++i) {
      const std::string id = std::to_string(i);
      text += "[[group.record]]\nname = \"r:" + id + "\"\nexpr = 'm" + id + " * 2'\n";
      text += "[[group.alert]]\nname = \"A" + id + "\"\nexpr = 'r:" + id +
              " > 1'\nseverity = \"high\"\nrunbook = \"https://x.org\"\n";
    }
    REQUIRE(files.write_atomic("/rules/a.toml", text + more, 0644));
  };
  write("");
  base::AsioExecutor store_thread(clock, "store", 1);
  base::AsioExecutor senders(clock, "io", 2);
  base::AsioExecutor pool(clock, "eval", 4);
  ThreadedAppender appender(store, store_thread);
  Arrivals arrivals;
  ShowingAppender intake(appender, arrivals, clock);
  RulerOptions options;
  options.paths = {"/rules"};
  Ruler ruler({pool, engine, store, appender, sink, metrics, &arrivals}, options, files);
  REQUIRE(ruler.load().ok);
  std::atomic<int> sent{0};
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < kRules; ++i) {
      senders.post([&, i, round] {
        auto batch = std::make_shared<model::WriteBatch>();
        const std::string name = "m" + std::to_string(i);
        const std::string host = "h" + std::to_string(round % 3);
        batch->add(model::Labels{{"__name__", name}, {"host", host}},
                   {base::to_ms(clock.wall()) + round, 1});
        intake.append(std::move(batch), [&sent](const auto&) { ++sent; });
      });
    }
    ruler.forget_owner("host", "h1", "it was taken away");
    ruler.welcome("host", "h1");
    ruler.forget_alert(model::Labels{{"alertname", "A1"}}, "somebody said so");
    if (round == 10) {
      write("# changed\n");
      REQUIRE(ruler.load().ok);
    }
    CHECK(ruler.view().groups.size() <= 1);
  }
  CHECK(sink.wait_for(kRules));
  ruler.stop();
  senders.stop();
  pool.stop();
  store_thread.stop();
  CHECK(sent <= 20 * kRules);
}

}  // namespace tocsin::ruler
