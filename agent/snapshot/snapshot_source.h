// Takes a snapshot when the host is in trouble, and tells how many there are.
//
// Triggers are local and few: what they catch is gone when a person comes. They are looked at every
// few seconds, by reading three small files. A trigger that holds on takes one snapshot, not one
// each look; two snapshots are `pause` apart whatever triggers them: what was passed over is
// counted. The daemon cannot ask for one.
#pragma once

#include "agent/collectors/kept/slow_source.h"
#include "agent/snapshot/snapshot_settings.h"

namespace tocsin::agent {

/// Which triggers hold, and since when nothing was taken. Pure; owner: one thread.
class SnapshotTriggers {
 public:
  explicit SnapshotTriggers(const SnapshotSettings& settings) : settings_(settings) {}

  struct Look {
    std::string_view vmstat;    ///< /proc/vmstat
    std::string_view loadavg;   ///< /proc/loadavg
    std::string_view pressure;  ///< /proc/pressure/memory; empty if the kernel has none.
    double processors = 1;
  };
  /// Returns the trigger that asks for a snapshot now: "oom_kill", "load", "memory_stall"; or "".
  std::string_view step(const Look& look, base::MonotonicTime now);

  double passed_over() const { return passed_over_; }  ///< Triggers within a pause.

 private:
  bool began(bool holds, bool& held);

  SnapshotSettings settings_;
  std::optional<double> oom_kills_;
  bool load_held_ = false;
  bool stall_held_ = false;
  std::optional<base::MonotonicTime> last_;
  double passed_over_ = 0;
};

std::unique_ptr<AsyncSource> make_snapshot_source(const SnapshotSettings& settings,
                                                  const SlowWorld& world);

}  // namespace tocsin::agent
