// A day lived and the same day backtested: both lists of firings, and what the backtest cost.
//
// The day is lived by the daemon's own groups in simulated time, over a real store that fills up as
// the fleet sends. Then the same store is the past of a backtest.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/backtest/backtest.h"
#include "tests/sim/backtest/fleet.h"

namespace tocsin::sim {

struct ComparedDay {
  std::vector<backtest::Firing> lived;
  std::vector<backtest::Firing> backtested;
  std::vector<backtest::RuleResult> rules;
  std::size_t series = 0;
  std::size_t samples = 0;
  std::size_t samples_refused = 0;
  std::size_t incidents = 0;
  std::size_t evaluations = 0;
  double lived_seconds = 0;  ///< CPU.
  double backtest_seconds = 0;
  double backtest_cpu_seconds = 0;
};

/// Whether the daemon's groups live through the day, or the store is only filled: to measure the
/// backtest without waiting for the day.
enum class Live { No, Yes };

/// Reads the rules at `rule_path`, lives the day, backtests it. `say` hears of progress.
/// Errors: those of the rules and of the store.
base::Result<ComparedDay> compare_day(const FleetOptions& options, const std::string& rule_path,
                                      Live live,
                                      const std::function<void(const std::string&)>& say);

/// Returns a line for each firing that only one of the lists has, or that differs.
std::vector<std::string> differences(const ComparedDay& day);

/// Returns "rule{labels} begin..end severities".
std::string describe(const backtest::Firing& firing);

}  // namespace tocsin::sim
