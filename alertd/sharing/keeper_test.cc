#include "alertd/sharing/keeper.h"

#include <doctest/doctest.h>

#include "alertd/sharing/fake_group_store.h"
#include "common/base/random.h"
#include "common/base/sim_executor.h"

namespace tocsin::sharing {
namespace {

using std::chrono::seconds;

/// A daemon's threads: while it is stopped (SIGSTOP), what is due waits.
class StoppableExecutor final : public base::Executor {
 public:
  explicit StoppableExecutor(base::SimExecutor& inner) : inner_(inner) {}

  void post(base::Task task) override { inner_.post(held(std::move(task))); }
  base::TimerId post_at(base::MonotonicTime due, base::Task task) override {
    return inner_.post_at(due, held(std::move(task)));
  }
  void cancel(base::TimerId timer) override { inner_.cancel(timer); }
  bool running_here() const override { return inner_.running_here(); }
  const base::Clock& clock() const override { return inner_.clock(); }

  void stop(bool stopped) {
    stopped_ = stopped;
    if (stopped) return;
    for (base::Task& task : std::exchange(waiting_, {})) inner_.post(std::move(task));
  }
  bool stopped() const { return stopped_; }

 private:
  base::Task held(base::Task task) {
    return [this, alive = alive_, task = std::move(task)] {
      if (stopped_) {
        waiting_.push_back(task);
      } else {
        task();
      }
    };
  }

  base::SimExecutor& inner_;
  bool stopped_ = false;
  std::vector<base::Task> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Several daemons that share groups; each evaluates what it holds once a second, and its state is
/// how often the group was evaluated.
struct Fleet {
  struct Daemon {
    Daemon(Fleet& fleet, const std::string& its_name, const std::string& session)
        : fleet_(fleet), executor(fleet.executor), store(fleet.tables), name(its_name) {
      KeeperOptions options;
      options.name = name;
      options.session = session;
      Keeper::Hooks hooks;
      hooks.taken = [this](Taken taken) {
        running[taken.key] = {taken.epoch,
                              taken.last.state.empty() ? 0 : std::stoi(taken.last.state)};
      };
      hooks.give = [this](const std::string& key, const base::Task& done) {
        running.erase(key);
        done();
      };
      hooks.lost = [this](const std::string& key) { running.erase(key); };
      hooks.heard = [this](const std::string& text) { words += text + " "; };
      hooks.changed = [this](const std::vector<ChangedGroup>& changed) {
        for (const ChangedGroup& group : changed) heard[group.key] = group.alerts;
      };
      keeper = std::make_unique<Keeper>(options, store, executor, metrics, std::move(hooks));
      keeper->know(fleet.keys);
      keeper->start();
      evaluate();
    }

    void evaluate() {
      for (auto& [key, run] : running) {
        ++run.second;
        const std::string state = std::to_string(run.second);
        keeper->save({key, run.first, {executor.clock().wall(), state, "[" + state + "]"}});
      }
      executor.post_after(seconds(1), [this] {
        if (keeper) evaluate();
      });
    }

    Fleet& fleet_;
    StoppableExecutor executor;
    FakeGroupStore store;
    base::Metrics metrics;
    std::string name;
    bool ended = false;
    std::map<std::string, std::pair<std::uint64_t, int>> running;  // epoch, evaluations
    std::map<std::string, std::string> heard;
    std::string words;
    std::unique_ptr<Keeper> keeper;
  };

  explicit Fleet(std::size_t groups) {
    base::set_log_level(base::LogLevel::Error);
    for (std::size_t i = 0; i < groups; ++i) keys.push_back("group " + std::to_string(i));
    tables->saved = [this](const GroupSave& save, bool accepted) {
      if (!accepted) {
        ++refused;
        return;
      }
      CHECK(save.epoch >= epochs[save.key]);  // nothing of an old epoch after one of a new
      CHECK(std::stoi(save.now.state) > evaluations[save.key]);  // it goes on where it stood
      epochs[save.key] = save.epoch;
      evaluations[save.key] = std::stoi(save.now.state);
      saved_at[save.key] = clock.monotonic();
    };
  }

  Daemon& join(const std::string& name) {
    daemons.push_back(std::make_unique<Daemon>(*this, name, name + std::to_string(++sessions)));
    return *daemons.back();
  }
  /// kill -9. What the executor still holds of it finds no keeper.
  void kill(Daemon& daemon) {
    daemon.keeper.reset();
    daemon.running.clear();
  }
  /// An orderly end.
  void end(Daemon& daemon) {
    daemon.keeper->stop();
    daemon.running.clear();
    daemon.ended = true;
  }
  /// No group was without an evaluation for longer.
  void check_gaps(base::Duration longest) {
    for (const std::string& key : keys) CHECK(clock.monotonic() - saved_at[key] <= longest);
  }
  std::size_t held(const Daemon& daemon) const { return daemon.running.size(); }

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeGroupStore::Tables> tables = std::make_shared<FakeGroupStore::Tables>(clock);
  std::vector<std::string> keys;
  std::vector<std::unique_ptr<Daemon>> daemons;
  int sessions = 0;
  std::size_t refused = 0;
  std::map<std::string, std::uint64_t> epochs;
  std::map<std::string, int> evaluations;
  std::map<std::string, base::MonotonicTime> saved_at;
};

}  // namespace

TEST_CASE("keeper: a second daemon gets its share without a gap") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  fleet.executor.run_for(seconds(5));
  CHECK(fleet.held(first) == 20);
  Fleet::Daemon& second = fleet.join("two");
  for (int i = 0; i < 40; ++i) {
    fleet.executor.run_for(seconds(1));
    fleet.check_gaps(seconds(5));
  }
  CHECK(fleet.held(first) == 10);
  CHECK(fleet.held(second) == 10);
  CHECK(fleet.refused == 0);
}

TEST_CASE("keeper: a dead daemon's groups are evaluated elsewhere within 15 s") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(60));
  REQUIRE(fleet.held(second) == 10);
  fleet.kill(second);
  fleet.executor.run_for(seconds(13));
  CHECK(fleet.held(first) == 20);
  fleet.check_gaps(seconds(2));
  CHECK(fleet.tables->sessions.size() == 2);  // it is missed
  fleet.join("two");                          // started again: the same name, another life
  fleet.executor.run_for(seconds(60));
  CHECK(fleet.held(first) == 10);
  CHECK(fleet.tables->sessions.size() == 2);
}

TEST_CASE("keeper: one that was stopped past its term is refused, and begins anew") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(60));
  second.executor.stop(true);
  fleet.executor.run_for(seconds(13));
  CHECK(fleet.held(first) == 20);
  second.executor.stop(false);
  fleet.executor.run_for(seconds(3));
  CHECK(fleet.held(second) == 0);
  fleet.executor.run_for(seconds(40));
  CHECK(fleet.held(second) == 10);
  CHECK(fleet.held(first) == 10);
}

TEST_CASE("keeper: an outage of the store moves nothing, and nothing that was found is lost") {
  Fleet fleet(6);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(60));
  const auto epochs = fleet.epochs;
  const auto evaluations = fleet.evaluations;
  for (auto* daemon : {&first, &second}) daemon->store.cut(true);
  fleet.executor.run_for(seconds(40));
  CHECK(!first.keeper->status().error.empty());
  // They come back at the same moment: whoever asks first finds the other one dead.
  for (auto* daemon : {&first, &second}) daemon->store.cut(false);
  fleet.executor.run_for(seconds(5));
  CHECK(first.keeper->status().error.empty());
  for (const std::string& key : fleet.keys) {
    CHECK(fleet.evaluations[key] >= evaluations.at(key) + 3);
  }
  CHECK(fleet.epochs.size() == epochs.size());
}

TEST_CASE("keeper: an orderly end gives everything back at once") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(60));
  fleet.end(second);
  fleet.executor.run_for(seconds(3));
  CHECK(fleet.held(first) == 20);
  CHECK(fleet.tables->sessions.size() == 1);  // it is not missed
}

TEST_CASE("keeper: who follows hears the alerts of all, and all of them at each beginning") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  first.keeper->follow();
  fleet.executor.run_for(seconds(60));
  CHECK(first.heard.size() == 20);
  CHECK(second.heard.empty());
  fleet.kill(first);
  second.keeper->follow();
  fleet.executor.run_for(base::Duration{100});
  CHECK(second.heard.size() == 20);
}

TEST_CASE("keeper: who is to tell people has heard everything before it begins") {
  Fleet fleet(3);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(30));
  std::size_t heard = 0;
  first.keeper->follow([&] { heard = first.heard.size(); });
  fleet.executor.run_for(base::Duration{1});
  CHECK(heard == 3);
  second.store.cut(true);
  bool ready = false;
  second.keeper->follow([&] { ready = true; });
  fleet.executor.run_for(seconds(3));
  CHECK_FALSE(ready);
  fleet.executor.run_for(seconds(3));
  CHECK(ready);  // not for ever
}

TEST_CASE("keeper: what one says the others hear, once, also after an outage") {
  Fleet fleet(4);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(30));
  first.store.cut(true);
  first.keeper->say("hello");
  first.keeper->say("again");
  fleet.executor.run_for(seconds(5));
  CHECK(second.words.empty());
  first.store.cut(false);
  fleet.executor.run_for(seconds(300));
  CHECK(second.words == "hello again ");
  CHECK(first.words.empty());
}

TEST_CASE("keeper: a changed set of groups is followed") {
  Fleet fleet(20);
  Fleet::Daemon& first = fleet.join("one");
  Fleet::Daemon& second = fleet.join("two");
  fleet.executor.run_for(seconds(60));
  fleet.keys.resize(10);
  for (auto* daemon : {&first, &second}) daemon->keeper->know(fleet.keys);
  fleet.executor.run_for(seconds(60));
  CHECK(fleet.held(first) == 5);
  CHECK(fleet.held(second) == 5);
}

TEST_CASE("keeper: joins, deaths, pauses and cuts at random") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    CAPTURE(seed);
    const auto random = base::make_seeded_random(seed);
    Fleet fleet(30);
    fleet.join("steady");  // so that there is somebody at any time
    int names = 0;
    for (int round = 0; round < 60; ++round) {
      Fleet::Daemon& one = *fleet.daemons[random->below(fleet.daemons.size())];
      const bool steady = one.name == "steady" || !one.keeper;
      switch (random->below(6)) {
        case 0:
          if (fleet.daemons.size() < 25) fleet.join("d" + std::to_string(++names));
          break;
        case 1:
          if (!steady) fleet.kill(one);
          break;
        case 2:
        case 3:
          if (!steady) one.executor.stop(!one.executor.stopped());
          break;
        case 4:
          if (!steady) one.store.cut(random->below(2) == 0);
          break;
        default:
          if (!steady && !one.executor.stopped()) fleet.end(one);
      }
      fleet.executor.run_for(base::Duration{static_cast<std::int64_t>(random->below(20'000))});
      if (round > 0) fleet.check_gaps(seconds(15));
    }
    for (auto& daemon : fleet.daemons) {
      daemon->executor.stop(false);
      daemon->store.cut(false);
    }
    fleet.executor.run_for(seconds(120));
    std::size_t least = 1000, most = 0, sum = 0;
    for (const auto& daemon : fleet.daemons) {
      if (!daemon->keeper || daemon->ended) continue;
      least = std::min(least, fleet.held(*daemon));
      most = std::max(most, fleet.held(*daemon));
      sum += fleet.held(*daemon);
    }
    CHECK(sum == 30);
    CHECK(most - least <= 1);
  }
}

}  // namespace tocsin::sharing
