// Mistakes inside of a value that is a text of its own, such as a template.
#pragma once

#include <string_view>

#include "common/config/table.h"

namespace tocsin::config {

/// Adds an error at the place inside of `key`'s value that `message` ("2:7: what": line and column
/// in the text) names; without one, at the value.
void report_in_text(Table& table, std::string_view key, std::string_view message);

}  // namespace tocsin::config
