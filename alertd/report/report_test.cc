#include "alertd/report/report.h"

#include <doctest/doctest.h>

#include "alertd/incident/record_codec.h"
#include "alertd/report/action_alerts.h"
#include "alertd/report/redact.h"
#include "alertd/report/statistics.h"

namespace tocsin::report {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kOpened = base::parse_rfc3339("2026-11-26T10:05:00Z").value();

incident::DeliveryRecord delivery(std::string_view receiver, incident::NotificationKind kind,
                                  base::Duration after, incident::DeliveryState state) {
  incident::DeliveryRecord record;
  incident::Notification& message = record.row.notification;
  message.receiver = receiver;
  message.channel = "email";
  message.kind = kind;
  message.created_at = kOpened + after;
  record.row.state = state;
  record.row.attempts = 1;
  incident::AttemptRecord attempt;
  attempt.started_at = message.created_at;
  attempt.finished_at = message.created_at + seconds(2);
  attempt.text = "SMTP 250 taken";
  record.attempts.push_back(attempt);
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", "DiskFull"},
                                {"host", "db1"},
                                {"mount", "/var|<b>"},
                                {"service", "registration"}});
  alert.annotations = model::Labels({{"rule_commit", "0123456789abcdef"},
                                     {"rule_author", "ann"},
                                     {"rule_subject", "lower the level"}});
  alert.severity = model::Severity::Critical;
  alert.starts_at = kOpened - seconds(30);
  alert.rule_source = "rules/disk.toml:4";
  const bool firing = kind != incident::NotificationKind::Resolved;
  if (!firing) alert.ends_at = kOpened + after;
  message.alerts.push_back({alert, firing});
  return record;
}

ReportInput sample() {
  incident::Incident one;
  one.number = 12;
  one.title = "/var on db1 is full";
  one.severity = model::Severity::High;
  one.peak_severity = model::Severity::Critical;
  one.state = incident::IncidentState::Resolved;
  one.owner = "ben";
  one.opened_at = one.updated_at = kOpened;
  one.resolved_at = kOpened + minutes(45);
  ReportInput input;
  input.detail.incident = incident::incident_record(one);
  const auto event = [&](base::Duration after, const char* kind, const char* who,
                         const char* text) {
    input.detail.timeline.push_back(
        {"T-12", input.detail.timeline.size() + 1, kOpened + after, kind, who, text});
  };
  event(seconds(0), "opened", "", "critical: /var on db1 is full");
  event(seconds(0), "scope", "", "1 host");
  event(seconds(0), "escalated", "", "step 1 of 2: person:ada");
  event(minutes(5), "escalated", "", "step 2 of 2: person:ben");
  event(minutes(8), "acknowledged", "ben",
        "until 11:00: curl -H 'Authorization: Bearer abcdef123'");
  event(minutes(45), "resolved", "", "");
  using Kind = incident::NotificationKind;
  using State = incident::DeliveryState;
  input.detail.deliveries = {delivery("ada", Kind::Firing, seconds(0), State::Delivered),
                             delivery("ben", Kind::Firing, minutes(5), State::Delivered),
                             delivery("ops", Kind::Firing, minutes(5), State::Dead),
                             delivery("ben", Kind::Resolved, minutes(45), State::Delivered)};
  input.audit.push_back(
      {2, {kOpened + hours(20), "ada", "cli 192.0.2.7", "report", "T-12", "root_cause: logs"}, ""});
  input.audit.push_back(
      {1, {kOpened + minutes(8), "ben", "link 192.0.2.8", "acknowledge", "T-12", ""}, ""});
  input.decisions.resize(3);
  input.decisions[0].sent = true;
  input.review.incident = 12;
  input.review.fields["root_cause"] = "Logs <b>were</b> kept for ever.\n# and more";
  incident::ReviewEdit edit;
  edit.new_action.emplace();
  edit.new_action->text = "rotate logs";
  edit.new_action->owner = "ada";
  edit.new_action->due = kOpened + hours(10);
  REQUIRE(incident::apply_edit(input.review, edit, "ben", kOpened + hours(1)));
  input.now = kOpened + hours(24);
  return input;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("report: times, counts and alerts come from the records") {
  ReportSettings settings;
  settings.hours = {timezone::parse_hours("10:00-10:07").value()};
  const Report report = make_report(sample(), settings).value();
  CHECK(report.to_detect() == seconds(30));
  CHECK(report.to_page() == seconds(2));
  CHECK(report.to_acknowledge() == minutes(8));
  CHECK(report.to_resolve() == minutes(45));
  CHECK(report.duration() == minutes(45) + seconds(30));
  CHECK(!report.to_mitigate());
  CHECK(report.acknowledged_by == "ben");
  CHECK(report.counts.sent == 3);
  CHECK(report.counts.failed == 1);
  CHECK(report.counts.pages == 2);
  CHECK(report.counts.pages_out_of_hours == 1);
  CHECK(report.counts.held == 2);
  CHECK(report.counts.steps == 2);
  REQUIRE(report.alerts.size() == 1);
  CHECK(report.alerts[0].ended == kOpened + minutes(45));
  CHECK(report.alerts[0].commit == "0123456789 by ann: lower the level");
  CHECK(report.hosts == std::vector<std::string>{"db1"});
  CHECK(report.services == std::vector<std::string>{"registration"});
  settings.hours = {timezone::parse_hours("11:00-12:00").value()};
  CHECK(make_report(sample(), settings)->counts.pages_out_of_hours == 2);
}

TEST_CASE("report: who did it and how; what came later is from the audit trail") {
  const Report report = make_report(sample(), {}).value();
  REQUIRE(report.timeline.size() == 7);
  CHECK(report.timeline[4].kind == "acknowledged");
  CHECK(report.timeline[4].via == "link");
  CHECK(report.timeline[6].kind == "report");
  CHECK(report.timeline[6].who == "ada");
  CHECK(report.timeline[6].via == "cli");
}

TEST_CASE("report: made again it is the same, and people's words are in it") {
  const std::string once = markdown_report(make_report(sample(), {}).value());
  CHECK(once == markdown_report(make_report(sample(), {}).value()));
  CHECK(has(once, "# Post-incident report T-12: /var on db1 is full\n"));
  CHECK(has(once, "| Severity | critical at its worst, high last |"));
  CHECK(has(once,
            "Critical for 45m30s: /var on db1 is full. The first message arrived after 2s. "
            "Acknowledged by ben after 8m. Resolved by itself after 45m."));
  CHECK(has(once, "## Root cause\n\nLogs &lt;b>were&lt;/b> kept for ever.\n\\# and more\n"));
  CHECK(has(once, "## What went well\n\n(not written yet)\n"));
  CHECK(has(once, "| A-12-1 | prevent | rotate logs | ada | 2026-11-26 | | OVERDUE |"));
  CHECK(has(once, "| DiskFull | 1 | somebody acted on it (guess) |"));
  CHECK(has(once, "mount=\"/var\\|\\<b\\>\""));
}

TEST_CASE("report: local times beside UTC when a zone is set") {
  ReportSettings settings;
  settings.zone = timezone::Zone::find("Asia/Phnom_Penh").value();
  const std::string text = markdown_report(make_report(sample(), settings).value());
  CHECK(has(text, "| Opened | 2026-11-26 10:05:00 UTC (2026-11-26 17:05 Asia/Phnom\\_Penh) |"));
  CHECK(has(text, "| Time (UTC) | Time (Asia/Phnom\\_Penh) | Event | Who | What |"));
}

TEST_CASE("report: nothing that looks like a secret, no mark-up of others") {
  const Report report = make_report(sample(), {}).value();
  for (const std::string& text :
       {markdown_report(report), html_report(report), json_report(report)}) {
    CHECK(!has(text, "abcdef123"));
  }
  const std::string html = html_report(report);
  CHECK(!has(html, "<script"));
  CHECK(!has(html, "<b>"));
  CHECK(!has(html, "http"));
  CHECK(has(html, "Logs &lt;b&gt;were&lt;/b&gt; kept for ever."));
}

TEST_CASE("report: without any message there is still a report") {
  ReportInput input = sample();
  input.detail.deliveries.clear();
  input.detail.timeline.clear();
  const Report report = make_report(input, {}).value();
  CHECK(!report.to_page());
  CHECK(has(markdown_report(report), "Nobody acknowledged it."));
  CHECK(has(markdown_report(report), "None: it was opened by hand."));
  input.detail.incident.body = "{";
  CHECK(make_report(input, {}).error().code == base::ErrorCode::Corruption);
}

TEST_CASE("redact: what looks like a secret goes, words stay") {
  CHECK(redact("password=hunter2, next") == "password=<secret>, next");
  CHECK(redact("DB_PASSWORD: 'x y'") == "DB_PASSWORD: '<secret> y'");
  CHECK(redact("api_key=\"abc\"") == "api_key=\"<secret>\"");
  CHECK(redact("Authorization: Basic dXNlcjpwYXNz") == "Authorization: <secret>");
  CHECK(redact("curl -H 'bearer abcdefgh12345'") == "curl -H 'bearer <secret>'");
  CHECK(redact("postgres://app:geheim@db1/x") == "postgres://<secret>@db1/x");
  CHECK(redact("https://a.example/ack/eyJ.abc-1") == "https://a.example/ack/<secret>");
  CHECK(redact("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----") ==
        "<secret>");
  CHECK(redact("https://hooks.slack.com/services/T0/B0/abcdefgh") ==
        "https://hooks.slack.com/services/<secret>");
  for (const char* plain : {"the token bucket is empty", "we reset the password of the user",
                            "http://db1:9090/graph", "ada@example.org wrote"}) {
    CHECK(redact(plain) == plain);
  }
}

TEST_CASE("action items: overdue ones are alerts until they are done") {
  incident::Reviews reviews;
  const ReportInput input = sample();
  reviews[12] = std::make_shared<const incident::Review>(input.review);
  const WallTime due = kOpened + hours(10);
  CHECK(overdue_alerts(reviews, model::Severity::Low, due - seconds(1), minutes(4)).empty());
  CHECK(next_overdue(reviews, kOpened) == due);
  CHECK(!next_overdue(reviews, due));
  const auto alerts = overdue_alerts(reviews, model::Severity::Low, due, minutes(4));
  REQUIRE(alerts.size() == 1);
  CHECK(alerts[0].labels == model::Labels({{"action", "A-12-1"},
                                           {"alertname", "ActionItemOverdue"},
                                           {"incident", "T-12"},
                                           {"owner", "ada"},
                                           {"severity", "low"}}));
  CHECK(alerts[0].annotations.get("summary") ==
        "action item A-12-1 of ada is overdue since 2026-11-26: rotate logs");
  CHECK(alerts[0].valid_until == due + minutes(4));
  incident::Review done = input.review;
  incident::ReviewEdit edit;
  edit.action = 1;
  edit.done = true;
  REQUIRE(incident::apply_edit(done, edit, "ada", due));
  reviews[12] = std::make_shared<const incident::Review>(done);
  CHECK(overdue_alerts(reviews, model::Severity::Low, due, minutes(4)).empty());
}

/// An incident that was over by itself after `length`.
Report brief(std::string_view rule, base::Duration length) {
  Report report;
  report.peak = model::Severity::High;
  report.opened_at = kOpened;
  report.resolved_at = kOpened + length;
  report.alerts.push_back({std::string(rule), "", model::Severity::High, kOpened, {}, "", ""});
  return report;
}

TEST_CASE("statistics: means, shares and verdicts by rule") {
  std::vector<Report> reports{make_report(sample(), {}).value()};
  for (int i = 0; i < 3; ++i) reports.push_back(brief("Twitchy", minutes(2)));
  reports.push_back(brief("Twitchy", minutes(30)));
  oncall::Directory persons;
  oncall::Person ben;
  ben.name = "Ben";
  ben.receiver = "ben";
  ben.zone = timezone::Zone::find("Asia/Phnom_Penh").value();
  persons.persons.emplace("Ben", ben);
  StatisticsSettings settings;
  settings.hours = {timezone::parse_hours("08:00-17:00").value()};
  const Statistics statistics = count_statistics(reports, persons, settings);
  CHECK(statistics.all.incidents == 5);
  CHECK(statistics.all.to_acknowledge.value() == minutes(8));
  CHECK(statistics.by_severity.at(model::Severity::Critical).to_resolve.value() == minutes(45));
  const Tally& twitchy = statistics.by_rule.at("Twitchy");
  CHECK(twitchy.incidents == 4);
  CHECK(twitchy.never_acknowledged == 4);
  CHECK(twitchy.brief == 3);
  CHECK(verdict_of(twitchy) == "noisy: 3 of 4 over by themselves soon, with nobody on it");
  CHECK(verdict_of(statistics.by_rule.at("DiskFull")) == "too few to say");
  // 10:10 UTC is 17:10 at Ben's, and within the hours for the receiver that is nobody's.
  CHECK(statistics.by_person.at("Ben").pages == 1);
  CHECK(statistics.by_person.at("Ben").out_of_hours == 1);
  CHECK(statistics.by_person.at("ada").out_of_hours == 0);
  CHECK(!statistics.by_person.contains("ops"));  // was never delivered
  const std::string json = json_statistics(statistics, kOpened, kOpened + hours(1), false);
  CHECK(has(json, R"("rule":"Twitchy")"));
  CHECK(has(json, R"("neverAcknowledgedShare":1E0)"));
}

TEST_CASE("statistics: verdicts") {
  Tally tally;
  tally.incidents = tally.resolved = 4;
  CHECK(verdict_of(tally) == "useful");
  tally.never_acknowledged = 2;
  CHECK(verdict_of(tally) == "ignored: 2 of 4 never acknowledged");
  tally.flapping = 3;
  CHECK(verdict_of(tally) == "flaps: 3 of 4 opened again");
}

}  // namespace
}  // namespace tocsin::report
