#include "agent/collectors/packages/running.h"

#include <algorithm>

#include "agent/collectors/packages/deb_version.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t kMapsBytesMax = std::size_t{4} << 20U;
constexpr std::size_t kCommBytesMax = 256;
constexpr std::size_t kNamesMax = 20;
constexpr std::size_t kProcessesMax = 20'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// What follows the last number after a dash: "6.1.0-26-cloud-amd64" -> "-cloud-amd64",
// "6.12.43+deb13-amd64" -> "-amd64"; "5.14.0-427.el9.x86_64" -> "", there is one flavour.
std::string_view flavour(std::string_view release) {
  std::size_t number = 0;
  for (std::size_t at = 0; at + 1 < release.size(); ++at) {
    if (release[at] == '-' && is_digit(release[at + 1])) number = at + 1;
  }
  const std::size_t dash = release.find('-', number);
  return dash == std::string_view::npos ? std::string_view{} : release.substr(dash);
}

}  // namespace

std::optional<std::string> newest_kernel(const std::vector<std::string>& names,
                                         std::string_view running) {
  const std::string_view wanted = flavour(running);
  std::optional<std::string> newest;
  for (const std::string& name : names) {
    if (name.empty() || !is_digit(name[0]) || flavour(name) != wanted) continue;
    if (!newest || compare_deb_versions(name, *newest) > 0) newest = name;
  }
  return newest;
}

bool maps_deleted_library(std::string_view maps) {
  bool found = false;
  base::for_each_line(maps, [&](std::string_view line) {
    constexpr std::string_view kDeleted = " (deleted)";
    if (found || !line.ends_with(kDeleted)) return;
    const std::size_t slash = line.find('/');
    if (slash == std::string_view::npos) return;
    const auto fields = base::split_fields(line);
    if (fields.size() < 2 || fields[1].find('x') == std::string_view::npos) return;
    const std::string_view path = line.substr(slash, line.size() - slash - kDeleted.size());
    const bool installed =
        path.starts_with("/usr/") || path.starts_with("/lib") || path.starts_with("/opt/");
    const std::string_view name = path.substr(path.rfind('/') + 1);
    found = installed && (name.ends_with(".so") || name.find(".so.") != std::string_view::npos);
  });
  return found;
}

base::Result<OutdatedProcesses> find_outdated(const base::FileSystem& files,
                                              const std::string& proc) {
  OutdatedProcesses outdated;
  TC_TRY(const std::vector<std::string> pids, files.list(proc));
  for (const std::string& pid : pids) {
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (outdated.looked_at + outdated.refused >= kProcessesMax) break;
    const std::string process = proc + "/" + pid;
    const auto maps = files.read(process + "/maps", kMapsBytesMax);
    if (!maps) {
      if (maps.error().code == ErrorCode::PermissionDenied) ++outdated.refused;
      continue;  // ended meanwhile, or too large to be worth it
    }
    ++outdated.looked_at;
    if (!maps_deleted_library(*maps)) continue;
    ++outdated.count;
    const auto comm = files.read(process + "/comm", kCommBytesMax);
    const std::string name(comm ? base::trim(*comm) : std::string_view("?"));
    auto& names = outdated.names;
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (!known && names.size() < kNamesMax) names.push_back(name);
  }
  return outdated;
}

}  // namespace tocsin::agent
