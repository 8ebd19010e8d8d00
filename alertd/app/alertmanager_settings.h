// Settings of a daemon in Alertmanager's place: from its flags and its file. And the same file
// named by alertd.toml ([routing] alertmanager_config), where it takes the place of [route] and
// [[receiver]].
#pragma once

#include "alertd/app/alertmanager_flags.h"
#include "alertd/app/settings.h"

namespace tocsin::alertd {

/// Reads the file that the flags name. No rules, no other receivers; state is in storage_path.
/// Errors: those of config::load_source, of the secret files; mistakes in the file are diagnostics.
base::Result<LoadedSettings> load_alertmanager_settings(const AlertmanagerFlags& flags,
                                                        const base::FileSystem& files);

/// Reads routing and receivers of Alertmanager's file `path` into `settings`, and the file without
/// secrets. Errors: the file cannot be read, or all its mistakes as text.
base::Result<void> read_alertmanager_file(const std::string& path, const base::FileSystem& files,
                                          Settings& settings);

}  // namespace tocsin::alertd
