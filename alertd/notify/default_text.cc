// The built-in words.
//
//   DiskFull on db1: CRITICAL since 14:03 UTC, value 97.3
//   / on db1 is 97 % full
//
//   firing   db1 /var (since 14:03 UTC, value 97.3)
//   Runbook:  https://...
//   Incident: https://.../incidents/T-1042

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "alertd/notify/message.h"
#include "common/base/strings.h"
#include "common/gotemplate/escape.h"
#include "common/model/severity.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;
using incident::NotifiedAlert;

constexpr std::size_t kAlertsInHtmlMax = 20;
constexpr std::size_t kTextShownMax = 1000;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

// Text from outside: no escape sequences, no page-long values.
std::string clean(std::string_view text) {
  return base::escape_control(text.substr(0, kTextShownMax));
}

std::string short_number(double value) {
  return fmt::format("{:.4g}", value);
}

std::string clock_time(base::WallTime time, base::WallTime now) {
  const std::string full = base::format_rfc3339(time);  // 2026-11-23T14:48:35Z
  const std::string minutes = full.substr(11, 5) + " UTC";
  const bool today = full.substr(0, 10) == base::format_rfc3339(now).substr(0, 10);
  return today ? minutes : full.substr(0, 10) + " " + minutes;
}

// The label that says where, of the most usual ones.
std::string place_of(const model::Labels& labels) {
  for (const char* name : {"instance", "host", "node", "hostname", "service", "job"}) {
    if (labels.has(name)) return clean(labels.get(name));
  }
  return {};
}

std::string where(const Notification& notification) {
  if (std::string place = place_of(notification.common_labels); !place.empty()) return place;
  std::set<std::string> places;
  for (const NotifiedAlert& one : notification.alerts) {
    if (std::string place = place_of(one.alert.labels); !place.empty()) places.insert(place);
  }
  if (places.empty()) return {};
  if (places.size() <= 2) {
    return base::join(std::vector<std::string>(places.begin(), places.end()), " and ");
  }
  return fmt::format("{} places", places.size());
}

std::string what(const Notification& notification) {
  std::string name = clean(notification.common_labels.get(model::kAlertName));
  if (name.empty()) name = clean(notification.incident.title);
  if (name.empty()) name = "Alert";
  const std::string place = where(notification);
  if (place.empty() || name.find(place) != std::string::npos) return name;
  return name + " on " + place;
}

std::string_view annotation(const Notification& notification, const std::string& name) {
  const auto found = notification.common_annotations.find(name);
  return found == notification.common_annotations.end() ? std::string_view() : found->second;
}

bool is_web_link(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://");
}

std::string first_line(const Notification& notification) {
  const incident::IncidentSummary& incident = notification.incident;
  const std::string severity = upper(to_string(incident.severity));
  switch (notification.kind) {
    case NotificationKind::Test:
      return fmt::format("Test of {}/{}: this channel works, nothing is wrong",
                         clean(notification.receiver), clean(notification.channel));
    case NotificationKind::Acknowledged:
      return fmt::format("{}: acknowledged by {}", what(notification),
                         clean(incident.acknowledged_by));
    case NotificationKind::Resolved: {
      const std::string by =
          incident.resolved_by.empty() ? "" : " by " + clean(incident.resolved_by);
      return fmt::format("{}: resolved{} at {}, was {}", what(notification), by,
                         clock_time(notification.created_at, notification.created_at),
                         upper(to_string(incident.peak_severity)));
    }
    case NotificationKind::Summary:
    case NotificationKind::News:
    case NotificationKind::Report:
      return clean(incident.title);
    default:
      break;
  }
  base::WallTime since = incident.opened_at;
  const NotifiedAlert* worst = nullptr;
  for (const NotifiedAlert& one : notification.alerts) {
    if (one.firing && worst == nullptr) worst = &one;
    if (one.firing) since = std::min(since, one.alert.starts_at);
  }
  std::string line = fmt::format("{}: {} since {}", what(notification), severity,
                                 clock_time(since, notification.created_at));
  if (worst != nullptr && worst->alert.value) {
    line += ", value " + short_number(*worst->alert.value);
  }
  if (notification.kind == NotificationKind::Reopened) line += " (came back)";
  return line;
}

// What stands before everything else: a drill must not be taken for the real thing, and whoever
// gets somebody else's message must see why.
std::string drill_mark(const Notification& notification) {
  return notification.drill() ? "DRILL: " : "";
}

// The labels that tell this alert from its companions.
std::string own_labels(const NotifiedAlert& one, const Notification& notification) {
  std::string text;
  for (const model::LabelView label : one.alert.labels) {
    if (label.name == "severity" || notification.common_labels.get(label.name) == label.value) {
      continue;
    }
    if (!text.empty()) text += ' ';
    text += fmt::format("{}={}", clean(label.name), clean(label.value));
  }
  if (!text.empty()) return text;
  const std::string place = place_of(one.alert.labels);
  return place.empty() ? clean(one.alert.name()) : place;
}

std::string alert_line(const NotifiedAlert& one, const Notification& notification) {
  const model::Alert& alert = one.alert;
  std::string line = fmt::format("{} {}: {}", one.firing ? "firing" : "resolved",
                                 to_string(alert.severity), own_labels(one, notification));
  line += fmt::format(" (since {}", clock_time(alert.starts_at, notification.created_at));
  if (!one.firing && alert.ends_at) {
    line += ", until " + clock_time(*alert.ends_at, notification.created_at);
  }
  if (alert.value) line += ", value " + short_number(*alert.value);
  line += ")";
  const std::string_view summary = alert.annotations.get("summary");
  if (!summary.empty() && summary != annotation(notification, "summary")) {
    line += "\n  " + clean(summary);
  }
  return line;
}

std::size_t hidden_alerts(const Notification& notification, std::size_t shown) {
  return notification.alerts.size() - shown +
         static_cast<std::size_t>(notification.truncated_alerts);
}

std::string runbook(const Notification& notification) {
  const std::string_view url = annotation(notification, "runbook_url");
  return clean(url.empty() ? annotation(notification, "runbook") : url);
}

// Lines about the members of a summary, or about the alerts.
std::vector<std::string> list_lines(const Notification& notification, std::size_t shown_max) {
  std::vector<std::string> lines;
  if (notification.kind == NotificationKind::Summary) {
    const std::size_t shown = std::min(notification.members.size(), shown_max);
    for (std::size_t i = 0; i < shown; ++i) {
      const incident::IncidentSummary& member = notification.members[i];
      lines.push_back(fmt::format("{} {} {}{}", clean(member.id), upper(to_string(member.severity)),
                                  clean(member.title),
                                  member.state == incident::IncidentState::Open
                                      ? std::string()
                                      : fmt::format(" ({})", to_string(member.state))));
    }
    const std::uint64_t more = notification.members.size() - shown + notification.truncated_members;
    if (more > 0) lines.push_back(fmt::format("and {} more", more));
    return lines;
  }
  const std::size_t shown = std::min(notification.alerts.size(), shown_max);
  for (std::size_t i = 0; i < shown; ++i) {
    lines.push_back(alert_line(notification.alerts[i], notification));
  }
  if (const std::size_t more = hidden_alerts(notification, shown); more > 0) {
    lines.push_back(fmt::format("and {} more", more));
  }
  return lines;
}

// What stakeholders read: the words as they are, nothing of ours around them.
std::vector<std::string> news_lines(const Notification& notification) {
  std::vector<std::string> lines;
  base::for_each_line(notification.words, [&lines](std::string_view line) {
    lines.push_back(base::escape_control(line));
  });
  return lines;
}

// Who last changed the rule, when it comes from a repository.
std::string rule_change(const Notification& notification) {
  const std::string commit = clean(annotation(notification, "rule_commit"));
  if (commit.empty()) return {};
  return fmt::format("{} by {}: {}", commit.substr(0, 10),
                     clean(annotation(notification, "rule_author")),
                     clean(annotation(notification, "rule_subject")));
}

// Label, text: the links and facts at the foot.
std::vector<std::pair<std::string, std::string>> facts(const Notification& notification,
                                                       const std::string& external_url) {
  std::vector<std::pair<std::string, std::string>> result;
  const auto add = [&](const char* name, std::string value) {
    if (!value.empty()) result.emplace_back(name, std::move(value));
  };
  add("Runbook", runbook(notification));
  add("Acknowledge", ack_url(notification, external_url));
  add("Incident", incident_url(notification, external_url));
  if (result.empty() || result.back().first != "Incident") {
    add("Incident", clean(notification.incident.id));
  }
  if (notification.alerts.size() == 1) {
    add("Expression", clean(notification.alerts[0].alert.generator_url));
    add("Rule", clean(notification.alerts[0].alert.rule_source));
  }
  add("Changed", rule_change(notification));
  add("Comment", clean(notification.incident.comment));
  add("Note", clean(notification.note));
  add("Sent because", std::string(describe(notification.reason)));
  return result;
}

}  // namespace

std::string default_title(const Notification& notification) {
  if (notification.words_only()) return clean(notification.incident.title);
  if (notification.kind == NotificationKind::Test) {
    return fmt::format("[TEST] {}/{}", clean(notification.receiver), clean(notification.channel));
  }
  const incident::IncidentSummary& incident = notification.incident;
  const model::Severity severity =
      notification.kind == NotificationKind::Resolved ? incident.peak_severity : incident.severity;
  const std::string title = incident.title.empty() ? what(notification) : clean(incident.title);
  return fmt::format("{}[{}] {} ({})", drill_mark(notification), upper(to_string(severity)), title,
                     to_string(notification.kind));
}

std::string headline(const Notification& notification) {
  return drill_mark(notification) + first_line(notification);
}

std::string default_text(const Notification& notification, const std::string& external_url,
                         std::size_t alerts_shown_max) {
  if (notification.words_only()) {
    return base::join(news_lines(notification), "\n") + "\n";
  }
  std::string text = headline(notification) + "\n";
  for (const char* name : {"summary", "description", "message"}) {
    const std::string_view words = annotation(notification, name);
    if (!words.empty()) text += clean(words) + "\n";
  }
  const std::vector<std::string> lines = list_lines(notification, alerts_shown_max);
  if (!lines.empty()) text += "\n";
  for (const std::string& line : lines) text += "- " + line + "\n";
  text += "\n";
  for (const auto& [name, value] : facts(notification, external_url)) {
    text += fmt::format("{}: {}\n", name, value);
  }
  return text;
}

std::string default_html(const Notification& notification, const std::string& external_url) {
  using gotemplate::escape_html;
  if (!notification.html.empty()) return notification.html;
  if (notification.words_only()) {
    std::string html = "<!doctype html><html><body style=\"font-family:sans-serif\">";
    for (const std::string& line : news_lines(notification)) {
      html += "<p>" + escape_html(line) + "</p>";
    }
    return html + "</body></html>\n";
  }
  static constexpr std::string_view kColours[] = {"#5b7083", "#b58900", "#d9730d", "#c62828"};
  const bool over = notification.kind == NotificationKind::Resolved;
  const std::string_view colour =
      over ? "#2e7d32" : kColours[static_cast<std::size_t>(notification.incident.severity)];
  std::string html = fmt::format(
      "<!doctype html><html><body style=\"font-family:sans-serif;max-width:44em\">"
      "<h2 style=\"border-left:6px solid {};padding-left:.5em\">{}</h2>",
      colour, escape_html(drill_mark(notification) + first_line(notification)));
  for (const char* name : {"summary", "description", "message"}) {
    const std::string_view words = annotation(notification, name);
    if (!words.empty()) html += "<p>" + escape_html(clean(words)) + "</p>";
  }
  html += "<ul>";
  for (const std::string& line : list_lines(notification, kAlertsInHtmlMax)) {
    html += "<li>" + escape_html(line) + "</li>";
  }
  html += "</ul><table>";
  for (const auto& [name, value] : facts(notification, external_url)) {
    // Only web addresses become links: an annotation may hold any scheme.
    const std::string safe = escape_html(value);
    html += fmt::format("<tr><td>{}</td><td>{}</td></tr>", name,
                        is_web_link(value) ? fmt::format("<a href=\"{0}\">{0}</a>", safe) : safe);
  }
  return html + "</table></body></html>\n";
}

}  // namespace tocsin::notify
