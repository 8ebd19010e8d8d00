// The report after an incident: what happened, from what the daemon recorded, and why, from what
// people wrote.
//
//   Report report = make_report(input);
//   std::string text = markdown_report(report);
//
// make_report() is pure: the same records give the same report, whenever it is asked for. What
// people write is kept elsewhere (incident/review.h) and only put in, so that a report can be made
// again at any time. It blames nobody: it says who did what only where the reader must know whom
// to ask. Texts that look like secrets are masked (redact.h).
// Source: shared/reference/routing.md, section 6, "Post-incident report".
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alertd/incident/review.h"
#include "alertd/incident/snapshot.h"
#include "alertd/incident/state_records.h"
#include "common/config/table.h"
#include "common/timezone/hours.h"

namespace tocsin::report {

/// `[report]`.
struct ReportSettings {
  timezone::Zone zone;                 ///< Beside UTC.
  std::vector<timezone::Hours> hours;  ///< Of work; pages outside are counted. Empty: always.
  model::Severity action_severity = model::Severity::Low;  ///< Of an overdue action item's alert.
};

/// Reads what `[report]` says about this; the caller finishes the table, others read of it too.
ReportSettings read_report_settings(config::Table& table);

/// All that is known. Everything but `detail` may be empty.
struct ReportInput {
  incident::IncidentDetail detail;
  std::vector<incident::StoredAudit> audit;  ///< About the incident, newest first.
  std::vector<incident::DecisionRecord> decisions;
  incident::Review review;
  base::WallTime now;
};

struct ReportLine {
  base::WallTime at;
  std::string kind;  ///< As in the timeline: "acknowledged".
  std::string who;   ///< Empty: the daemon.
  std::string via;   ///< "link", "api": how a person did it; empty: unknown.
  std::string text;
};

struct ReportAlert {
  std::string name;
  std::string labels;  ///< `host="db1", mount="/var"`
  model::Severity severity = model::Severity::Medium;
  base::WallTime since;
  std::optional<base::WallTime> ended;
  std::string rule;    ///< File and line; empty: posted from outside.
  std::string commit;  ///< "1a2b3c4d5e by ann: subject"; empty: unknown.
};

struct ReportDelivery {
  base::WallTime at;
  std::string channel;  ///< "receiver/channel"
  std::string kind;
  std::string state;
  std::uint32_t attempts = 0;
  std::string answer;
};

struct ReportSection {
  std::string name;
  std::string title;
  std::string text;  ///< Of a person; empty: not written yet.
};

/// Whether alerts of a rule were worth it.
struct NoiseVerdict {
  std::string rule;
  std::size_t alerts = 0;
  std::string verdict;
  bool by_person = false;  ///< Else guessed from what happened.
};

struct ReportCounts {
  std::size_t sent = 0;
  std::size_t failed = 0;
  std::size_t superseded = 0;
  std::size_t pending = 0;
  std::size_t held = 0;   ///< Decisions not to send.
  std::size_t pages = 0;  ///< Of `sent`: what asks somebody to act.
  std::size_t pages_out_of_hours = 0;
  std::size_t steps = 0;  ///< Escalation steps that were run.
};

struct Report {
  std::string id;
  std::string title;
  std::string state;
  model::Severity peak = model::Severity::Medium;
  model::Severity final = model::Severity::Medium;
  std::vector<std::string> services;
  std::string owner;
  std::string policy;
  std::string acknowledged_by;  ///< Who did so first.
  std::string resolved_by;      ///< Empty: by itself.
  std::uint32_t reopened = 0;

  base::WallTime opened_at;
  std::optional<base::WallTime> began_at;  ///< When the first alert began.
  std::optional<base::WallTime> paged_at;  ///< First delivery that succeeded.
  std::optional<base::WallTime> acknowledged_at;
  std::optional<base::WallTime> mitigated_at;
  std::optional<base::WallTime> resolved_at;
  std::optional<base::WallTime> reviewed_at;

  std::string scope;  ///< "12 hosts (4 % of 300), 2 services"
  std::vector<std::string> hosts;
  ReportCounts counts;
  std::vector<ReportAlert> alerts;
  std::vector<ReportLine> timeline;
  std::vector<ReportDelivery> deliveries;
  std::vector<incident::News> news;
  std::vector<ReportSection> sections;  ///< In the order of incident::review_fields().
  std::vector<std::pair<std::string, incident::ActionItem>> actions;  ///< With their ids.
  std::vector<NoiseVerdict> noise;
  base::WallTime made_at;
  timezone::Zone zone;

  /// Returns from the beginning of the first alert, or the opening, to the end, or now.
  base::Duration duration() const;
  /// Times to detect (first alert to opening), to the first page and to acknowledge, mitigate and
  /// resolve (each from the opening); nullopt: did not happen.
  std::optional<base::Duration> to_detect() const;
  std::optional<base::Duration> to_page() const;
  std::optional<base::Duration> to_acknowledge() const;
  std::optional<base::Duration> to_mitigate() const;
  std::optional<base::Duration> to_resolve() const;
  const ReportSection& section(std::string_view name) const;
};

/// Errors: Corruption (the incident's record cannot be read).
base::Result<Report> make_report(const ReportInput& input, const ReportSettings& settings);

std::string markdown_report(const Report& report);
/// One page on its own: no script, no picture, nothing from elsewhere.
std::string html_report(const Report& report);
/// One JSON object; the field names are in README.md.
std::string json_report(const Report& report);

}  // namespace tocsin::report
