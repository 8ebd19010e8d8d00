// prometheus.yml: what it means for alertd.toml and agent.toml. Internal to the folder.
#pragma once

#include "cli/convert/convert.h"

namespace tocsin::cli::convert {

/// Returns whether the file is Prometheus' configuration rather than a rule file.
bool is_prometheus_config(const config::Node& root);

/// `root` is the parsed source.
Converted convert_prometheus_config(const config::Source& source, const config::Node& root,
                                    const ConvertOptions& options);

}  // namespace tocsin::cli::convert
