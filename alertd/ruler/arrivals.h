// Who wants to know that data has arrived: groups with `interval = "on-data"`.
//
// Each group names the selectors of its rules. Whoever has appended a batch shows it here; for each
// series the metric's name is looked up in a table, the other matchers of the selectors found are
// asked, and the groups are told which of their rules read something new. Costs a look-up for each
// series, and nothing at all as long as no group listens.
//
// What a group records may wake other groups, which record, too. So that they do not wake each
// other for ever, a batch carries the chain of groups whose evaluations led to it, and wakes none
// of them: every arrival from outside wakes a group at most once by each way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/model/appender.h"

namespace tocsin::ruler {

/// Names a listening group; never used again.
using ListenerId = std::uint64_t;
using Chain = std::set<ListenerId>;

/// What a group is told.
struct Arrival {
  std::vector<bool> rules;  ///< By index: the rule reads something new.
  Chain chain;              ///< Empty: the data came from outside.
  /// The newest sample is ahead of our clock: until then evaluations do not see it.
  std::optional<base::WallTime> ahead_until;
};

/// Thread: any.
class Arrivals {
 public:
  using Listener = std::function<void(const Arrival&)>;

  /// `listener` is called on the thread that shows the batch; it must not block.
  ListenerId listen(const std::vector<Rule>& rules, Listener listener) EXCLUDES(mutex_);
  /// No call begins any more after this; one may be under way.
  void forget(ListenerId id) EXCLUDES(mutex_);

  /// Samples of `batch` have just become readable at `now`; `chain` names the groups behind them.
  void show(const model::WriteBatch& batch, base::WallTime now, const Chain& chain = {})
      EXCLUDES(mutex_);

 private:
  struct Group {
    ListenerId id = 0;
    std::size_t rules = 0;
    Listener listener;
  };
  /// One selector of one rule.
  struct Entry {
    const Group* group;
    std::size_t rule;
    std::vector<model::Matcher> matchers;  ///< Without the one for an equal name.
  };
  struct Index {
    std::vector<std::shared_ptr<const Group>> groups;
    std::unordered_map<std::string, std::vector<Entry>> by_name;
    std::vector<Entry> any_name;
  };
  struct Registered {
    std::shared_ptr<const Group> group;
    std::vector<Entry> entries;
    std::vector<std::string> names;  ///< By entry; empty: any.
  };
  class Matching;

  void rebuild() REQUIRES(mutex_);

  std::atomic<bool> anybody_{false};
  mutable base::Mutex mutex_;
  ListenerId last_ GUARDED_BY(mutex_) = 0;
  std::vector<Registered> registered_ GUARDED_BY(mutex_);
  std::shared_ptr<const Index> index_ GUARDED_BY(mutex_);
};

/// Appends to a store and shows what it took to the groups that listen.
class ShowingAppender final : public model::Appender {
 public:
  /// All of it outlives the last answer of `inner`.
  ShowingAppender(model::Appender& inner, Arrivals& arrivals, const base::Clock& clock)
      : inner_(inner), arrivals_(arrivals), clock_(clock) {}

  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override;

 private:
  model::Appender& inner_;
  Arrivals& arrivals_;
  const base::Clock& clock_;
};

}  // namespace tocsin::ruler
