#include "agent/collectors/packages/apt.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/packages/deb_version.h"
#include "agent/collectors/packages/decompress.h"
#include "agent/collectors/packages/stanzas.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::uint64_t kStatusBytesMax = std::uint64_t{64} << 20U;
constexpr std::uint64_t kListBytesMax = std::uint64_t{512} << 20U;
constexpr std::size_t kReleaseBytesMax = std::size_t{4} << 20U;

std::string field(const StanzaReader::Fields& fields, std::string_view name) {
  const auto it = fields.find(name);
  return it == fields.end() ? std::string() : it->second;
}

void offer(InstalledPackages& installed, const StanzaReader::Fields& fields,
           const ReleaseInfo& release) {
  const auto it = installed.find(field(fields, "Package") + ":" + field(fields, "Architecture"));
  if (it == installed.end()) return;
  InstalledPackage& package = it->second;
  const std::string version = field(fields, "Version");
  if (compare_deb_versions(version, package.version) <= 0) return;
  // Ubuntu offers an update to a part of all machines first.
  const auto phased = base::parse_u64(field(fields, "Phased-Update-Percentage"));
  if (phased && *phased < 100) return;
  package.offered_security = package.offered_security || release.security;
  if (package.offered.empty() || compare_deb_versions(version, package.offered) > 0) {
    package.offered = version;
  }
}

// The Release file of ".../dists_bookworm_main_binary-amd64_Packages.lz4" is ".../dists_bookworm_"
// and InRelease or Release; of a flat archive "..._Packages" the same without the part between.
ReleaseInfo release_of(const base::FileSystem& files, const std::string& folder,
                       const std::vector<std::string>& names, const std::string& list) {
  std::string best;
  for (const std::string& name : names) {
    const bool is_release = name.ends_with("_InRelease") || name.ends_with("_Release");
    if (!is_release) continue;
    const std::string head = name.substr(0, name.rfind('_') + 1);
    if (list.starts_with(head) && head.size() > best.rfind('_') + 1) best = name;
  }
  if (best.empty()) return {};
  const auto text = files.read(base::join_path(folder, best), kReleaseBytesMax);
  return text ? parse_release(*text) : ReleaseInfo{};
}

bool is_list(const std::string& name) {
  const std::size_t at = name.rfind("_Packages");
  if (at == std::string::npos) return false;
  const std::string_view end = std::string_view(name).substr(at + 9);
  return end.empty() || end.starts_with('.');
}

}  // namespace

Result<InstalledPackages> read_installed(const base::FileSystem& files, const std::string& path) {
  InstalledPackages installed;
  StanzaReader reader({"Package", "Status", "Version", "Architecture"},
                      [&](const StanzaReader::Fields& fields) {
                        const std::string status = field(fields, "Status");
                        if (!status.ends_with(" installed")) return;
                        InstalledPackage package;
                        package.version = field(fields, "Version");
                        package.held = status.starts_with("hold ");
                        installed[field(fields, "Package") + ":" + field(fields, "Architecture")] =
                            std::move(package);
                      });
  TC_TRY(read_pieces(files, path, kStatusBytesMax,
                     [&](std::string_view piece) { return reader.take(piece); }));
  reader.end();
  if (installed.empty()) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("'{}': nothing installed", path));
  }
  return installed;
}

ReleaseInfo parse_release(std::string_view text) {
  ReleaseInfo release;
  base::for_each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos || line[0] == ' ') return;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = base::trim(line.substr(colon + 2));
    if (name == "Label" && value == "Debian-Security") release.security = true;
    if ((name == "Suite" || name == "Codename") && value.ends_with("-security")) {
      release.security = true;
    }
    if (name == "NotAutomatic" && value == "yes") release.not_automatic = true;
  });
  return release;
}

Result<std::size_t> read_lists(const base::FileSystem& files, const std::string& folder,
                               InstalledPackages& installed) {
  std::size_t lists = 0;
  TC_TRY(const std::vector<std::string> names, files.list(folder));
  for (const std::string& name : names) {
    const std::string path = base::join_path(folder, name);
    if (!is_list(name)) continue;
    const ReleaseInfo release = release_of(files, folder, names, name);
    ++lists;
    if (release.not_automatic) continue;
    StanzaReader reader(
        {"Package", "Version", "Architecture", "Phased-Update-Percentage"},
        [&](const StanzaReader::Fields& fields) { offer(installed, fields, release); });
    TC_TRY(read_pieces(files, path, kListBytesMax,
                       [&](std::string_view piece) { return reader.take(piece); }));
    reader.end();
  }
  if (lists == 0) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("no package list in '{}': apt-get update never ran", folder));
  }
  return lists;
}

bool unattended_upgrades_enabled(std::string_view text) {
  bool enabled = false;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line.substr(0, line.find("//")));
    constexpr std::string_view kName = "APT::Periodic::Unattended-Upgrade";
    if (!line.starts_with(kName) || line.starts_with('#')) return;
    std::string value(base::trim(line.substr(kName.size())));
    std::erase_if(value, [](char c) { return c == '"' || c == ';' || c == ' '; });
    enabled = !value.empty() && value != "0" && value != "false" && value != "no";
  });
  return enabled;
}

}  // namespace tocsin::agent
