#include <string>

#include "agent/collectors/backup/backup_watch.h"
#include "agent/collectors/blocking/blocking_source.h"

namespace tocsin::agent {
namespace {

constexpr MetricInfo kFiles{"backup_files", "Finished backups of the set."};
constexpr MetricInfo kUnfinished{"backup_unfinished_files",
                                 "Files that grow, are too new, or have a temporary name."};
constexpr MetricInfo kLast{"backup_last_success_timestamp_seconds",
                           "Time of the newest backup that is finished and not obviously wrong."};
constexpr MetricInfo kAge{"backup_age_seconds", "Age of that backup."};
constexpr MetricInfo kMaxAge{"backup_max_age_seconds", "Age up to which it is in order."};
constexpr MetricInfo kSize{"backup_last_size_bytes", "Size of the newest backup."};
constexpr MetricInfo kDuration{"backup_last_duration_seconds", "How long the newest one took."};
constexpr MetricInfo kTouched{"backup_touched",
                              "1 if what was changed last is much older by its name or content."};
constexpr MetricInfo kEncrypted{"backup_encrypted", "1 if the newest is encrypted."};
constexpr MetricInfo kEncryptionRequired{"backup_encryption_required",
                                         "1 if backups of the set must be encrypted."};
constexpr MetricInfo kVerified{"backup_verified_timestamp_seconds",
                               "Time of the last verification that passed the level."};
constexpr MetricInfo kVerifySuccess{"backup_verify_success",
                                    "1 if the last verification passed the level; else a reason."};
constexpr MetricInfo kWalSegments{"backup_wal_segments", "Segments of WAL in the archive."};
constexpr MetricInfo kWalGaps{"backup_wal_missing_segments",
                              "Segments missing between the first and the last of a timeline."};
constexpr MetricInfo kWalNewest{"backup_wal_last_archived_timestamp_seconds",
                                "Time of the newest segment in the archive."};
constexpr MetricInfo kWindow{"pitr_window_seconds",
                             "How far back one can recover: the oldest base backup with all WAL."};
constexpr MetricInfo kWindowMin{"pitr_window_min_seconds", "How far back it has to be."};
constexpr MetricInfo kRestoreMaxAge{"backup_restore_max_age_seconds",
                                    "Age up to which a restore drill counts."};
constexpr MetricInfo kDrillSuccess{"restore_drill_success",
                                   "1 if the last restore drill succeeded; else a reason."};
constexpr MetricInfo kDrillAt{"restore_drill_last_run_timestamp_seconds",
                              "Time of the last restore drill."};
constexpr MetricInfo kDrillSeconds{"restore_drill_duration_seconds", "How long it took."};
constexpr MetricInfo kDrillRto{"restore_drill_rto_seconds",
                               "From its start until the data could be asked."};
constexpr MetricInfo kDrillRpo{
    "restore_drill_rpo_seconds",
    "From the last restored change until its start: what would be lost."};
constexpr MetricInfo kDrillTables{"restore_drill_tables", "Tables that were restored."};
constexpr MetricInfo kDrillRatio{"restore_drill_rows_ratio",
                                 "Rows that were restored, to those that were expected."};

constexpr MetricInfo kDrillDiffers{
    "restore_drill_env_mismatch",
    "1 if where the backup was restored is in this part unlike the live server, 0 if not."};

double seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void add_wal(model::LabelView set, const WalLook& wal, RoundSink& sink) {
  std::uint64_t segments = 0;
  for (const auto& [timeline, line] : wal.timelines) {
    segments += line.segments;
    // An old timeline's gap is history; the newest two are what a recovery needs.
    if (timeline + 1 < wal.timelines.rbegin()->first) continue;
    sink.add(kWalGaps, {set, {"timeline", std::to_string(timeline)}},
             static_cast<double>(line.missing));
  }
  sink.add(kWalSegments, {set}, static_cast<double>(segments));
  if (wal.newest) sink.add(kWalNewest, {set}, base::to_seconds(*wal.newest));
}

}  // namespace

void add_backup_status(const BackupSet& set, const BackupStatus& status, base::WallTime now,
                       RoundSink& sink) {
  const model::LabelView label{"set", set.name};
  for (const auto& [check, error] : status.failed) {
    add_check_failed(sink, "backup " + set.name, check, error);
  }
  const bool looked = !status.failed.contains("report") && !status.failed.contains("files");
  const bool has_backups = set.kind != BackupKind::WalArchive;
  if (has_backups) {
    // What could not be listed is not none.
    if (looked) sink.add(kFiles, {label}, static_cast<double>(status.backups));
    sink.add(kMaxAge, {label}, seconds(set.max_age));
    sink.add(kEncryptionRequired, {label}, set.encryption_required ? 1 : 0);
  }
  if (has_backups && looked && !is_reported(set.kind)) {
    sink.add(kUnfinished, {label}, static_cast<double>(status.unfinished));
    sink.add(kTouched, {label}, status.touched ? 1 : 0);
  }
  if (status.last_success) {
    sink.add(kLast, {label}, base::to_seconds(*status.last_success));
    sink.add(kAge, {label}, seconds(now - *status.last_success));
  }
  if (status.last_size_bytes) {
    sink.add(kSize, {label}, static_cast<double>(*status.last_size_bytes));
  }
  if (status.last_duration_seconds) sink.add(kDuration, {label}, *status.last_duration_seconds);
  if (status.encrypted) sink.add(kEncrypted, {label}, *status.encrypted ? 1 : 0);
  if (status.wal) add_wal(label, *status.wal, sink);
  std::optional<base::Duration> window = status.reported_window;
  if (status.wal && status.wal->window) window = status.wal->window;
  if (window) sink.add(kWindow, {label}, seconds(*window));
  if (set.pitr_window > base::Duration{0}) sink.add(kWindowMin, {label}, seconds(set.pitr_window));
}

void add_verify_state(const BackupSet& set, const VerifyState& state, const BackupStatus& status,
                      RoundSink& sink) {
  const model::LabelView label{"set", set.name};
  for (const auto& [level, known] : state.levels) {
    const model::LabelView of_level{"level", to_string(level)};
    if (known.good_ms > 0) {
      sink.add(kVerified, {label, of_level}, static_cast<double>(known.good_ms) / 1'000);
    }
    // The collector's own look at the size of the newest is fresher than any file.
    if (level != VerifyLevel::Size || !known.ok) {
      sink.add(kVerifySuccess, {label, of_level, {"reason", known.reason}}, known.ok ? 1 : 0);
    }
  }
  const auto of_size = state.levels.find(VerifyLevel::Size);
  if (of_size != state.levels.end() && !of_size->second.ok) return;
  const Found& quick = status.quick;
  if (!quick && !status.last_success) return;
  sink.add(kVerifySuccess,
           {label,
            {"level", to_string(VerifyLevel::Size)},
            {"reason", quick ? std::string_view(quick->reason) : std::string_view()}},
           quick ? 0 : 1);
}

void add_drill_state(const BackupSet& set, const DrillState& state, RoundSink& sink) {
  const model::LabelView label{"set", set.name};
  if (set.drill) sink.add(kRestoreMaxAge, {label}, seconds(set.drill->max_age));
  for (const auto& [level, at] : state.good_ms) {
    sink.add(kVerified, {label, {"level", to_string(level)}}, static_cast<double>(at) / 1'000);
  }
  if (state.at_ms == 0) return;
  sink.add(kDrillAt, {label}, static_cast<double>(state.at_ms) / 1'000);
  sink.add(kDrillSuccess, {label, {"level", to_string(state.level)}, {"reason", state.reason}},
           state.ok ? 1 : 0);
  sink.add(kDrillSeconds, {label}, state.duration_seconds);
  for (const auto& [table, ratio] : state.ratios) {
    sink.add(kDrillRatio, {label, {"table", table}}, ratio);
  }
  for (const auto& [part, differs] : state.differs) {
    sink.add(kDrillDiffers, {label, {"part", part}}, differs ? 1 : 0);
  }
  if (!state.ok) return;
  sink.add(kDrillRto, {label}, state.rto_seconds);
  sink.add(kDrillRpo, {label}, state.rpo_seconds);
  sink.add(kDrillTables, {label}, static_cast<double>(state.tables));
}

}  // namespace tocsin::agent
