#include "agent/collectors/packages/packages_settings.h"

#include <fmt/format.h>

#include "agent/collectors/kept/slow_settings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

PackagesSettings read_one(config::Table table, base::Duration interval,
                          const std::string& state_folder) {
  PackagesSettings settings;
  settings.interval = read_slow_interval(table, settings.interval);
  settings.timeout = round_timeout(interval);
  settings.root = read_absolute(table, "root_path", settings.root);
  settings.proc = read_absolute(table, "proc_path", settings.proc);
  settings.checks = read_checks(table, kPackagesChecks);
  settings.virtual_environments = read_patterns(table, "virtual_environments", {});
  for (const auto& [release, day] : table.string_map("end_of_life")) {
    if (release.find(' ') == std::string::npos) {
      table.error("end_of_life", fmt::format("'{}' is no product and version", release),
                  "end_of_life = { \"debian 12\" = \"2028-06-30\" }");
    } else if (const auto set = settings.end_of_life.set(release, day); !set) {
      table.error("end_of_life", set.error().message);
    }
  }
  settings.state.path = read_absolute(table, "state_file", state_folder + "/packages.json");
  table.finish();
  return settings;
}

}  // namespace

std::optional<PackagesSettings> read_packages_settings(config::Table& root, base::Duration interval,
                                                       const std::string& state_folder) {
  if (!root.has("packages")) return std::nullopt;
  return read_one(root.table("packages"), interval, state_folder);
}

}  // namespace tocsin::agent
