// What the API sees of the ruler; see views.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::api {

/// One pending or firing alert of a rule.
struct RuleAlert {
  model::Labels labels;
  model::Labels annotations;
  std::string state;  ///< "pending" or "firing".
  base::WallTime active_at;
  std::optional<base::WallTime> keep_firing_since;
  double value = 0;
};

/// One severity of an alerting rule.
struct LevelInfo {
  std::string severity;
  std::string side;  ///< "above", "at_least", "below" or "at_most"; empty: a plain alert.
  double bound = 0;
  base::Duration hold{0};
  base::Duration keep_firing_for{0};
};

/// The commit that made a rule what it is, when rules come from a repository.
struct ProvenanceInfo {
  std::string commit;
  std::string author;
  std::string subject;
  base::WallTime at;
};

struct RuleInfo {
  bool alerting = true;  ///< Else a recording rule.
  std::string name;
  std::string query;
  base::Duration hold{0};  ///< `for`
  base::Duration keep_firing_for{0};
  model::Labels labels;
  model::Labels annotations;  ///< Templates, not expanded.
  std::string state;          ///< "inactive", "pending" or "firing"; empty for a recording rule.
  std::vector<RuleAlert> alerts;
  std::string health = "unknown";  ///< "ok", "err" or "unknown".
  std::string last_error;
  base::Duration evaluation_time{0};
  std::optional<base::WallTime> last_evaluation;
  std::string source;  ///< file:line
  std::optional<ProvenanceInfo> provenance;
  std::vector<LevelInfo> levels;   ///< Alerting.
  std::optional<LevelInfo> clear;  ///< Its side and bound only.
  std::string no_data;             ///< "ok", "keep" or "alert"; alerting.
};

struct RuleGroupInfo {
  std::string name;
  std::string file;
  base::Duration interval{0};
  base::Duration query_offset{0};
  std::size_t limit = 0;
  std::string datasource;  ///< The engine that evaluates the rules; empty: ours.
  std::vector<RuleInfo> rules;
  base::Duration evaluation_time{0};
  std::optional<base::WallTime> last_evaluation;
};

/// Thread: any; returns a snapshot.
class RuleView {
 public:
  virtual ~RuleView() = default;
  /// Groups in order of file and name; rules in order of writing.
  virtual std::vector<RuleGroupInfo> groups() const = 0;
};

}  // namespace tocsin::api
