// Whether a mounted file system lies on dm-crypt, as far as this machine can see.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// What is known. Clear is told of physical disks only: below a virtual machine, a network file
/// system or a pool, somebody else may encrypt, or not.
enum class Encryption { Yes, No, Unknown };

/// A line of /proc/self/mountinfo.
struct MountedFrom {
  std::string mount_point;
  std::string device;  ///< "8:1"; "0:..." where the kernel has no block device for it.
  std::string type;
  std::string source;  ///< "/dev/mapper/backups"
};
/// The last of several on one mount point counts. Source: proc(5).
std::vector<MountedFrom> parse_mountinfo(std::string_view text);

/// Returns the mount that `path` lies on: the longest that it begins with; nullptr if none.
const MountedFrom* mount_of(const std::vector<MountedFrom>& mounts, std::string_view path);

/// Where to look; other than the defaults in tests.
struct BlockTrees {
  std::string sys = "/sys";
  std::string proc = "/proc";
  std::string dev = "/dev";
};

/// Follows device mapper, md and partitions down to the disks: every way must cross dm-crypt.
Encryption encryption_of(const base::FileSystem& files, const BlockTrees& trees,
                         const MountedFrom& mount);

}  // namespace tocsin::agent
