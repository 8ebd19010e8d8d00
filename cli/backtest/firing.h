// Firings: from the stream of alerts that rules hand over to a list of what fired when.
//
// The stream is what receivers see (model::Alert, level-triggered, sent again and again), so the
// daemon's sink and a backtest give the same list if they hand over the same.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/alert.h"

namespace tocsin::backtest {

/// From `at` on the alert had this severity.
struct SeverityStep {
  base::WallTime at;
  model::Severity severity = model::Severity::Medium;
  friend bool operator==(const SeverityStep&, const SeverityStep&) = default;
};

/// One alert from its beginning to its end.
struct Firing {
  std::string rule_source;  ///< file:line of the rule.
  model::Labels labels;     ///< With alertname.
  std::string summary;      ///< As it was when it began.
  std::optional<double> value;
  base::WallTime begin;
  std::optional<base::WallTime> end;     ///< Missing: still firing when the backtest ended.
  std::vector<SeverityStep> severities;  ///< Never empty; the first at `begin`.

  std::string_view rule() const { return labels.get(model::kAlertName); }
  model::Severity worst() const;
  /// Returns how long it fired, up to `now` if it has not ended.
  base::Duration duration(base::WallTime now) const { return end.value_or(now) - begin; }
};

/// Thread: one.
class FiringLog {
 public:
  /// Takes one alert as it was handed over; repeats change nothing.
  void take(const model::Alert& alert);

  /// Ends what nobody has sent again in time, as a receiver would.
  void expire(base::WallTime now);

  /// Ends everything that fires, at `at`: the rule dropped its alerts without a word.
  void end_all(base::WallTime at);

  /// In order of beginning, then rule and labels.
  std::vector<Firing> sorted() const;

 private:
  using Key = std::pair<std::string, model::Labels>;
  struct Open {
    std::size_t index = 0;
    base::WallTime valid_until;
  };
  std::map<Key, Open> open_;
  std::vector<Firing> firings_;
};

}  // namespace tocsin::backtest
