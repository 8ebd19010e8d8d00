// Which of two daemons on one state store works: the one that holds the lease.
//
// The other stands by: it takes samples and evaluates rules, but steps no incidents and sends
// nothing. It asks for the lease every `poll`; the holder renews it every `renew`. When the holder
// is gone, the lease runs out after `term` by the store's clock, and the other has it at most
// `poll` later. That the holder lost it, it learns from the store: each of its writes is refused
// from then on (see incident::StateStore), so a daemon that was stopped for a while does no harm in
// between.
//
// On SQLite the store is this process's own, and the lease is had at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "alertd/incident/state_store.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"

namespace tocsin::alertd {

struct LeaseOptions {
  std::string holder;  ///< Names this daemon over restarts; nobody else's.
  base::Duration term{9'000};
  base::Duration renew{3'000};
  base::Duration poll{1'500};
};

/// Owner: the executor (core). Thread: describe() and held() from any.
class LeaseKeeper {
 public:
  struct Hooks {
    base::Task taken;      ///< Load the state and work. Not called twice without `lost` between.
    base::Task lost;       ///< Stop stepping and sending now; what is in memory is out of date.
    base::Task not_first;  ///< Once: the first answer was that another daemon has it.
  };

  LeaseKeeper(LeaseOptions options, incident::StateStore& store, base::Executor& executor,
              base::Metrics& metrics);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  /// Asks for the lease, for ever. `failed` is called once if the first answer is an error; it is
  /// asked again all the same. All hooks run on the executor.
  void start(Hooks hooks, std::function<void(base::Error)> failed);

  /// A write was refused. On the executor.
  void refused();

  /// Gives the lease back, after what was asked of the store before. On the executor.
  void stop();

  bool held() const { return held_; }
  const std::string& holder() const { return options_.holder; }
  /// For people: "has the lease, epoch 3", "stands by: 'db1' has the lease, epoch 2".
  std::string describe() const;

 private:
  void ask();
  void answered(base::Result<incident::Lease> lease);
  void renew();
  void renewed(const base::Result<incident::Lease>& lease);
  void drop();
  void again(base::Duration delay, void (LeaseKeeper::*what)());
  void say(std::string text);

  LeaseOptions options_;
  incident::StateStore& store_;
  base::Executor& executor_;
  Hooks hooks_;
  std::function<void(base::Error)> failed_;
  base::FailureLog failures_{"alertd/app"};
  base::Gauge gauge_;
  base::Counter taken_;
  std::atomic<bool> held_{false};
  bool running_ = false;
  base::TimerId timer_ = 0;
  mutable base::Mutex mutex_;
  std::string text_ GUARDED_BY(mutex_) = "asks for the lease";
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tocsin::alertd
