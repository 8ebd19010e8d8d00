#include "alertd/bulletin/controls.h"

namespace tocsin::bulletin {
namespace {

constexpr std::string_view kBackups = "Data can be brought back";
constexpr std::string_view kAccess = "Only those who may have access have it";
constexpr std::string_view kEncryption = "Data is encrypted on its way and where it lies";
constexpr std::string_view kAudit = "Sensitive actions leave a trace";
constexpr std::string_view kPatches = "Known holes are closed";
constexpr std::string_view kWatching = "Somebody watches, and would be called";

constexpr ControlCheck kChecks[] = {
    {"BK", kBackups, "the newest backup is as young as it must be",
     "time() - backup_last_success_timestamp_seconds <= bool on (instance, host, set) group_left "
     "() "
     "backup_max_age_seconds or time() - backup_last_success_timestamp_seconds <= bool 93600"},
    {"BK", kBackups, "the last verification passed", "backup_verify_success == bool 1"},
    {"BK", kBackups, "a backup was verified within 8 days",
     "time() - max without (level, reason) (backup_verified_timestamp_seconds) <= bool 691200"},
    {"BK", kBackups, "the last restore drill passed", "restore_drill_success == bool 1"},
    {"BK", kBackups, "a backup was restored within 35 days",
     "time() - max without (level, reason) "
     "(backup_verified_timestamp_seconds{level=~\"restore|pitr\"}) <= bool 3024000"},
    {"BK", kBackups, "recovery to any point of the last 7 days",
     "pitr_window_seconds >= bool 604800"},
    {"AC", kAccess, "PostgreSQL: no rule lets everybody in", "sec_pg_hba_open_rules == bool 0"},
    {"AC", kAccess, "PostgreSQL: no rule with a weak method",
     "sum without (method) (sec_pg_hba_weak_rules) == bool 0"},
    {"AC", kAccess, "no account of somebody who left", "sec_leavers_active == bool 0"},
    {"AC", kAccess, "the monitoring role is no superuser", "sec_pg_agent_is_superuser == bool 0"},
    {"AC", kAccess, "access was reviewed within 104 days",
     "time() - task_last_success_timestamp_seconds{task=~\"access.review.*\"} <= bool 8985600"},
    {"EN", kEncryption, "PostgreSQL: no remote connection in clear",
     "pg_connections_clear_remote == bool 0"},
    {"EN", kEncryption, "no certificate has expired",
     "(probe_ssl_earliest_cert_expiry or cert_not_after_timestamp_seconds) - time() > bool 0"},
    {"EN", kEncryption, "file systems are encrypted where they must be",
     "fs_encrypted == bool 1 and on (instance, host, mount) fs_encryption_required == 1"},
    {"EN", kEncryption, "backups are encrypted where they must be",
     "backup_encrypted == bool 1 and on (instance, host, set) backup_encryption_required == 1"},
    {"AU", kAudit, "an audit event within a day",
     "time() - audit_last_event_timestamp_seconds <= bool 86400"},
    {"AU", kAudit, "no log was cut", "increase(log_truncations_total[1h]) == bool 0"},
    {"PA", kPatches, "no security update waits for more than 7 days",
     "min_over_time(apt_upgrades_pending{origin=\"security\"}[7d]) == bool 0"},
    {"PA", kPatches, "no reboot is due for more than 14 days",
     "min_over_time(node_reboot_required[14d]) == bool 0"},
    {"PA", kPatches, "the operating system is supported",
     "os_end_of_life_timestamp_seconds - time() > bool 0"},
    {"PA", kPatches, "no critical finding for more than 7 days",
     "min_over_time(sec_findings{severity=\"critical\"}[7d]) == bool 0"},
    {"PA", kPatches, "a scan within 8 days", "time() - sec_scan_timestamp_seconds <= bool 691200"},
    {"WA", kWatching, "every known agent is heard",
     "time() - tocsin_alertd_agent_last_seen_timestamp_seconds <= bool 300"},
    {"WA", kWatching, "no rule fails", "sum(tocsin_alertd_rule_group_rules_failing) == bool 0"},
    {"WA", kWatching, "no message was given up",
     "sum(increase(tocsin_alertd_notifications_failed_total[1h])) == bool 0"},
};

}  // namespace

std::span<const ControlCheck> control_checks() {
  return kChecks;
}

}  // namespace tocsin::bulletin
