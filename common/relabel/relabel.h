// Relabelling as in Prometheus, with RE2 and linear time: of what agents scrape
// (`[[scrape.metric_relabel]]`) and of what alertd hands to routing (`[[rules.alert_relabel]]`).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re2 {
class RE2;
}

namespace tocsin::config {
class Table;
}

namespace tocsin::relabel {

enum class Action {
  Replace,
  Keep,
  Drop,
  LabelMap,
  LabelDrop,
  LabelKeep,
  Lowercase,
  Uppercase,
  HashMod,
  KeepEqual,
  DropEqual
};

/// One rule. The pattern must match the whole text. Cheap to copy.
struct Rule {
  Action action = Action::Replace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::shared_ptr<const re2::RE2> regex;
  std::uint64_t modulus = 0;  ///< HashMod; more than 0 there.
  std::string target_label;
  std::string replacement = "$1";

  /// Returns whether both do the same.
  bool operator==(const Rule& other) const;
};

/// Labels being changed, __name__ among them if there is one; names unique, order of no importance.
using MutableLabels = std::vector<std::pair<std::string, std::string>>;

/// Applies the rules in order. Returns false if what has the labels is dropped. Labels that a rule
/// empties are removed.
///
/// Pure. Source: Prometheus, "Configuration", <relabel_config>.
bool apply(std::span<const Rule> rules, MutableLabels& labels);

/// Reads the table of one rule and finishes it; mistakes go to its diagnostics.
Rule read_rule(config::Table& table);

}  // namespace tocsin::relabel
