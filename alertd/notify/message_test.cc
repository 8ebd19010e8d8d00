#include "alertd/notify/message.h"

#include <doctest/doctest.h>

#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

Message write(const TemplateTexts& templates, const incident::Notification& notification,
              Escaping escaping = Escaping::None, std::vector<std::string> definitions = {}) {
  static const base::SimClock clock{kNow};
  ChannelSettings settings = webhook_settings();
  settings.templates = templates;
  NotifySettings notify = notify_settings({settings});
  notify.definitions = std::move(definitions);
  return MessageWriter(settings, notify, clock).write(notification, escaping, true);
}

std::string text_of(const char* text, const incident::Notification& notification) {
  const Message message = write({"", text, ""}, notification);
  return message.template_failure.empty() ? message.text : "failed: " + message.template_failure;
}

std::string first_line(const incident::Notification& notification) {
  const std::string text = default_text(notification, "");
  return text.substr(0, text.find('\n'));
}

TEST_CASE("the first line alone tells what, where, how bad, since when, how much") {
  incident::Notification n = sample_notification();
  CHECK(first_line(n) == "DiskFull on db1: CRITICAL since 14:03 UTC, value 97.25");
  n.alerts[0].alert.starts_at = kNow - std::chrono::hours(30);
  CHECK(first_line(n) == "DiskFull on db1: CRITICAL since 2026-11-22 08:48 UTC, value 97.25");
  n = sample_notification();
  n.common_labels = model::Labels{{"alertname", "DiskFull"}};
  n.alerts.push_back({sample_alert("db2", 99), true});
  CHECK(first_line(n) == "DiskFull on db1 and db2: CRITICAL since 14:03 UTC, value 97.25");
  n.alerts.push_back({sample_alert("db3", 99), true});
  CHECK(first_line(n) == "DiskFull on 3 places: CRITICAL since 14:03 UTC, value 97.25");
  n = sample_notification();
  n.kind = incident::NotificationKind::Resolved;
  n.alerts[0].firing = false;
  n.alerts[0].alert.ends_at = kNow;
  CHECK(first_line(n) == "DiskFull on db1: resolved at 14:48 UTC, was CRITICAL");
  n.incident.resolved_by = "eva";
  CHECK(first_line(n) == "DiskFull on db1: resolved by eva at 14:48 UTC, was CRITICAL");
  n = sample_notification();
  n.kind = incident::NotificationKind::Acknowledged;
  n.incident.acknowledged_by = "eva";
  CHECK(first_line(n) == "DiskFull on db1: acknowledged by eva");
  n.kind = incident::NotificationKind::Reopened;
  CHECK(first_line(n).ends_with("(came back)"));
  n.kind = incident::NotificationKind::Test;
  CHECK(first_line(n) == "Test of ops/webhook: this channel works, nothing is wrong");
}

TEST_CASE("the built-in text has alerts, links and reason") {
  incident::Notification n = sample_notification();
  n.truncated_alerts = 7;
  const std::string text = default_text(n, "https://t.example.org");
  CHECK(text ==
        "DiskFull on db1: CRITICAL since 14:03 UTC, value 97.25\n"
        "/ on db1 is full\n"
        "\n"
        "- firing critical: db1 (since 14:03 UTC, value 97.25)\n"
        "- and 7 more\n"
        "\n"
        "Runbook: https://run.example.org/disk?a=1&b=2\n"
        "Incident: https://t.example.org/incidents/T-1042\n"
        "Expression: https://tocsin.example.org/graph?q=x\n"
        "Rule: disk.toml:12\n"
        "Sent because: first notification\n");
}

TEST_CASE("a summary lists its incidents, the worst first, and counts the rest") {
  incident::Notification n;
  n.kind = incident::NotificationKind::Summary;
  n.created_at = kNow;
  n.reason = incident::Reason::FirstNotification;
  n.incident.title = "3 more incidents: 1 high, 2 low";
  n.incident.severity = model::Severity::High;
  n.incident.url_path = "/incidents";
  n.members.resize(2);
  n.members[0].id = "T-7";
  n.members[0].title = "Disk <full>";
  n.members[0].severity = model::Severity::High;
  n.members[1].id = "T-8";
  n.members[1].title = "Slow";
  n.members[1].severity = model::Severity::Low;
  n.members[1].state = incident::IncidentState::Resolved;
  n.truncated_members = 1;
  CHECK(default_title(n) == "[HIGH] 3 more incidents: 1 high, 2 low (summary)");
  CHECK(default_text(n, "https://t.example.org") ==
        "3 more incidents: 1 high, 2 low\n"
        "\n"
        "- T-7 HIGH Disk <full>\n"
        "- T-8 LOW Slow (resolved)\n"
        "- and 1 more\n"
        "\n"
        "Incident: https://t.example.org/incidents\n"
        "Sent because: first notification\n");
  CHECK(default_html(n, "").find("Disk &lt;full&gt;") != std::string::npos);
  CHECK(text_of("{{ range .Members }}{{ .ID }} {{ .State }},{{ end }}{{ .TruncatedMembers }}", n) ==
        "T-7 open,T-8 resolved,1");
}

TEST_CASE("news is its words alone, whatever templates the receiver has") {
  incident::Notification n = sample_notification();
  n.kind = incident::NotificationKind::News;
  n.incident.title = "Course registration: cause found";
  n.words = "It is slow since 10:05. <b>\nNext update: 10:35.";
  const Message message = write({"{{ .CommonLabels }}", "{{ .Alerts }}", "{{ .Incident.ID }}"}, n);
  CHECK(message.title == "Course registration: cause found");
  CHECK(message.text == "It is slow since 10:05. <b>\nNext update: 10:35.\n");
  CHECK(message.html ==
        "<!doctype html><html><body style=\"font-family:sans-serif\"><p>It is slow since 10:05. "
        "&lt;b&gt;</p><p>Next update: 10:35.</p></body></html>\n");
  CHECK(message.template_failure.empty());
  CHECK(headline(n) == "Course registration: cause found");
}

TEST_CASE("a report has its page where pages are shown, else its words") {
  incident::Notification n = sample_notification();
  n.kind = incident::NotificationKind::Report;
  n.incident.title = "Daily report of 2026-11-26 07:30 CET: BAD";
  n.words = "BAD: Backups: 2 sets\n";
  n.html = "<!doctype html><p>all of it</p>";
  const Message message = write({"{{ .CommonLabels }}", "{{ .Alerts }}", "{{ .Incident.ID }}"}, n);
  CHECK(message.title == n.incident.title);
  CHECK(message.text == n.words);
  CHECK(message.html == n.html);
  n.html.clear();
  CHECK(write({}, n).html.find("<p>BAD: Backups: 2 sets</p>") != std::string::npos);
}

TEST_CASE("a drill says so before everything else, and a note why it came here") {
  incident::Notification n = sample_notification();
  n.note = "instead of ops/pager, which fails";
  CHECK(default_text(n, "").find("Note: instead of ops/pager, which fails\n") != std::string::npos);
  n.common_labels = model::Labels{{"alertname", "DiskFull"}, {"drill", "true"}};
  CHECK(default_title(n).starts_with("DRILL: [CRITICAL] "));
  CHECK(default_text(n, "").starts_with("DRILL: DiskFull"));
  CHECK(default_html(n, "").find(">DRILL: DiskFull") != std::string::npos);
  CHECK(text_of("{{ .Note }} {{ .Drill }}", n) == "instead of ops/pager, which fails true");
}

TEST_CASE("titles") {
  incident::Notification n = sample_notification();
  CHECK(default_title(n) == "[CRITICAL] DiskFull db1 (firing)");
  n.kind = incident::NotificationKind::Resolved;
  n.incident.severity = model::Severity::Low;
  CHECK(default_title(n) == "[CRITICAL] DiskFull db1 (resolved)");
  n.incident.title = std::string(1000, 'x');
  CHECK(write({}, n).title.size() == 250);
}

TEST_CASE("HTML is escaped, and only web addresses are links") {
  incident::Notification n = sample_notification();
  n.common_annotations["summary"] = "<script>alert(1)</script>";
  n.common_annotations["runbook_url"] = "javascript:alert(1)";
  const std::string html = default_html(n, "");
  CHECK(html.find("<script>") == std::string::npos);
  CHECK(html.find("&lt;script&gt;") != std::string::npos);
  CHECK(html.find("href=\"javascript") == std::string::npos);
  const Message message = write({"", "plain", "<p>{{ .CommonAnnotations.summary }}</p>"}, n);
  CHECK(message.html == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
}

TEST_CASE("terminal sequences do not pass") {
  incident::Notification n = sample_notification();
  n.common_annotations["summary"] = "a\x1b]0;title\x07";
  CHECK(default_text(n, "").find('\x1b') == std::string::npos);
}

TEST_CASE("templates see Alertmanager's data") {
  const incident::Notification n = sample_notification();
  CHECK(text_of("{{ .Status }} {{ .Receiver }} {{ len .Alerts.Firing }}/{{ len .Alerts }}", n) ==
        "firing ops 1/1");
  CHECK(text_of("{{ .GroupLabels.alertname }} {{ .CommonLabels.host }} {{ .ExternalURL }}", n) ==
        "DiskFull db1 https://tocsin.example.org");
  CHECK(text_of("{{ range .Alerts }}{{ .Annotations.summary }} {{ .Fingerprint | len }}{{ end }}",
                n) == "/ on db1 is full 16");
  CHECK(text_of("{{ (index .Alerts 0).StartsAt.Format \"15:04\" }} {{ (index .Alerts 0).EndsAt }}",
                n) == "14:03 0001-01-01 00:00:00 +0000 UTC");
  CHECK(text_of("{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }},{{ end }}", n) ==
        "alertname=DiskFull,host=db1,severity=critical,");
  CHECK(text_of("{{ .NotificationReason }} {{ .Incident.ID }} {{ .Incident.URL }} {{ .Severity }}",
                n) ==
        "first notification T-1042 https://tocsin.example.org/incidents/T-1042 critical");
  CHECK(text_of("{{ since (index .Alerts 0).StartsAt }} {{ (now).Year }}", n) == "45m0s 2026");
  CHECK(text_of("{{ (index .Alerts 0).Value }}", n) == "97.25");
}

TEST_CASE("shared definitions, and what a receiver overrides") {
  const incident::Notification n = sample_notification();
  const Message message =
      write({"{{ template \"t\" . }}", "", ""}, n, Escaping::None,
            {"{{ define \"t\" }}{{ .CommonLabels.alertname | toUpper }}{{ end }}"});
  CHECK(message.title == "DISKFULL");
  CHECK(message.text.starts_with("DiskFull on db1"));
  CHECK(message.html.find("<h2") != std::string::npos);
}

TEST_CASE("a template that hangs or prints nothing is replaced") {
  const incident::Notification n = sample_notification();
  const Message slow = write({"", "{{ range 100000000 }}{{ end }}x", ""}, n);
  CHECK(slow.template_failure.find("template 'text' failed") == 0);
  CHECK(slow.text.starts_with("DiskFull on db1"));
  const Message empty = write({"{{ if false }}x{{ end }}", "", ""}, n);
  CHECK(empty.template_failure.find("the text is empty") != std::string::npos);
  CHECK(empty.title == "[CRITICAL] DiskFull db1 (firing)");
}

TEST_CASE("a label is data, not a template") {
  incident::Notification n = sample_notification();
  n.common_annotations["summary"] = "{{ .ExternalURL }} ${HOME} %s%n";
  CHECK(text_of("{{ .CommonAnnotations.summary }}", n) == "{{ .ExternalURL }} ${HOME} %s%n");
}

}  // namespace
}  // namespace tocsin::notify
