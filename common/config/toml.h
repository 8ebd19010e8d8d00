// TOML, over toml++.
#pragma once

#include "common/config/node.h"

namespace tocsin::config {

/// Parses a TOML 1.0 document.
///
/// Returns the root table, also after errors (then empty); syntax errors go to `diagnostics` with
/// line, column and what was expected. Thread: any.
Node parse_toml(const Source& source, base::Diagnostics& diagnostics);

}  // namespace tocsin::config
