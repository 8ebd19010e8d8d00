// A random life of a store: what is sent, what time passes, when it is stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "tests/sim/store_faults/ledger.h"
#include "tests/sim/test_store.h"

namespace tocsin::store_faults {

/// What a life does beside sending.
struct LifeOptions {
  std::uint64_t seed = 1;
  int steps = 80;
  bool faults = false;   ///< Faults, full disks and power losses at random instants.
  bool restarts = true;  ///< Clean ones and kill -9.
  bool looks = true;     ///< The store is compared with the ledger now and then.
  bool always = false;   ///< fsync = "always"; else by chance.
};

/// Owner: a test. Thread: one.
class Life {
 public:
  using Tell = std::function<void(const std::string&)>;

  explicit Life(const LifeOptions& options, Tell tell = {});

  /// The disk; faults may be set before run().
  tsdb::TestStore& store() { return store_; }
  const Ledger& ledger() const { return ledger_; }
  std::uint64_t step() const { return step_; }

  /// Lives to the end or to the first breach.
  void run();
  /// What is left after power loss, then started again and used; then compared.
  void lose_power(sim::Unsynced unsynced, sim::UnsyncedNames names);
  /// Compares the whole store with the ledger.
  void look();
  /// Everything that was wrong, with its step; empty: nothing.
  const std::vector<std::string>& breaches() const { return breaches_; }
  /// Samples older may be gone.
  std::int64_t horizon_ms() const;

 private:
  struct Held {
    std::unique_ptr<model::SeriesSet> set;
    tsdb::Contents seen;
  };

  void act();
  void start(bool faults_allowed);
  void send_round();
  void send_burst();
  void send_late();
  void send_again();
  void send(std::vector<SentSample> batch);
  void let_pass(base::Duration time);
  void break_disk();
  void heal();
  void find_safe();
  void look_at_parts();
  void hold();
  void look_at_held();
  void breach(const std::string& what);
  std::string pick_series();
  std::uint64_t below(std::uint64_t bound) { return dice_->below(bound); }
  SentSample sample_of(const std::string& host, std::int64_t timestamp_ms, double value);

  LifeOptions options_;
  Tell tell_;
  std::unique_ptr<base::Random> dice_;
  tsdb::TestStore store_;
  Ledger ledger_;
  std::uint64_t step_ = 0;
  int broken_for_ = 0;  ///< Steps until the disk works again; 0: it works.
  /// With fsync = "interval": what was acknowledged later may be gone after a power loss. A start
  /// does not sync what the process before it did not.
  std::uint64_t safe_until_ = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::pair<base::MonotonicTime, std::uint64_t>> step_times_;
  std::vector<std::string> hosts_;
  std::uint64_t hosts_made_ = 0;
  std::vector<SentSample> last_sent_;
  std::vector<Held> held_;
  std::vector<std::string> breaches_;
  double value_ = 0;
};

}  // namespace tocsin::store_faults
