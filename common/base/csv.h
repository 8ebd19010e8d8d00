// Fields of comma-separated values.
#pragma once

#include <string>

namespace tocsin::base {

/// Returns the text as one field, quoted if it must be; a text that a spreadsheet would take for a
/// formula is none, because names come from outside. Source: RFC 4180. Thread: any.
std::string csv_field(std::string text);

}  // namespace tocsin::base
