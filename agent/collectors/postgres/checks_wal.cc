// WAL, archiving, checkpoints and replication.
#include "agent/collectors/postgres/check.h"

namespace tocsin::agent {

namespace {

constexpr auto kCounter = model::MetricType::Counter;

}  // namespace

std::vector<Check> wal_checks() {
  std::vector<Check> checks;
  checks.push_back(
      {.name = "archiver",
       .sql = R"sql(
SELECT archived_count, failed_count, extract(epoch FROM clock_timestamp() - last_archived_time),
  coalesce(last_failed_time > last_archived_time OR
    (last_failed_time IS NOT NULL AND last_archived_time IS NULL), false)
FROM pg_catalog.pg_stat_archiver)sql",
       .metrics = {{"pg_stat_archiver_archived_count", "WAL segments archived.", kCounter},
                   {"pg_stat_archiver_failed_count", "Failed attempts to archive.", kCounter},
                   {"pg_stat_archiver_last_archive_age",
                    "Seconds since the last segment was archived; none: never."},
                   {"pg_stat_archiver_failing", "1 if the last attempt failed."}}});
  checks.push_back(
      {.name = "wal_archive_ready",
       .sql = R"sql(
SELECT count(*) FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready')sql",
       .metrics = {{"pg_wal_archive_ready_files", "WAL segments that wait to be archived."}},
       .version_min = 120'000,
       .needs = "GRANT pg_monitor"});
  checks.push_back(
      {.name = "wal",
       .sql = "SELECT count(*), coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir()",
       .metrics = {{"pg_wal_segments", "Files in pg_wal."}, {"pg_wal_size_bytes", "Their size."}},
       .version_min = 100'000,
       .needs = "GRANT pg_monitor"});
  checks.push_back(
      {.name = "stat_bgwriter",
       .sql = R"sql(
SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time,
  buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_backend, buffers_backend_fsync,
  buffers_alloc, extract(epoch FROM stats_reset) FROM pg_catalog.pg_stat_bgwriter)sql",
       .metrics =
           {{"pg_stat_bgwriter_checkpoints_timed_total", "Scheduled checkpoints.", kCounter},
            {"pg_stat_bgwriter_checkpoints_req_total", "Requested checkpoints.", kCounter},
            {"pg_stat_bgwriter_checkpoint_write_time_total", "Milliseconds writing.", kCounter},
            {"pg_stat_bgwriter_checkpoint_sync_time_total", "Milliseconds syncing.", kCounter},
            {"pg_stat_bgwriter_buffers_checkpoint_total", "Written by checkpoints.", kCounter},
            {"pg_stat_bgwriter_buffers_clean_total", "Written by the writer.", kCounter},
            {"pg_stat_bgwriter_maxwritten_clean_total", "Scans stopped for too much.", kCounter},
            {"pg_stat_bgwriter_buffers_backend_total", "Written by sessions.", kCounter},
            {"pg_stat_bgwriter_buffers_backend_fsync_total", "Synced by sessions.", kCounter},
            {"pg_stat_bgwriter_buffers_alloc_total", "Buffers allocated.", kCounter},
            {"pg_stat_bgwriter_stats_reset_total", "When the counters began, as Unix time.",
             kCounter}},
       .version_max = 169'999});
  checks.push_back(
      {.name = "stat_bgwriter",
       .sql = R"sql(
SELECT buffers_clean, maxwritten_clean, buffers_alloc, extract(epoch FROM stats_reset)
FROM pg_catalog.pg_stat_bgwriter)sql",
       .metrics = {{"pg_stat_bgwriter_buffers_clean_total", "Written by the writer.", kCounter},
                   {"pg_stat_bgwriter_maxwritten_clean_total", "Scans stopped for too much.",
                    kCounter},
                   {"pg_stat_bgwriter_buffers_alloc_total", "Buffers allocated.", kCounter},
                   {"pg_stat_bgwriter_stats_reset_total", "When the counters began, as Unix time.",
                    kCounter}},
       .version_min = 170'000});
  checks.push_back(
      {.name = "stat_checkpointer",
       .sql = R"sql(
SELECT num_timed, num_requested, restartpoints_timed, restartpoints_req, restartpoints_done,
  write_time, sync_time, buffers_written, extract(epoch FROM stats_reset)
FROM pg_catalog.pg_stat_checkpointer)sql",
       .metrics = {{"pg_stat_checkpointer_num_timed_total", "Scheduled checkpoints.", kCounter},
                   {"pg_stat_checkpointer_num_requested_total", "Requested checkpoints.", kCounter},
                   {"pg_stat_checkpointer_restartpoints_timed_total", "Scheduled.", kCounter},
                   {"pg_stat_checkpointer_restartpoints_req_total", "Requested.", kCounter},
                   {"pg_stat_checkpointer_restartpoints_done_total", "Performed.", kCounter},
                   {"pg_stat_checkpointer_write_time_total", "Milliseconds writing.", kCounter},
                   {"pg_stat_checkpointer_sync_time_total", "Milliseconds syncing.", kCounter},
                   {"pg_stat_checkpointer_buffers_written_total", "Buffers written.", kCounter},
                   {"pg_stat_checkpointer_stats_reset_total",
                    "When the counters began, as Unix time.", kCounter}},
       .version_min = 170'000});
  checks.push_back({.name = "checkpoint_age",
                    .sql = R"sql(
SELECT extract(epoch FROM clock_timestamp() - checkpoint_time)
FROM pg_catalog.pg_control_checkpoint())sql",
                    .metrics = {{"pg_checkpoint_age_seconds", "Since the last checkpoint."}},
                    .every = std::chrono::minutes(1)});
  // A standby that has replayed all it got lags behind nothing, however old that is.
  checks.push_back(
      {.name = "replication",
       .sql = R"sql(
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())) END,
  pg_is_in_recovery(),
  CASE WHEN pg_is_in_recovery()
    THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END)sql",
       .metrics = {{"pg_replication_lag_seconds", "How far a standby is behind; 0 on a primary."},
                   {"pg_replication_is_replica", "1 on a standby."},
                   {"pg_replication_last_replay_seconds", "Age of the last replayed commit."}},
       .version_min = 100'000});
  checks.push_back(
      {.name = "stat_replication",
       .sql = R"sql(
SELECT application_name, coalesce(host(client_addr), ''), state, sync_state, count(*),
  max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), max(extract(epoch FROM replay_lag))
FROM pg_catalog.pg_stat_replication WHERE NOT pg_is_in_recovery()
GROUP BY application_name, client_addr, state, sync_state)sql",
       .labels = {"application_name", "client_addr", "state", "sync_state"},
       .metrics = {{"pg_stat_replication_connections", "Standbys connected under this name."},
                   {"pg_stat_replication_replay_lag_bytes", "WAL that it has not replayed."},
                   {"pg_stat_replication_replay_lag_seconds", "The same in time."}},
       .version_min = 100'000,
       .needs = "GRANT pg_monitor"});
  // A slot that nobody reads keeps WAL until the disk is full.
  const std::vector<NamedMetric> slot{
      {"pg_replication_slots_slot_is_active", "1 while somebody reads the slot."},
      {"pg_replication_slots_retained_bytes", "WAL that the slot keeps."}};
  checks.push_back({.name = "replication_slots",
                    .sql = R"sql(
SELECT slot_name, slot_type, active, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
  THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)
FROM pg_catalog.pg_replication_slots)sql",
                    .labels = {"slot_name", "slot_type"},
                    .metrics = slot,
                    .version_min = 100'000,
                    .version_max = 129'999});
  std::vector<NamedMetric> slot_13 = slot;
  slot_13.push_back({"pg_replication_slots_safe_wal_size_bytes",
                     "WAL that may be written before the slot is lost; none: no limit."});
  slot_13.push_back({"pg_replication_slots_lost", "1 if WAL that it needs is gone."});
  checks.push_back({.name = "replication_slots",
                    .sql = R"sql(
SELECT slot_name, slot_type, active, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
  THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), safe_wal_size,
  coalesce(wal_status = 'lost', false)
FROM pg_catalog.pg_replication_slots)sql",
                    .labels = {"slot_name", "slot_type"},
                    .metrics = slot_13,
                    .version_min = 130'000});
  return checks;
}

}  // namespace tocsin::agent
