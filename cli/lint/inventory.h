// Which metrics there are, with their types, labels and a bounded sample of label values.
//
// It comes from a running server (`tocsin inventory`) or from a file saved before, so that rules
// can be checked where no server can be reached. The format is that of GET /api/v1/inventory,
// described in docs/checking-rules.md.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/matcher.h"
#include "common/model/metadata_table.h"

namespace tocsin::lint {

struct LabelStock {
  std::set<std::string, std::less<>> values;
  bool complete = false;  ///< `values` are all there are.
  bool always = false;    ///< Every series of the metric has the label.
};

struct MetricStock {
  model::MetricType type = model::MetricType::Unknown;
  bool labels_known = false;  ///< `labels` are all there are.
  std::map<std::string, LabelStock, std::less<>> labels;
};

struct Inventory {
  std::string source;        ///< Where it is from, for messages.
  std::string generated_at;  ///< RFC 3339; may be empty.
  /// It is a running alertd's: what rules of a datasource read need not be in it.
  bool of_alertd = false;
  std::map<std::string, MetricStock, std::less<>> metrics;

  const MetricStock* find(std::string_view name) const;
  /// Returns the metrics whose names satisfy every matcher on __name__.
  std::vector<const MetricStock*> matching(const std::vector<model::Matcher>& on_name) const;
  /// Returns the closest name, or "".
  std::string near(std::string_view name) const;
};

/// Reads what write_inventory() wrote, or the data of GET /api/v1/inventory.
/// Errors: InvalidArgument (not JSON, another format; says which).
base::Result<Inventory> read_inventory(std::string_view text, std::string source);

/// Returns the file: JSON with one metric a line, so that a change is a readable diff.
std::string write_inventory(const Inventory& inventory);

/// Whether rules may name the metric though no inventory has it: `up` and what else a scrape adds,
/// ALERTS, and Tocsin's own, of which some begin to exist with the first failure only.
bool is_synthetic(std::string_view name);

}  // namespace tocsin::lint
