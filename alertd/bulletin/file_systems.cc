#include "alertd/bulletin/file_systems.h"

#include <map>

namespace tocsin::bulletin {
namespace {

constexpr std::int64_t kPoints = 336;  // half-hours of a week

constexpr const char* kUsed =
    "max by (instance, mountpoint) (node_filesystem_size_bytes{fstype!~\"tmpfs|ramfs|overlay|"
    "squashfs|iso9660|fuse.*\"} - node_filesystem_avail_bytes)";
constexpr const char* kSize =
    "max by (instance, mountpoint) (node_filesystem_size_bytes{fstype!~\"tmpfs|ramfs|overlay|"
    "squashfs|iso9660|fuse.*\"} > 0)";

}  // namespace

std::vector<FileSystem> read_file_systems(const Builder& builder, Section& section,
                                          base::Duration look_back) {
  std::map<std::string, double> sizes;
  for (const Reading& one : builder.now(section, kSize)) {
    sizes[where(one.labels, {"mountpoint"})] = one.value;
  }
  std::vector<FileSystem> systems;
  const Span span{builder.to() - look_back, builder.to(), look_back / kPoints};
  for (Curve& curve : builder.over(section, kUsed, span)) {
    FileSystem one;
    one.name = where(curve.labels, {"mountpoint"});
    const auto size = sizes.find(one.name);
    if (size == sizes.end()) continue;  // gone before the end
    one.size = size->second;
    one.used_percent = 100 * curve.samples.back().value / one.size;
    one.trend = trend_of(curve.samples);
    one.used = std::move(curve);
    systems.push_back(std::move(one));
  }
  return systems;
}

}  // namespace tocsin::bulletin
