#include "agent/snapshot/snapshot_settings.h"

#include "agent/collectors/kept/slow_settings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr std::int64_t kFilesMax = 10'000;
constexpr base::Duration kPauseMin{60'000};
constexpr std::uint64_t kBytesMin = std::uint64_t{1} << 20U;

SnapshotSettings read_one(config::Table table, base::Duration interval,
                          const std::string& state_folder) {
  SnapshotSettings settings;
  settings.interval = read_slow_interval(table, settings.interval);
  settings.timeout = round_timeout(interval);
  settings.kept.folder = read_absolute(table, "folder", state_folder + "/snapshots");
  settings.kept.files_max = static_cast<std::size_t>(
      table.integer("files_max", static_cast<std::int64_t>(settings.kept.files_max), 1, kFilesMax));
  settings.kept.bytes_max = table.bytes("bytes_max", settings.kept.bytes_max);
  if (settings.kept.bytes_max < kBytesMin) {
    table.error("bytes_max", "bytes_max is less than 1MiB: no snapshot would fit");
  }
  settings.pause = table.duration("pause", settings.pause);
  if (settings.pause < kPauseMin) table.error("pause", "pause must be at least 1m");
  settings.on_oom_kill = table.boolean("on_oom_kill", settings.on_oom_kill);
  settings.on_load = table.number("on_load", settings.on_load);
  if (settings.on_load < 0) table.error("on_load", "on_load must not be negative");
  settings.on_memory_stall_percent =
      table.number("on_memory_stall_percent", settings.on_memory_stall_percent);
  if (settings.on_memory_stall_percent < 0 || settings.on_memory_stall_percent > 100) {
    table.error("on_memory_stall_percent", "on_memory_stall_percent must be 0 to 100");
  }
  settings.paths.proc = read_absolute(table, "proc_path", settings.paths.proc);
  settings.paths.root = read_absolute(table, "root_path", settings.paths.root);
  table.finish();
  return settings;
}

}  // namespace

std::optional<SnapshotSettings> read_snapshot_settings(config::Table& root, base::Duration interval,
                                                       const std::string& state_folder) {
  if (!root.has("snapshots")) return std::nullopt;
  return read_one(root.table("snapshots"), interval, state_folder);
}

}  // namespace tocsin::agent
