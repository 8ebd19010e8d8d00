// A unit-test file of Prometheus (`promtool test rules`) as values.
// Source: Prometheus documentation, "Unit testing for rules".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/diagnostic.h"
#include "common/base/file_system.h"
#include "common/base/time.h"
#include "common/config/node.h"
#include "common/model/labels.h"

namespace tocsin::ruletest {

struct PromtoolSeries {
  base::Position place;
  std::string series;
  std::string values;
};

struct PromtoolAlertCase {
  struct Expected {
    model::Labels labels;  ///< With alertname.
    model::Labels annotations;
  };
  base::Position place;
  base::Duration eval_time{0};
  std::string alertname;
  std::vector<Expected> expected;
};

struct PromtoolExprCase {
  struct Expected {
    base::Position place;
    std::string labels;
    double value = 0;
    bool histogram = false;
  };
  base::Position place;
  base::Duration eval_time{0};
  std::string expr;
  std::vector<Expected> expected;
};

struct PromtoolGroup {
  base::Position place;
  std::string name;
  base::Duration interval{0};
  base::WallTime start = base::wall_time(0);
  std::vector<PromtoolSeries> input;
  model::Labels external_labels;
  std::string external_url;
  std::vector<PromtoolAlertCase> alerts;
  std::vector<PromtoolExprCase> exprs;

  base::Duration last_time() const;
};

struct PromtoolFile {
  config::Source source;
  std::vector<std::pair<base::Position, std::string>> rule_files;  ///< Patterns.
  base::Duration evaluation_interval{60'000};
  bool fuzzy_compare = false;
  std::vector<std::string> group_eval_order;
  std::vector<PromtoolGroup> groups;
};

/// Reads the file; everything that is wrong goes to `diagnostics`. With `ignore_unknown_fields`
/// unknown keys are warnings.
PromtoolFile read_promtool_file(config::Source source, const base::FileSystem& files,
                                bool ignore_unknown_fields, base::Diagnostics& diagnostics);

/// Returns the files that a pattern of rule_files names, sorted; relative ones lie beside
/// `test_file`. `*` and `?` do not cross a slash.
std::vector<std::string> expand_pattern(const std::string& pattern, const std::string& test_file,
                                        const base::FileSystem& files);

}  // namespace tocsin::ruletest
