// YAML, over yaml-cpp: for Prometheus rule files and Alertmanager configurations.
#pragma once

#include "common/config/node.h"

namespace tocsin::config {

/// Parses one YAML document (several are an error). Duplicate keys are errors; anchors are expanded
/// up to a limit of one million nodes; nesting up to 32.
///
/// Returns the root, also after errors (then Null); errors go to `diagnostics` with line and
/// column.
Node parse_yaml(const Source& source, base::Diagnostics& diagnostics);

}  // namespace tocsin::config
