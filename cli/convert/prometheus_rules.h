// Rule files of Prometheus to TOML. Internal to the folder; convert.h is the way in.
#pragma once

#include <string>
#include <string_view>

#include "cli/convert/convert.h"

namespace tocsin::cli::convert {

/// Returns the name of the converted file: "dir/disk.yml" -> "disk.toml".
std::string toml_name(std::string_view file);

/// `root` is the parsed source.
Converted convert_rules(const config::Source& source, const config::Node& root,
                        const ConvertOptions& options);

}  // namespace tocsin::cli::convert
