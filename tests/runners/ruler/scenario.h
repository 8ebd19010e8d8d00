// One .test file: rules, samples, and what the alerts must be at which time.
// Grammar: tests/data/ruler/README.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "common/base/file_system.h"
#include "common/base/result.h"
#include "tests/runners/ruler/series_notation.h"

namespace tocsin::ruler {

/// One line `at TIME ...`.
struct Expectation {
  enum class Kind { Pending, Firing, Resolved, None, Error, Sent, Sample };
  std::size_t line = 0;
  std::string text;
  base::Duration at{0};
  Kind kind = Kind::None;
  std::string alert;     ///< Empty: any.
  model::Labels labels;  ///< A part of the alert's labels; for Sample: the series.
  std::map<std::string, std::string> fields;  ///< severity, value, annotations.
  std::string message;                        ///< Error: a part of it.
  std::optional<double> number;               ///< Sent; Sample: nullopt for no sample.
};

struct Load {
  base::Duration step{0};
  std::vector<NotedSeries> series;
};

struct Restart {
  base::Duration down{0};  ///< The last evaluation is at or before this.
  base::Duration up{0};    ///< The first one is at or after this.
};

struct Scenario {
  std::string file;
  std::vector<RuleGroup> groups;
  std::vector<Load> loads;
  std::vector<Restart> restarts;
  std::vector<Expectation> expectations;  ///< Sorted by time.
};

/// Errors: InvalidArgument with "file:line: message".
base::Result<Scenario> read_scenario(const std::string& path, const base::FileSystem& files);

/// Plays the scenario up to `end` and returns the firing alerts after each minute, one a line:
/// "MINUTE{tab}NAME{labels}". For comparing with promtool.
std::string trace(const Scenario& scenario, base::Duration end);

/// Plays the scenario; returns what failed, each "file:line: expected ..., got ...".
std::vector<std::string> play(const Scenario& scenario);

}  // namespace tocsin::ruler
