// Mounts that hang: the others answer in time, threads do not grow, recovery is noticed.
#include "agent/collectors/host/statfs_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "agent/collectors/host/filesystem.h"
#include "agent/collectors/host/recording_sink.h"
#include "common/base/file_system.h"

namespace tocsin::agent {
namespace {

using Outcome = StatfsPool::Outcome;

// A statfs that blocks on chosen paths until they are released.
class FakeMounts {
 public:
  StatfsFunction function() {
    return [this](const std::string& path) {
      base::MutexLock lock(mutex_);
      ++calls_;
      changed_.wait(mutex_, [&] { return !hung_.contains(path); });
      StatfsReply reply;
      reply.error = path == "/broken" ? EIO : 0;
      reply.usage.size = static_cast<double>(path.size());
      return reply;
    };
  }
  void hang(const std::string& path) {
    base::MutexLock lock(mutex_);
    hung_.insert(path);
  }
  void release_all() {
    base::MutexLock lock(mutex_);
    hung_.clear();
    changed_.notify_all();
  }
  int calls() {
    base::MutexLock lock(mutex_);
    return calls_;
  }

 private:
  base::Mutex mutex_;
  base::Condition changed_;
  std::set<std::string> hung_;
  int calls_ = 0;
};

// Threads of this process, as the kernel counts them.
std::size_t threads_alive() {
  return names_in("/proc/self/task").size();
}

std::size_t count(const std::vector<StatfsPool::Answer>& answers, Outcome outcome) {
  return static_cast<std::size_t>(
      std::count_if(answers.begin(), answers.end(),
                    [&](const StatfsPool::Answer& answer) { return answer.outcome == outcome; }));
}

// Waits until the released calls have returned: their threads still use the FakeMounts.
void drain(StatfsPool& pool) {
  do {
    static_cast<void>(pool.ask({}));
  } while (pool.workers() > 1);
}

// Long enough for a healthy answer on a crowded machine; only hung mounts wait for it.
constexpr base::Duration kDeadline{1'000};

}  // namespace

TEST_CASE("healthy mounts share one thread") {
  const base::RealClock clock;
  FakeMounts mounts;
  StatfsPool pool(clock, mounts.function(), kDeadline);
  const std::vector<StatfsPool::Request> requests{{"/", false}, {"/broken", false}, {"/nfs", true}};
  for (int round = 0; round < 20; ++round) {
    const auto answers = pool.ask(requests);
    CHECK(answers[0].outcome == Outcome::Answered);
    CHECK(answers[0].reply.usage.size == 1);
    CHECK(answers[1].outcome == Outcome::Failed);
    CHECK(answers[1].reply.error == EIO);
    CHECK(answers[2].reply.usage.size == 4);
    CHECK(pool.workers() == 1);
  }
  CHECK(pool.ask({}).empty());
}

TEST_CASE("a hung mount costs one thread for a hundred rounds, and the others answer") {
  const base::RealClock clock;
  FakeMounts mounts;
  mounts.hang("/nfs");
  StatfsPool pool(clock, mounts.function(), kDeadline);
  const std::vector<StatfsPool::Request> requests{{"/a", false}, {"/nfs", true}, {"/b", false}};
  const base::MonotonicTime first = clock.monotonic();
  auto answers = pool.ask(requests);
  CHECK(clock.monotonic() - first < 10 * kDeadline);
  CHECK(answers[1].outcome == Outcome::Stuck);
  answers = pool.ask(requests);  // the hung call keeps its worker: the others have a second one now
  const std::size_t threads = threads_alive();
  for (int round = 0; round < 100; ++round) {
    answers = pool.ask(requests);
    CHECK(answers[0].outcome == Outcome::Answered);
    CHECK(answers[1].outcome == Outcome::Stuck);
    CHECK(answers[2].outcome == Outcome::Answered);
    CHECK(threads_alive() == threads);
    CHECK(pool.workers() == 2);
  }
  CHECK(mounts.calls() == 1 + 2 * 102);  // the hung one was asked once

  mounts.release_all();
  // The call returns on its own thread; the next rounds ask again once it has.
  Outcome outcome = Outcome::Stuck;
  for (int round = 0; round < 1000 && outcome == Outcome::Stuck; ++round) {
    outcome = pool.ask(requests)[1].outcome;
  }
  CHECK(outcome == Outcome::Answered);
  CHECK(pool.workers() == 1);
}

TEST_CASE("many hung mounts: bounded threads, one deadline for all, local ones still answer") {
  const base::RealClock clock;
  FakeMounts mounts;
  std::vector<StatfsPool::Request> requests;
  for (int i = 0; i < 20; ++i) {
    requests.push_back({"/nfs" + std::to_string(i), true});
    mounts.hang(requests.back().path);
  }
  requests.push_back({"/", false});
  StatfsPool pool(clock, mounts.function(), kDeadline);
  const base::MonotonicTime begin = clock.monotonic();
  const auto answers = pool.ask(requests);
  CHECK(clock.monotonic() - begin < 5 * kDeadline);  // one after the other: 20 deadlines
  CHECK(answers.back().outcome == Outcome::Answered);
  // Seven workers may hang; the eighth is kept for local file systems. One less if "/" was slow to
  // answer.
  const std::size_t stuck = count(answers, Outcome::Stuck);
  CHECK(stuck <= 7);
  CHECK(stuck >= 6);
  CHECK(count(answers, Outcome::Refused) == 20 - stuck);
  CHECK(pool.ask(requests).back().outcome == Outcome::Answered);
  CHECK(pool.workers() <= StatfsPool::kWorkersMax);
  mounts.release_all();
  drain(pool);
}

TEST_CASE("the collector marks a stuck mount and goes on") {
  const base::RealClock clock;
  base::Metrics metrics;
  FakeMounts mounts;
  HostSettings settings;
  settings.paths.proc = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/proc/proc";
  settings.statfs_deadline = kDeadline;
  mounts.hang("/mnt/nfs");
  const auto collector = make_filesystem_collector(settings, {clock, metrics}, mounts.function());
  RecordingSink sink;
  REQUIRE(collector->collect(sink));
  CHECK(sink.value("tocsin_agent_mount_stuck,mountpoint=/mnt/nfs") == 1);
  const std::string nfs = ",device=server:/export,fstype=nfs4,mountpoint=/mnt/nfs";
  CHECK(sink.value("node_filesystem_device_error" + nfs) == 1);
  CHECK_FALSE(sink.value("node_filesystem_size_bytes" + nfs));
  CHECK(sink.value("node_filesystem_size_bytes,device=/dev/vda,fstype=ext4,mountpoint=/") == 1);
  mounts.release_all();
  // Round again until the hung call has returned: its thread still uses the FakeMounts.
  while (sink.has_name("tocsin_agent_mount_stuck")) {
    sink = RecordingSink{};
    REQUIRE(collector->collect(sink));
  }
  CHECK(sink.value("node_filesystem_device_error" + nfs) == 0);
}

TEST_CASE("the real call knows this machine") {
  const StatfsReply reply = real_statfs("/");
  CHECK(reply.error == 0);
  CHECK(reply.usage.size >= reply.usage.free);
  CHECK(reply.usage.free >= reply.usage.available);
  CHECK(real_statfs("/no/such/path").error == ENOENT);
}

TEST_CASE("a mount that hangs over many reloads keeps one thread") {
  FakeMounts mounts;
  mounts.hang("/mnt/nfs");
  const base::RealClock clock;
  base::Metrics metrics;
  const auto pool = std::make_shared<StatfsPool>(clock, mounts.function(), kDeadline);
  HostSettings settings;
  settings.paths.proc = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/proc/proc";
  settings.statfs_deadline = kDeadline;
  const std::size_t before = threads_alive();
  for (int reload = 0; reload < 5; ++reload) {
    const auto collector = make_filesystem_collector(settings, {clock, metrics, pool});
    RecordingSink sink;
    REQUIRE(collector->collect(sink));
    CHECK(sink.has_name("node_filesystem_size_bytes"));
    CHECK(sink.value("tocsin_agent_mount_stuck,mountpoint=/mnt/nfs") == 1);
  }
  CHECK(threads_alive() <= before + 2);  // one that hangs, one for the others
  mounts.release_all();
  drain(*pool);
}

}  // namespace tocsin::agent
