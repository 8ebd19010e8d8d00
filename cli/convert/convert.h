// Files of Prometheus and Alertmanager, converted to ours.
//
//   Converted rules = convert_prometheus(source, options);
//   for (const OutputFile& file : rules.files) ...
//
// What does not carry over is a warning with its place in the source, and a comment in the output:
// nothing disappears silently. What is wrong in the source itself is an error, and stands in the
// output as a comment, so that the rest can be used. Secrets never reach the output.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/diagnostic.h"
#include "common/config/node.h"
#include "common/model/severity.h"

namespace tocsin::cli::convert {

struct ConvertOptions {
  /// Values of the label `severity` that are not known by themselves, or meant differently here.
  std::map<std::string, model::Severity> severities;
  /// Of alerts whose label says nothing.
  model::Severity severity_default = model::Severity::Medium;
  /// Make alerts that differ only in a threshold and severity one alert with levels.
  bool merge_levels = false;
};

struct OutputFile {
  std::string name;  ///< Without a folder: "disk.toml", "alertd.toml".
  std::string text;
};

struct Converted {
  std::vector<OutputFile> files;
  base::Diagnostics diagnostics;  ///< Places are those of the source.
  std::size_t alerts = 0;
  std::size_t recordings = 0;
};

/// Converts a rule file, a PrometheusRule manifest, or prometheus.yml (to alertd.toml and
/// agent.toml). Thread: any.
Converted convert_prometheus(const config::Source& source, const ConvertOptions& options);

/// Converts alertmanager.yml to the parts of alertd.toml about routing and receivers. Thread: any.
Converted convert_alertmanager(const config::Source& source, const ConvertOptions& options);

/// Returns our severity for a value of the label; nullopt if it has none.
std::optional<model::Severity> mapped_severity(const std::string& text,
                                               const ConvertOptions& options);

}  // namespace tocsin::cli::convert
