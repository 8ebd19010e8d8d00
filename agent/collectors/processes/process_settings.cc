#include "agent/collectors/processes/process_settings.h"

#include <fmt/format.h>

#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr std::int64_t kGroupsMax = 2'000;
constexpr std::size_t kNameBytesMax = 128;

ProcessGroupSettings read_group(config::Table& table) {
  ProcessGroupSettings group;
  group.name = table.required_string("name");
  if (group.name.size() > kNameBytesMax) {
    table.error("name", fmt::format("name must be at most {} bytes", kNameBytesMax));
  }
  group.comm = table.strings("comm");
  group.exe = table.strings("exe");
  group.cmdline = table.strings("cmdline");
  group.user = table.strings("user");
  group.unit = table.strings("unit");
  const bool plain = is_plain_group_name(group.name);
  group.min = static_cast<std::uint64_t>(table.integer("min", plain ? 1 : 0, 0, 1'000'000));
  if (!plain && group.min > 0) {
    table.error("min", "a name with {parts} makes many groups, which cannot be known beforehand",
                "give each its own table with a plain name");
    group.min = 0;
  }
  if (plain && group.comm.empty() && group.exe.empty() && group.cmdline.empty() &&
      group.user.empty() && group.unit.empty()) {
    table.error("name", fmt::format("group '{}' matches every process", group.name),
                "give one of comm, exe, cmdline, user, unit");
  }
  if (auto made = ProcessNamer::make({group}); !made) {
    table.error(group.cmdline.empty() ? "name" : "cmdline", made.error().message);
    group.cmdline.clear();
    group.name = "invalid";
  }
  table.finish();
  return group;
}

void check_globs(config::Table& table, std::string_view key,
                 const std::vector<std::string>& globs) {
  for (const std::string& glob : globs) {
    if (glob.empty() || glob.starts_with('/') || glob.find("..") != std::string::npos) {
      table.error(key, fmt::format("'{}' is no path below the root of the tree", glob),
                  "for example \"system.slice/*.service\"");
    }
  }
}

}  // namespace

ProcessSettings read_process_settings(config::Table& root) {
  ProcessSettings settings;
  config::Table table = root.table("processes");
  settings.children = table.boolean("children", settings.children);
  settings.groups_max = static_cast<std::size_t>(
      table.integer("groups_max", static_cast<std::int64_t>(settings.groups_max), 1, kGroupsMax));
  table.finish();
  for (config::Table& group : root.tables("process_group")) {
    settings.groups.push_back(read_group(group));
  }
  return settings;
}

CgroupSettings read_cgroup_settings(config::Table& root) {
  CgroupSettings settings;
  settings.configured = root.has("cgroups");
  config::Table table = root.table("cgroups");
  settings.include = table.strings("include", settings.include);
  settings.exclude = table.strings("exclude");
  check_globs(table, "include", settings.include);
  check_globs(table, "exclude", settings.exclude);
  settings.groups_max = static_cast<std::size_t>(
      table.integer("groups_max", static_cast<std::int64_t>(settings.groups_max), 1, kGroupsMax));
  table.finish();
  return settings;
}

}  // namespace tocsin::agent
