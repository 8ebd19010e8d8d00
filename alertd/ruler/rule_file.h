// Rule files: TOML of our own, and the YAML of Prometheus, read into the same model.
//
// A reader reports everything that is wrong with a file, each mistake at its line and column, also
// inside expressions and templates. YAML also comes wrapped in a Kubernetes PrometheusRule
// manifest.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "common/base/diagnostic.h"
#include "common/base/file_system.h"
#include "common/config/node.h"

namespace tocsin::ruler {

/// What a rule's silence means if the rule does not say: `[rules] no_data` of alertd.toml.
struct NoDataDefault {
  std::optional<NoData> fixed = NoData::Ok;  ///< nullopt: Alert for High and Critical, else Ok.

  NoData of(model::Severity severity) const {
    if (fixed) return *fixed;
    return severity >= model::Severity::High ? NoData::Alert : NoData::Ok;
  }
};

/// Which engine evaluates a group: what the group says, else what is said of it by its name, of its
/// file by its name, of all.
struct DatasourceChoice {
  /// Names there are; nullopt: nobody knows them here, any may be given.
  std::optional<std::vector<std::string>> known;
  std::map<std::string, std::string, std::less<>> by_name;  ///< Of a group, or "file.yml".
  std::string all;                                          ///< Empty or "local": our own.
};

struct RuleFileOptions {
  base::Duration interval_default{60'000};
  base::Duration fallback_default{60'000};  ///< Of on-data groups.
  base::Duration query_offset_default{0};
  promql::ParseOptions parse;  ///< What of the language beyond the stable one is allowed.
  model::Severity severity_default = model::Severity::Medium;  ///< YAML alerts without the label.
  NoDataDefault no_data_yaml;  ///< Of YAML alerts; those of TOML go by severity.
  /// `runbook = "name"` becomes the annotation runbook_url = this + name + runbook_suffix.
  std::string runbook_base_url = "/runbooks/";
  std::string runbook_suffix;
  /// Where name.md must exist, besides the folder "runbooks" beside the rule file; empty for none.
  std::string runbook_folder;
  DatasourceChoice datasources;
  bool unknown_keys_allowed = false;  ///< They are then warnings: `tocsin test`.
};

/// Reads one file by its ending: .toml, else YAML.
///
/// Returns the groups, also when there are errors (then incomplete); what is wrong goes to
/// `diagnostics`. `files` is asked only whether runbooks exist. Thread: any.
std::vector<RuleGroup> read_rule_file(const config::Source& source, const RuleFileOptions& options,
                                      const base::FileSystem& files,
                                      base::Diagnostics& diagnostics);

}  // namespace tocsin::ruler
