// alertmanager.yml in two halves: who is told (receivers), and who is told what (routes). Internal
// to the folder; convert.h is the way in.
#pragma once

#include <string>

#include "cli/convert/yaml_view.h"

namespace tocsin::cli::convert {

/// What the halves share while one file is converted.
struct AlertmanagerFile {
  const Reading& reading;
  const config::Node& root;
  const config::Node& global;
  TomlWriter& out;
};

/// Writes [smtp], [notify] and every [[receiver]].
void write_receivers(const AlertmanagerFile& file);

/// Writes [route] with its children.
void write_routes(const AlertmanagerFile& file);

/// `root` is the parsed source.
Converted convert_alertmanager_file(const config::Source& source, const config::Node& root,
                                    const ConvertOptions& options);

/// Returns a receiver's name as ours may be: without '/' and control characters.
std::string receiver_name(std::string_view name);

}  // namespace tocsin::cli::convert
