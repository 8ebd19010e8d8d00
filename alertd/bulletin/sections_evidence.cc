// What proves that things which must happen did happen: backups, tasks, renewals, watching itself.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

constexpr double kHour = 3600;
constexpr double kDaySeconds = 86400;
constexpr double kBackupAgeMax = 26 * kHour;
constexpr double kRestoreAgeMax = 35 * kDaySeconds;
constexpr double kAgentSilent = 300;

/// Values of several metrics about the same things, by the things' names.
using Facts = std::map<std::string, std::map<std::string, double>>;

void put(Facts& facts, const std::vector<Reading>& readings, const std::string& fact,
         std::initializer_list<std::string_view> names) {
  for (const Reading& one : readings) {
    const std::string key = where(one.labels, names);
    const auto [at, added] = facts[key].try_emplace(fact, one.value);
    // Two series of one thing (levels, hosts): the one that is worse stands.
    if (!added) at->second = std::min(at->second, one.value);
  }
}

double fact_of(const std::map<std::string, double>& facts, const std::string& name) {
  const auto found = facts.find(name);
  return found == facts.end() ? NAN : found->second;
}

Cell success_cell(double value) {
  if (std::isnan(value)) return words("-", Verdict::Plain);
  return words(value == 1 ? "passed" : "failed", value == 1 ? Verdict::Good : Verdict::Bad);
}

Verdict of_days_left(double days) {
  if (days < 14) return Verdict::Bad;
  return days < 30 ? Verdict::Attention : Verdict::Good;
}

/// Returns the age of the oldest of these times; what never happened has none.
double oldest(const Builder& builder, const Facts& facts, const std::string& fact) {
  double age = 0;
  for (const auto& [name, values] : facts) {
    const double at = fact_of(values, fact);
    if (at > 0) age = std::max(age, builder.age(at));
  }
  return age;
}

}  // namespace

Section watching_section(const Builder& builder) {
  Section section{"watching", "What could not be watched"};
  Grid grid{"", {"Where", "Check", "Now"}, 2};
  for (const Reading& one :
       builder.now(section, "tocsin_agent_check_failed == 1 or pg_scrape_collector_success == 0")) {
    std::string check;
    for (const std::string_view name : {"server", "collector", "check", "reason"}) {
      if (!one.labels.has(name)) continue;
      check += (check.empty() ? "" : " ") + std::string(one.labels.get(name));
    }
    grid.rows.push_back(
        {words(where(one.labels)), words(std::move(check)), words("fails", Verdict::Attention)});
  }
  for (const Reading& one : builder.now(section, "tocsin_agent_collector_success == 0")) {
    grid.rows.push_back({words(where(one.labels)),
                         words("collector " + std::string(one.labels.get("collector"))),
                         words("fails", Verdict::Attention)});
  }
  const bool none = grid.rows.empty();
  const std::size_t failing = grid.rows.size();
  section.grids.push_back(std::move(grid));
  judge(section, counted(failing, "check fails", "checks fail") + ": see the agent's log", "");
  if (!none) return section;
  const auto seen = builder.now(section, "count(tocsin_agent_collector_success)");
  section.verdict = seen.empty() ? Verdict::NoEvidence : Verdict::Good;
  section.finding = seen.empty() ? "no agent reported on its collectors"
                                 : fmt::format("{:.0f} collectors run, none fails", seen[0].value);
  return section;
}

Section backups_section(const Builder& builder) {
  Section section{"backups", "Backups"};
  Facts facts;
  put(facts, builder.now(section, "backup_last_success_timestamp_seconds"), "success", {"set"});
  put(facts, builder.now(section, "backup_max_age_seconds"), "max", {"set"});
  put(facts, builder.now(section, "backup_last_size_bytes"), "size", {"set"});
  put(facts,
      builder.now(section, "max without (level, reason) (backup_verified_timestamp_seconds)"),
      "verified", {"set"});
  put(facts, builder.now(section, "backup_verify_success"), "verify", {"set"});
  Grid grid{"", {"Set", "Last success", "Age", "Size", "Verified", "Last verification"}};
  std::size_t bad = 0;
  for (const auto& [set, values] : facts) {
    const double success = fact_of(values, "success");
    const double verified = fact_of(values, "verified");
    const bool taken = success > 0;
    const double age = taken ? builder.age(success) : NAN;
    const double max = fact_of(values, "max");
    const bool young = taken && age <= (max > 0 ? max : kBackupAgeMax);
    const Verdict verdict = young ? Verdict::Good : Verdict::Bad;
    if (verdict == Verdict::Bad) ++bad;
    grid.rows.push_back(
        {words(set), words(builder.time_text(success), verdict), number(age, Unit::Seconds),
         number(fact_of(values, "size"), Unit::Bytes),
         verified > 0 ? words(builder.time_text(verified)) : words("never", Verdict::NoEvidence),
         success_cell(fact_of(values, "verify"))});
  }
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{}; {} older than it may be; the oldest success is {} old",
                    counted(facts.size(), "set", "sets"), bad,
                    format_value(oldest(builder, facts, "success"), Unit::Seconds)),
        "no backup reported; configure [[backup]] in the agent, or there is none");
  return section;
}

Section restore_section(const Builder& builder) {
  Section section{"restore_drills", "Restore drills"};
  Facts facts;
  put(facts, builder.now(section, "restore_drill_success"), "success", {"set"});
  put(facts, builder.now(section, "restore_drill_duration_seconds"), "duration", {"set"});
  put(facts, builder.now(section, "min without (table) (restore_drill_rows_ratio)"), "rows",
      {"set"});
  put(facts, builder.now(section, "restore_drill_rto_seconds"), "rto", {"set"});
  put(facts, builder.now(section, "restore_drill_rpo_seconds"), "rpo", {"set"});
  put(facts,
      builder.now(section,
                  "max without (level, reason) "
                  "(backup_verified_timestamp_seconds{level=~\"restore|pitr\"})"),
      "at", {"set"});
  put(facts, builder.now(section, "task_last_success_timestamp_seconds{task=~\"restore.drill.*\"}"),
      "at", {"task"});
  Grid grid{"", {"What", "Last success", "Result", "Took", "Rows found", "RTO", "RPO"}};
  for (const auto& [what, values] : facts) {
    const double at = fact_of(values, "at");
    const Verdict when = !(at > 0)                           ? Verdict::NoEvidence
                         : builder.age(at) <= kRestoreAgeMax ? Verdict::Good
                                                             : Verdict::Bad;
    const double rows = 100 * fact_of(values, "rows");
    grid.rows.push_back({words(what), words(builder.time_text(at), when),
                         success_cell(fact_of(values, "success")),
                         number(fact_of(values, "duration"), Unit::Seconds),
                         number(rows, Unit::Percent, rows < 99 ? Verdict::Bad : Verdict::Plain),
                         number(fact_of(values, "rto"), Unit::Seconds),
                         number(fact_of(values, "rpo"), Unit::Seconds)});
  }
  section.grids.push_back(std::move(grid));
  judge(section, counted(facts.size(), "drill is known", "drills are known"),
        "no restore drill reported: that backups can be restored is not proven");
  return section;
}

Section certificates_section(const Builder& builder) {
  Section section{"certificates", "Certificates"};
  Grid grid{"", {"Certificate", "Ends", "Days left"}};
  double first = INFINITY;
  for (const char* expr : {"probe_ssl_earliest_cert_expiry", "cert_not_after_timestamp_seconds"}) {
    for (const Reading& one : builder.now(section, expr)) {
      const double days = -builder.age(one.value) / kDaySeconds;
      first = std::min(first, days);
      grid.rows.push_back({words(where(one.labels, {"probe", "target", "path", "subject_cn"})),
                           words(builder.time_text(one.value)),
                           number(std::floor(days), Unit::Days, of_days_left(days))});
    }
  }
  const std::size_t seen = grid.rows.size();
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{}; the first ends in {}", counted(seen, "certificate", "certificates"),
                    format_value(std::floor(first), Unit::Days)),
        "no certificate is watched; configure [[probe]] or [[certificate]] in the agent");
  return section;
}

// The daemon's own clock (tocsin_task_*) goes on where the host of a task is dead.
Section tasks_section(const Builder& builder) {
  Section section{"tasks", "Tasks"};
  Facts facts;
  for (const auto& [fact, expr] :
       {std::pair("max", "tocsin_task_max_age_seconds or task_max_age_seconds"),
        std::pair("age", "tocsin_task_age_seconds"), std::pair("overdue", "tocsin_task_overdue"),
        std::pair("never", "tocsin_task_never_succeeded"),
        std::pair("failed", "tocsin_task_failed"),
        std::pair("success", "task_last_success_timestamp_seconds"),
        std::pair("exit", "task_last_exit_code"),
        std::pair("duration", "task_last_duration_seconds")}) {
    put(facts, builder.now(section, expr), fact, {"task"});
  }
  Grid grid{"", {"Task", "Last success", "Due again", "Took", "Exit status"}};
  std::size_t overdue = 0;
  for (const auto& [task, values] : facts) {
    double success = fact_of(values, "success");
    const double age = fact_of(values, "age");
    const bool never = fact_of(values, "never") > 0 || (std::isnan(age) && !(success > 0));
    if (!never && std::isnan(success)) success = base::to_seconds(builder.to()) - age;
    const double due = success + fact_of(values, "max");
    const bool late = fact_of(values, "overdue") > 0 || builder.age(due) > 0;
    if (late || never) ++overdue;
    const double exit = fact_of(values, "exit");
    const bool failed = exit > 0 || fact_of(values, "failed") > 0;
    Cell status = number(exit, Unit::Count, failed ? Verdict::Bad : Verdict::Plain);
    if (failed && std::isnan(exit)) status.text = "failed";
    grid.rows.push_back({words(task),
                         words(never ? "never" : builder.time_text(success),
                               never ? Verdict::NoEvidence : Verdict::Good),
                         never || std::isnan(due)
                             ? words("-")
                             : words(builder.time_text(due), late ? Verdict::Bad : Verdict::Plain),
                         number(fact_of(values, "duration"), Unit::Seconds), std::move(status)});
  }
  section.grids.push_back(std::move(grid));
  judge(
      section,
      fmt::format("{}, {} overdue or never done", counted(facts.size(), "task", "tasks"), overdue),
      "no task is watched; configure [[task]] in the agent");
  return section;
}

Section agents_section(const Builder& builder) {
  Section section{"agents", "Agents"};
  const auto agents = builder.now(section, "tocsin_alertd_agent_last_seen_timestamp_seconds");
  Grid grid{"", {"Silent agent", "Last heard", "For"}};
  std::set<std::string> heard;
  for (const Reading& one : agents) {
    const double age = builder.age(one.value);
    if (age <= kAgentSilent) {
      heard.insert(where(one.labels));
      continue;
    }
    grid.rows.push_back({words(where(one.labels)), words(builder.time_text(one.value)),
                         number(age, Unit::Seconds, Verdict::Bad)});
  }
  const std::size_t silent = grid.rows.size();
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{} heard within 5 minutes, {} silent",
                    counted(heard.size(), "agent", "agents"), silent),
        "no agent is known");
  if (silent == 0 && !heard.empty()) {
    section.verdict = Verdict::Good;
    section.finding = counted(heard.size(), "agent", "agents") + ", all heard within 5 minutes";
  }
  return section;
}

Section patches_section(const Builder& builder) {
  Section section{"patches", "Patches and support"};
  Facts facts;
  put(facts, builder.now(section, "apt_upgrades_pending{origin=\"security\"}"), "security", {});
  put(facts, builder.now(section, "min_over_time(apt_upgrades_pending{origin=\"security\"}[7d])"),
      "security7d", {});
  put(facts, builder.now(section, "sum by (instance) (apt_upgrades_pending)"), "all", {});
  put(facts, builder.now(section, "node_reboot_required"), "reboot", {});
  put(facts, builder.now(section, "os_end_of_life_timestamp_seconds"), "end", {});
  Grid grid{"", {"Host", "Security updates", "All updates", "Reboot", "Support ends in"}};
  std::size_t behind = 0;
  for (const auto& [host, values] : facts) {
    const double security = fact_of(values, "security");
    const bool late = fact_of(values, "security7d") > 0;
    if (late) ++behind;
    const double reboot = fact_of(values, "reboot");
    const double end = fact_of(values, "end");
    const double days = std::isnan(end) ? NAN : std::floor(-builder.age(end) / kDaySeconds);
    const Verdict updates = std::isnan(security) ? Verdict::NoEvidence
                            : late               ? Verdict::Bad
                                                 : Verdict::Good;
    grid.rows.push_back(
        {words(host), number(security, Unit::Count, updates),
         number(fact_of(values, "all"), Unit::Count),
         std::isnan(reboot) ? words("-")
                            : words(reboot > 0 ? "needed" : "no",
                                    reboot > 0 ? Verdict::Attention : Verdict::Plain),
         number(days, Unit::Days, days < 90 ? Verdict::Attention : Verdict::Plain)});
  }
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{}, {} with security updates older than 7 days",
                    counted(facts.size(), "host", "hosts"), behind),
        "no host reported on its packages; configure [packages] in the agent");
  return section;
}

}  // namespace tocsin::bulletin
