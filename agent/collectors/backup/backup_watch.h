// One set, looked at again and again: what is there, whether the newest is good, how far back one
// can go.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/backup/backup_files.h"
#include "agent/backup/backup_state.h"
#include "agent/backup/base_manifest.h"
#include "agent/backup/wal_archive.h"
#include "agent/collectors/backup/backup_report.h"
#include "agent/sampler/round_sink.h"
#include "common/base/command_runner.h"

namespace tocsin::agent {

/// The WAL archive of a set.
struct WalLook {
  std::map<std::uint32_t, WalTimeline> timelines{};
  std::map<std::uint32_t, WalSwitch> switches{};
  std::optional<base::WallTime> newest{};  ///< When the newest segment was written.
  std::optional<base::Duration> window{};  ///< From the oldest base backup that reaches the end.
};

/// What is known of a set; told every round from memory.
struct BackupStatus {
  std::size_t backups = 0;
  std::size_t unfinished = 0;
  std::optional<base::WallTime> last_success{};
  std::optional<std::uint64_t> last_size_bytes{};
  std::optional<double> last_duration_seconds{};
  std::optional<bool> encrypted{};
  bool touched = false;
  Found quick{};  ///< Of the newest.
  std::optional<BackupItem> newest{};
  std::optional<WalLook> wal{};
  std::optional<base::Duration> reported_window{};
  std::map<std::string, base::Error> failed{};  ///< By check: "files", "wal", "report".
};

/// Runs a program and waits for it.
using RunCommand = std::function<base::Result<base::CommandResult>(base::Command)>;

/// Thread: one at a time.
class BackupWatch {
 public:
  struct World {
    base::FileSystem& files;
    const base::Clock& clock;
    RunCommand run_command{};  ///< Of sets with a command.
  };

  BackupWatch(const BackupSet& set, World world)
      : set_(set), world_(std::move(world)), files_(set, world_.files) {}

  /// Looks if it is time.
  const BackupStatus& look();
  const BackupSet& set() const { return set_; }

 private:
  void look_at_files(BackupStatus& status);
  void look_at_report(BackupStatus& status);
  void look_at_wal(BackupStatus& status);
  std::optional<base::Duration> window_of(const WalLook& wal, const BackupStatus& status);
  base::Result<std::string> report_text();
  Found quick_check(const BackupItem& item);

  const BackupSet& set_;
  World world_;
  BackupFiles files_;
  BackupLook last_look_;
  BackupStatus status_;
  std::optional<base::MonotonicTime> looked_at_;
  /// Checks of V1 by path and time of change, and the WAL that base backups start with.
  std::map<std::string, std::pair<base::WallTime, Found>> quick_;
  std::map<std::string, std::pair<base::WallTime, std::optional<WalRange>>> starts_;
};

/// Writes everything that is known of a set.
void add_backup_status(const BackupSet& set, const BackupStatus& status, base::WallTime now,
                       RoundSink& sink);
void add_verify_state(const BackupSet& set, const VerifyState& state, const BackupStatus& status,
                      RoundSink& sink);
void add_drill_state(const BackupSet& set, const DrillState& state, RoundSink& sink);

}  // namespace tocsin::agent
