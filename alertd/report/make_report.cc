// From the records of an incident to its report.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "alertd/incident/record_codec.h"
#include "alertd/incident/scope.h"
#include "alertd/report/redact.h"
#include "alertd/report/report.h"
#include "common/base/strings.h"

namespace tocsin::report {
namespace {

using base::WallTime;
using incident::DeliveryState;
using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kNamedMax = 20;  ///< Hosts by name.
/// Over by itself so soon, and nobody was needed: probably noise.
constexpr base::Duration kShort = std::chrono::minutes(5);

std::string labels_text(const model::Labels& labels) {
  std::string text;
  for (const auto& label : labels) {
    if (label.name == model::kAlertName || label.name == "severity") continue;
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ", ", label.name, label.value);
  }
  return text;
}

/// What the messages said: each label set once, as it was said last.
std::vector<model::Alert> contributing(const incident::IncidentDetail& detail) {
  std::map<model::Labels, model::Alert> alerts;
  for (const incident::DeliveryRecord& delivery : detail.deliveries) {
    if (delivery.row.notification.kind == NotificationKind::News) continue;
    for (const incident::NotifiedAlert& each : delivery.row.notification.alerts) {
      model::Alert& alert = alerts[each.alert.labels];
      const bool ended = alert.ends_at.has_value();
      const WallTime since = alert.labels.size() == 0
                                 ? each.alert.starts_at
                                 : std::min(alert.starts_at, each.alert.starts_at);
      if (ended && each.firing) continue;  // a later delivery of an earlier message
      alert = each.alert;
      alert.starts_at = since;
      if (each.firing) alert.ends_at.reset();
    }
  }
  std::vector<model::Alert> list;
  for (auto& [labels, alert] : alerts) list.push_back(std::move(alert));
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.starts_at < b.starts_at; });
  return list;
}

std::string commit_of(const model::Alert& alert) {
  const std::string commit(alert.annotations.get("rule_commit"));
  if (commit.empty()) return {};
  return fmt::format("{} by {}: {}", commit.substr(0, 10), alert.annotations.get("rule_author"),
                     alert.annotations.get("rule_subject"));
}

void add_alerts(const std::vector<model::Alert>& alerts, Report& report) {
  std::set<std::string> hosts;
  std::set<std::string> services(report.services.begin(), report.services.end());
  for (const model::Alert& alert : alerts) {
    ReportAlert shown;
    shown.name = alert.labels.get(model::kAlertName);
    shown.labels = labels_text(alert.labels);
    shown.severity = alert.severity;
    shown.since = alert.starts_at;
    shown.ended = alert.ends_at;
    shown.rule = alert.rule_source.view();
    shown.commit = commit_of(alert);
    report.alerts.push_back(std::move(shown));
    report.began_at = std::min(report.began_at.value_or(alert.starts_at), alert.starts_at);
    const incident::ScopeLabels& names = incident::usual_labels();
    if (const auto host = incident::first_label(alert.labels, names.host); !host.empty()) {
      hosts.emplace(host);
    }
    if (const auto service = incident::first_label(alert.labels, names.service); !service.empty()) {
      services.emplace(service);
    }
  }
  report.services.assign(services.begin(), services.end());
  report.hosts.assign(hosts.begin(), hosts.end());
  if (report.hosts.size() > kNamedMax) {
    const std::size_t more = report.hosts.size() - kNamedMax;
    report.hosts.resize(kNamedMax);
    report.hosts.push_back(fmt::format("and {} more", more));
  }
}

bool is_page(const Notification& message) {
  return message.kind == NotificationKind::Firing || message.kind == NotificationKind::Update ||
         message.kind == NotificationKind::Reopened;
}

void count(const incident::DeliveryRecord& delivery, const ReportSettings& settings,
           Report& report) {
  ReportCounts& counts = report.counts;
  const Notification& message = delivery.row.notification;
  switch (delivery.row.state) {
    case DeliveryState::Pending:
      ++counts.pending;
      return;
    case DeliveryState::Dead:
      ++counts.failed;
      return;
    case DeliveryState::Superseded:
      ++counts.superseded;
      return;
    case DeliveryState::Delivered:
      ++counts.sent;
      break;
  }
  if (!is_page(message)) return;
  ++counts.pages;
  WallTime at = message.created_at;
  if (!delivery.attempts.empty()) {
    at = delivery.attempts.back().finished_at.value_or(delivery.attempts.back().started_at);
  }
  if (!timezone::covers(settings.hours, settings.zone, at)) ++counts.pages_out_of_hours;
  report.paged_at = std::min(report.paged_at.value_or(at), at);
}

void add_deliveries(const ReportInput& input, const ReportSettings& settings, Report& report) {
  for (const incident::DeliveryRecord& delivery : input.detail.deliveries) {
    count(delivery, settings, report);
    const Notification& message = delivery.row.notification;
    ReportDelivery shown;
    shown.at = message.created_at;
    shown.channel = message.receiver + "/" + message.channel;
    shown.kind = to_string(message.kind);
    shown.state = to_string(delivery.row.state);
    shown.attempts = delivery.row.attempts;
    shown.answer = delivery.row.note;
    if (!delivery.attempts.empty()) shown.answer = delivery.attempts.back().text;
    report.deliveries.push_back(std::move(shown));
  }
  report.counts.held = static_cast<std::size_t>(
      std::count_if(input.decisions.begin(), input.decisions.end(),
                    [](const incident::DecisionRecord& each) { return !each.sent; }));
}

/// "link 192.0.2.7" -> "link": how, not from where.
std::string way_of(const std::string& source) {
  return source.substr(0, source.find(' '));
}

void add_timeline(const ReportInput& input, Report& report) {
  std::map<std::pair<WallTime, std::string>, std::string> ways;
  std::vector<const incident::AuditRecord*> audit;
  for (const incident::StoredAudit& row : input.audit) {
    ways[{row.record.at, row.record.actor}] = way_of(row.record.source);
    audit.push_back(&row.record);
  }
  std::set<std::pair<WallTime, std::string>> told;
  for (const incident::TimelineEvent& event : input.detail.timeline) {
    ReportLine line{event.at, event.kind, event.actor, {}, event.text};
    if (!event.actor.empty()) {
      const auto way = ways.find({event.at, event.actor});
      if (way != ways.end()) line.via = way->second;
      told.insert({event.at, event.actor});
    }
    if (event.kind == "acknowledged" && !report.acknowledged_at) {
      report.acknowledged_at = event.at;
      report.acknowledged_by = event.actor;
    }
    if (event.kind == "escalated") ++report.counts.steps;
    if (event.kind == "scope" && report.scope.empty()) report.scope = event.text;
    report.timeline.push_back(std::move(line));
  }
  // What was done when the incident was long over is in the audit trail alone.
  for (auto each = audit.rbegin(); each != audit.rend(); ++each) {
    const incident::AuditRecord& record = **each;
    if (told.contains({record.at, record.actor})) continue;
    report.timeline.push_back(
        {record.at, record.action, record.actor, way_of(record.source), record.text});
  }
  std::stable_sort(report.timeline.begin(), report.timeline.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
}

void add_words(const incident::Review& review, Report& report) {
  for (const incident::ReviewField& field : incident::review_fields()) {
    const auto found = review.fields.find(std::string(field.name));
    report.sections.push_back({std::string(field.name), std::string(field.title),
                               found == review.fields.end() ? std::string() : found->second});
  }
  for (const incident::ActionItem& item : review.actions) {
    report.actions.emplace_back(incident::action_id(review.incident, item.number), item);
  }
  report.news = review.news;
}

/// A guess until a person says it: what nobody had to act on and was soon over is noise.
void judge(const incident::Review& review, Report& report) {
  std::map<std::string, std::size_t> rules;
  for (const ReportAlert& alert : report.alerts) ++rules[alert.name];
  const std::string prefix(incident::kNoisePrefix);
  for (const auto& [name, text] : review.fields) {
    if (name.starts_with(prefix)) rules.try_emplace(name.substr(prefix.size()), 0);
  }
  const auto length = report.to_resolve();
  for (const auto& [rule, alerts] : rules) {
    NoiseVerdict verdict{rule, alerts, {}, false};
    const auto said = review.fields.find(prefix + rule);
    if (said != review.fields.end()) {
      verdict.verdict = said->second;
      verdict.by_person = true;
    } else if (report.acknowledged_at || report.mitigated_at || !report.resolved_by.empty()) {
      verdict.verdict = "somebody acted on it";
    } else if (length && *length <= kShort) {
      verdict.verdict = "probably noise: over by itself in " + base::format_duration(*length);
    } else {
      verdict.verdict = length ? "nobody acted on it" : "still open";
    }
    report.noise.push_back(std::move(verdict));
  }
}

void mask(std::string& text) {
  text = redact(text);
}

void mask_all(Report& report) {
  mask(report.title);
  mask(report.scope);
  for (ReportAlert& each : report.alerts) {
    mask(each.labels);
    mask(each.commit);
  }
  for (ReportLine& each : report.timeline) mask(each.text);
  for (ReportDelivery& each : report.deliveries) mask(each.answer);
  for (incident::News& each : report.news) mask(each.text);
  for (ReportSection& each : report.sections) mask(each.text);
  for (auto& [id, item] : report.actions) {
    mask(item.text);
    mask(item.ticket);
  }
  for (NoiseVerdict& each : report.noise) mask(each.verdict);
}

std::optional<base::Duration> between(WallTime from, const std::optional<WallTime>& to) {
  if (!to) return std::nullopt;
  return std::max(*to - from, base::Duration{0});
}

}  // namespace

base::Result<Report> make_report(const ReportInput& input, const ReportSettings& settings) {
  TC_TRY(const incident::Incident incident, incident::incident_from_record(input.detail.incident));
  Report report;
  report.id = incident.id();
  report.title = incident.title;
  report.state = to_string(incident.state);
  report.peak = incident.peak_severity;
  report.final = incident.severity;
  report.services.assign(incident.services.begin(), incident.services.end());
  report.owner = incident.owner;
  if (incident.escalation) report.policy = incident.escalation->policy.name;
  report.resolved_by = incident.resolved_by;
  report.reopened = incident.reopened;
  report.opened_at = incident.opened_at;
  report.mitigated_at = incident.mitigated_at;
  report.resolved_at = incident.resolved_at;
  report.reviewed_at = incident.reviewed_at;
  report.made_at = input.now;
  report.zone = settings.zone;
  add_alerts(contributing(input.detail), report);
  add_deliveries(input, settings, report);
  add_timeline(input, report);
  add_words(input.review, report);
  judge(input.review, report);
  mask_all(report);
  return report;
}

base::Duration Report::duration() const {
  const WallTime begin = std::min(began_at.value_or(opened_at), opened_at);
  return std::max(resolved_at.value_or(made_at) - begin, base::Duration{0});
}

std::optional<base::Duration> Report::to_detect() const {
  if (!began_at) return std::nullopt;
  return between(*began_at, opened_at);
}

std::optional<base::Duration> Report::to_page() const {
  return between(opened_at, paged_at);
}

std::optional<base::Duration> Report::to_acknowledge() const {
  return between(opened_at, acknowledged_at);
}

std::optional<base::Duration> Report::to_mitigate() const {
  return between(opened_at, mitigated_at);
}

std::optional<base::Duration> Report::to_resolve() const {
  return between(opened_at, resolved_at);
}

const ReportSection& Report::section(std::string_view name) const {
  static const ReportSection kNone;
  for (const ReportSection& each : sections) {
    if (each.name == name) return each;
  }
  return kNone;
}

}  // namespace tocsin::report
