#include "agent/collectors/inventory/encryption.h"

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kAttributeBytesMax = 4096;
constexpr std::size_t kCpuInfoBytesMax = std::size_t{4} << 20U;
constexpr int kDepthMax = 8;

// "\040" in mountinfo is a space.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape =
        text[at] == '\\' && at + 3 < text.size() && text[at + 1] >= '0' && text[at + 1] <= '3';
    if (!escape) {
      out += text[at];
      continue;
    }
    out += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 +
                             (text[at + 3] - '0'));
    at += 3;
  }
  return out;
}

class Devices {
 public:
  Devices(const base::FileSystem& files, const BlockTrees& trees) : files_(files), trees_(trees) {}

  Encryption of_device(const std::string& device, int depth) const {
    const std::string folder = trees_.sys + "/dev/block/" + device;
    if (depth > kDepthMax || !files_.exists(folder)) return Encryption::Unknown;
    if (attribute(folder + "/dm/uuid").starts_with("CRYPT-")) return Encryption::Yes;
    if (files_.exists(folder + "/partition")) {
      const std::string disk = attribute(folder + "/../dev");
      return disk.empty() ? Encryption::Unknown : of_device(disk, depth + 1);
    }
    const auto slaves = files_.list(folder + "/slaves");
    if (slaves && !slaves->empty()) return of_slaves(folder + "/slaves/", *slaves, depth);
    return on_virtual_machine() || attribute(folder + "/loop/backing_file") != ""
               ? Encryption::Unknown
               : Encryption::No;
  }

  // Of file systems that the kernel gives no device of their own: btrfs.
  Encryption of_source(const std::string& source) const {
    if (!source.starts_with("/dev/")) return Encryption::Unknown;
    const std::string path = trees_.dev + source.substr(4);
    const auto link = files_.read_link(path);
    const std::string& target = link ? *link : path;
    const std::string name = target.substr(target.rfind('/') + 1);
    const std::string device = attribute(trees_.sys + "/class/block/" + name + "/dev");
    return device.empty() ? Encryption::Unknown : of_device(device, 0);
  }

 private:
  std::string attribute(const std::string& path) const {
    const auto text = files_.read(path, kAttributeBytesMax);
    return text ? std::string(base::trim(*text)) : std::string();
  }

  Encryption of_slaves(const std::string& folder, const std::vector<std::string>& names,
                       int depth) const {
    Encryption all = Encryption::Yes;
    for (const std::string& name : names) {
      const std::string device = attribute(folder + name + "/dev");
      const Encryption one = device.empty() ? Encryption::Unknown : of_device(device, depth + 1);
      if (one == Encryption::No) return Encryption::No;
      if (one == Encryption::Unknown) all = Encryption::Unknown;
    }
    return all;
  }

  bool on_virtual_machine() const {
    const auto text = files_.read(trees_.proc + "/cpuinfo", kCpuInfoBytesMax);
    return !text || text->find(" hypervisor") != std::string::npos;
  }

  const base::FileSystem& files_;
  const BlockTrees& trees_;
};

}  // namespace

std::vector<MountedFrom> parse_mountinfo(std::string_view text) {
  std::vector<MountedFrom> mounts;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split_fields(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 7 || fields.end() - dash < 3) return;
    MountedFrom mount{unescape(fields[4]), std::string(fields[2]), std::string(dash[1]),
                      unescape(dash[2])};
    std::erase_if(mounts,
                  [&](const MountedFrom& one) { return one.mount_point == mount.mount_point; });
    mounts.push_back(std::move(mount));
  });
  return mounts;
}

const MountedFrom* mount_of(const std::vector<MountedFrom>& mounts, std::string_view path) {
  const MountedFrom* best = nullptr;
  for (const MountedFrom& mount : mounts) {
    std::string_view point = mount.mount_point;
    if (point == "/") point = "";
    const bool inside =
        path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
    if (inside && (best == nullptr || mount.mount_point.size() >= best->mount_point.size())) {
      best = &mount;
    }
  }
  return best;
}

Encryption encryption_of(const base::FileSystem& files, const BlockTrees& trees,
                         const MountedFrom& mount) {
  constexpr std::array<std::string_view, 4> kEncrypting = {"ecryptfs", "fuse.gocryptfs",
                                                           "fuse.encfs", "fuse.cryfs"};
  if (std::find(kEncrypting.begin(), kEncrypting.end(), mount.type) != kEncrypting.end()) {
    return Encryption::Yes;
  }
  const Devices devices(files, trees);
  if (!mount.device.starts_with("0:")) return devices.of_device(mount.device, 0);
  return devices.of_source(mount.source);
}

}  // namespace tocsin::agent
