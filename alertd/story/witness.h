// What lies outside routing and incidents: rules that do not fire, channels that do not deliver.
// alertd/app asks the ruler, the store of samples and the notifier.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::story {

/// A rule that could raise an alert with the labels asked about, and how far it is.
struct RuleSight {
  enum class State {
    Firing,
    Pending,   ///< `for` is not over.
    Inactive,  ///< Evaluated, and its condition does not hold.
    NoData,    ///< Evaluated, and it looks at series that are not there.
    Failing,   ///< It cannot be evaluated.
    Waiting,   ///< Not evaluated yet.
  };
  std::string name;
  std::string source;  ///< file:line
  State state = State::Inactive;
  model::Labels alert;                         ///< Pending and Firing: its labels.
  std::optional<base::WallTime> since;         ///< Pending: since when the condition holds.
  base::Duration hold{0};                      ///< `for`
  std::string detail;                          ///< Failing: the error. NoData: the selector.
  std::optional<base::WallTime> evaluated_at;  ///< Last.
};

struct RuleSights {
  std::vector<RuleSight> rules;    ///< Those whose alert name is the one asked about.
  std::vector<std::string> names;  ///< Of all alerting rules.
};

/// How a channel is doing now.
struct ChannelSight {
  std::string name;   ///< "receiver/channel"
  std::string state;  ///< "ok", "failing", "open", "half_open", "paused"
  std::string last_error;
  std::size_t waiting = 0;
};

class Witness {
 public:
  virtual ~Witness() = default;
  /// `at` missing: now. `done` is called once, from any thread.
  virtual void rules(const model::Labels& labels, std::optional<base::WallTime> at,
                     std::function<void(RuleSights)> done) = 0;
  virtual void channels(std::function<void(std::vector<ChannelSight>)> done) = 0;
};

}  // namespace tocsin::story
