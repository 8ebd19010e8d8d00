// The outcome of a backtest for people and as JSON.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "cli/backtest/diff.h"
#include "cli/backtest/pages.h"
#include "cli/table.h"

namespace tocsin::cli {

/// Everything a report tells of. Pointers outlive it.
struct BacktestReport {
  base::WallTime from;
  base::WallTime to;
  std::string history;   ///< The server's name.
  std::string baseline;  ///< What was compared with; empty: nothing.
  bool routed = false;   ///< Pages were counted by a configuration's routing.
  const backtest::SetResult* result = nullptr;
  const backtest::SetResult* before = nullptr;  ///< Of the baseline; may be null.
  backtest::Pages pages;
  backtest::Pages pages_before;
  backtest::Diff diff;
  std::vector<std::string> notes;
  double seconds = 0;  ///< It took.
};

/// Prints the summary of each rule that did something, and up to `limit` firings (0: all).
void print_report(const BacktestReport& report, std::size_t limit, const Terminal& terminal,
                  std::ostream& out);

/// Returns all of it as one JSON object; times as RFC 3339, durations in seconds.
std::string report_json(const BacktestReport& report);

}  // namespace tocsin::cli
