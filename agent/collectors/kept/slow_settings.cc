#include "agent/collectors/kept/slow_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kIntervalMin{1'000};
constexpr base::Duration kIntervalMax{86'400'000};

void must_be_absolute(config::Table& table, std::string_view key, const std::string& path) {
  if (!path.starts_with('/')) {
    table.error(key, fmt::format("'{}' is not an absolute path", path));
  }
}

}  // namespace

base::Duration read_slow_interval(config::Table& table, base::Duration usual) {
  const base::Duration interval = table.duration("interval", usual);
  if (interval < kIntervalMin || interval > kIntervalMax) {
    table.error("interval", "interval must be 1s to 1d");
    return usual;
  }
  return interval;
}

std::string read_absolute(config::Table& table, std::string_view key, std::string usual) {
  if (!table.has(key)) return usual;
  std::string path = table.string(key, usual);
  must_be_absolute(table, key, path);
  return path;
}

std::vector<std::string> read_patterns(config::Table& table, std::string_view key,
                                       std::vector<std::string> usual) {
  std::vector<std::string> patterns = table.strings(key, std::move(usual));
  for (const std::string& pattern : patterns) must_be_absolute(table, key, pattern);
  return patterns;
}

std::set<std::string> read_checks(config::Table& table, std::span<const char* const> all) {
  const std::vector<std::string> known(all.begin(), all.end());
  std::set<std::string> checks;
  for (const char* key : {"checks", "checks_disabled"}) {
    const bool adds = std::string_view(key) == "checks";
    for (const std::string& name : table.strings(key, adds ? known : std::vector<std::string>())) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        table.error(key, fmt::format("'{}' is no check of this table", name),
                    base::join(known, ", "));
      } else if (adds) {
        checks.insert(name);
      } else {
        checks.erase(name);
      }
    }
  }
  return checks;
}

}  // namespace tocsin::agent
