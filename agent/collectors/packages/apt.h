// What apt would upgrade, out of its own files: /var/lib/dpkg/status and /var/lib/apt/lists.
//
// apt's library needs tens of megabytes for its cache; this streams the lists and keeps a name and
// two versions of each installed package. Pins in /etc/apt/preferences are not looked at.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// An installed package and the best that is offered.
struct InstalledPackage {
  std::string version;
  bool held = false;
  std::string offered;            ///< "" or newer than `version`.
  bool offered_security = false;  ///< An offer that is newer comes from a security archive.
};

/// "name:architecture" -> package.
using InstalledPackages = std::map<std::string, InstalledPackage>;

/// Reads /var/lib/dpkg/status. Errors: NotFound (no Debian), Io, InvalidArgument (none installed).
base::Result<InstalledPackages> read_installed(const base::FileSystem& files,
                                               const std::string& path);

/// What a Release file says of a list's origin.
struct ReleaseInfo {
  bool security = false;       ///< Debian-Security, or a suite that ends in "-security".
  bool not_automatic = false;  ///< Backports, experimental: not taken unless asked for.
};
ReleaseInfo parse_release(std::string_view text);

/// Looks up every installed package in every list of `folder`; compressed or not. Returns how
/// many lists there were. Errors: NotFound (no list: `apt-get update` never ran), Corruption, Io.
base::Result<std::size_t> read_lists(const base::FileSystem& files, const std::string& folder,
                                     InstalledPackages& installed);

/// Whether apt.conf.d lets unattended-upgrades run: the last word of
/// `APT::Periodic::Unattended-Upgrade`. `text` is all files, in the order of their names.
bool unattended_upgrades_enabled(std::string_view text);

}  // namespace tocsin::agent
