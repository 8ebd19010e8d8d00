// The configuration as others may see it: numbers, times, names and places; no secrets.
#pragma once

#include <string>

#include "common/config/node.h"

namespace tocsin::alertd {

/// Returns the document as YAML. Texts are shown only where their key is known to hold nothing
/// secret, or they are a duration or a size; all others are "<hidden>", and so is everything in
/// tables whose keys people choose.
std::string shown_config(const config::Node& document);

}  // namespace tocsin::alertd
