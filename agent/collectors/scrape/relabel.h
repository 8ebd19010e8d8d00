// Relabelling of scraped samples: Prometheus's metric_relabel_configs, with RE2 and linear time.
#pragma once

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

namespace tocsin::agent {

enum class RelabelAction {
  Replace,
  Keep,
  Drop,
  LabelMap,
  LabelDrop,
  LabelKeep,
  Lowercase,
  Uppercase
};

/// One rule. The pattern must match the whole text. Cheap to copy.
struct RelabelRule {
  RelabelAction action = RelabelAction::Replace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::shared_ptr<const re2::RE2> regex;
  std::string target_label;
  std::string replacement = "$1";
};

/// Labels being changed, __name__ among them; names unique, order of no importance.
using MutableLabels = std::vector<std::pair<std::string, std::string>>;

/// Applies the rules in order. Returns false if the sample is dropped. Labels that a rule empties
/// are removed.
///
/// Pure. Source: Prometheus, "Configuration", <relabel_config>.
bool relabel(std::span<const RelabelRule> rules, MutableLabels& labels);

/// Reads one `[[scrape.metric_relabel]]` table and finishes it; mistakes go to its diagnostics.
RelabelRule read_relabel_rule(config::Table& table);

}  // namespace tocsin::agent
