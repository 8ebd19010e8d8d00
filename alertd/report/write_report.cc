// The report as Markdown and HTML: one order of things, two ways to write it.
#include <fmt/format.h>

#include <cctype>

#include "alertd/report/report.h"
#include "alertd/report/sheet.h"
#include "common/base/strings.h"

namespace tocsin::report {
namespace {

using base::WallTime;

constexpr std::string_view kBlameless =
    "This report says what happened and why it made sense at the time. It looks for what to change "
    "in systems and habits, not for somebody to blame.";
constexpr std::string_view kUnwritten = "(not written yet)";

/// "2026-11-27 10:05:03 UTC"
std::string utc(WallTime at) {
  const std::string text = base::format_rfc3339(at);  // 2026-11-23T14:48:35.123Z
  return text.substr(0, 10) + " " + text.substr(11, 8) + " UTC";
}

class ReportWriter {
 public:
  ReportWriter(const Report& report, Sheet& sheet) : report_(report), sheet_(sheet) {}

  void write() {
    sheet_.heading(1, fmt::format("Post-incident report {}: {}", report_.id, report_.title));
    header();
    summary();
    impact();
    metrics();
    timeline();
    alerts();
    people();
    actions();
    noise();
    deliveries();
    sheet_.paragraph(kBlameless);
  }

 private:
  std::string time(WallTime at) const {
    return local() ? utc(at) + " (" + timezone::format_local(report_.zone, at) + ")" : utc(at);
  }
  bool local() const { return report_.zone.name() != "UTC"; }
  std::string time(const std::optional<WallTime>& at) const {
    return at ? time(*at) : std::string();
  }
  static std::string length(const std::optional<base::Duration>& duration) {
    if (!duration) return "–";
    // Seconds are enough for people, and for shorter things milliseconds.
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*duration);
    return base::format_duration(seconds.count() > 0 ? base::Duration(seconds) : *duration);
  }

  void header() {
    const std::string peak(model::to_string(report_.peak));
    const std::string final(model::to_string(report_.final));
    sheet_.facts({{"Severity", peak == final ? peak : peak + " at its worst, " + final + " last"},
                  {"State", report_.state},
                  {"Services", base::join(report_.services, ", ")},
                  {"Owner", report_.owner},
                  {"Began", time(report_.began_at)},
                  {"Opened", time(report_.opened_at)},
                  {"Acknowledged", by(report_.acknowledged_at, report_.acknowledged_by)},
                  {"Mitigated", time(report_.mitigated_at)},
                  {"Resolved", by(report_.resolved_at, report_.resolved_by)},
                  {"Reviewed", time(report_.reviewed_at)}});
  }

  std::string by(const std::optional<WallTime>& at, const std::string& person) const {
    if (!at) return {};
    return person.empty() ? time(*at) : time(*at) + " by " + person;
  }

  void summary() {
    sheet_.heading(2, "Summary");
    if (const std::string& text = report_.section("summary").text; !text.empty()) {
      sheet_.words(text);
      return;
    }
    std::string text = fmt::format("{} for {}: {}.", model::to_string(report_.peak),
                                   length(report_.duration()), report_.title);
    text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
    if (const auto page = report_.to_page()) {
      text += " The first message arrived after " + length(page) + ".";
    }
    if (const auto acknowledged = report_.to_acknowledge()) {
      text += fmt::format(" Acknowledged by {} after {}.", report_.acknowledged_by,
                          length(acknowledged));
    } else {
      text += " Nobody acknowledged it.";
    }
    if (const auto resolved = report_.to_resolve()) {
      text += fmt::format(
          " Resolved {} after {}.",
          report_.resolved_by.empty() ? std::string("by itself") : "by " + report_.resolved_by,
          length(resolved));
    } else {
      text += " It is not over.";
    }
    sheet_.paragraph(text);
  }

  void impact() {
    sheet_.heading(2, "Impact");
    sheet_.facts(
        {{"Duration", length(report_.duration())},
         {"Scope", report_.scope},
         {"Hosts", base::join(report_.hosts, ", ")},
         {"Services", base::join(report_.services, ", ")},
         {"Users", report_.section("users").text},
         {"Opened again",
          report_.reopened == 0 ? std::string() : fmt::format("{} times", report_.reopened)}});
  }

  void metrics() {
    sheet_.heading(2, "Metrics");
    const ReportCounts& counts = report_.counts;
    sheet_.facts(
        {{"Time to detect (first alert to incident)", length(report_.to_detect())},
         {"Time to the first message", length(report_.to_page())},
         {"Time to acknowledge", length(report_.to_acknowledge())},
         {"Time to mitigate", length(report_.to_mitigate())},
         {"Time to resolve", length(report_.to_resolve())},
         {"Messages",
          fmt::format("{} sent, {} failed, {} superseded, {} pending, {} held", counts.sent,
                      counts.failed, counts.superseded, counts.pending, counts.held)},
         {"Of them asking to act",
          fmt::format("{}, outside of working hours {}", counts.pages, counts.pages_out_of_hours)},
         {"Escalation", report_.policy.empty() ? std::string("no policy")
                                               : fmt::format("policy '{}', {} steps run",
                                                             report_.policy, counts.steps)}});
  }

  void timeline() {
    sheet_.heading(2, "Timeline");
    Row header{"Time (UTC)"};
    if (local()) header.push_back("Time (" + report_.zone.name() + ")");
    for (const char* name : {"Event", "Who", "What"}) header.emplace_back(name);
    std::vector<Row> rows;
    for (const ReportLine& line : report_.timeline) {
      Row row{utc(line.at).substr(0, 19)};
      if (local()) row.push_back(timezone::format_local(report_.zone, line.at).substr(0, 16));
      row.push_back(line.kind);
      row.push_back(line.via.empty() ? line.who : fmt::format("{} ({})", line.who, line.via));
      row.push_back(line.text);
      rows.push_back(std::move(row));
    }
    sheet_.table(header, rows);
  }

  void alerts() {
    sheet_.heading(2, "Contributing alerts");
    if (report_.alerts.empty()) return sheet_.paragraph("None: it was opened by hand.");
    std::vector<Row> rows;
    for (const ReportAlert& alert : report_.alerts) {
      std::string rule = alert.rule;
      if (!alert.commit.empty()) rule += (rule.empty() ? "" : ", ") + alert.commit;
      rows.push_back({alert.name, alert.labels, std::string(model::to_string(alert.severity)),
                      utc(alert.since), alert.ended ? utc(*alert.ended) : "", rule});
    }
    sheet_.table({"Alert", "Labels", "Severity", "Since", "Until", "Rule"}, rows);
  }

  void people() {
    if (!report_.news.empty()) {
      sheet_.heading(2, "News for stakeholders");
      std::vector<Row> rows;
      for (const incident::News& news : report_.news) {
        rows.push_back({utc(news.at), std::string(to_string(news.state)),
                        base::join(news.audiences, ", "), news.by.empty() ? "automatic" : news.by,
                        news.text});
      }
      sheet_.table({"Time", "State", "Audience", "Who", "Words"}, rows);
    }
    for (const ReportSection& section : report_.sections) {
      if (section.name == "summary" || section.name == "users") continue;
      sheet_.heading(2, section.title);
      if (section.text.empty()) {
        sheet_.paragraph(kUnwritten);
      } else {
        sheet_.words(section.text);
      }
    }
  }

  void actions() {
    sheet_.heading(2, "Action items");
    if (report_.actions.empty()) return sheet_.paragraph("None yet.");
    std::vector<Row> rows;
    for (const auto& [id, item] : report_.actions) {
      std::string state = "open";
      if (item.overdue(report_.made_at)) state = "OVERDUE";
      if (item.done_at) state = "done " + utc(*item.done_at).substr(0, 10);
      rows.push_back({id, std::string(to_string(item.type)), item.text,
                      item.owner.empty() ? "nobody" : item.owner,
                      item.due ? utc(*item.due).substr(0, 10) : "", item.ticket, state});
    }
    sheet_.table({"Id", "Type", "What", "Owner", "Due", "Ticket", "State"}, rows);
  }

  void noise() {
    if (report_.noise.empty()) return;
    sheet_.heading(2, "Were the alerts worth it?");
    std::vector<Row> rows;
    for (const NoiseVerdict& verdict : report_.noise) {
      rows.push_back({verdict.rule, std::to_string(verdict.alerts),
                      verdict.verdict + (verdict.by_person ? "" : " (guess)")});
    }
    sheet_.table({"Rule", "Alerts", "Verdict"}, rows);
  }

  void deliveries() {
    if (report_.deliveries.empty()) return;
    sheet_.heading(2, "Messages");
    std::vector<Row> rows;
    for (const ReportDelivery& each : report_.deliveries) {
      rows.push_back({utc(each.at), each.channel, each.kind, each.state,
                      std::to_string(each.attempts), each.answer});
    }
    sheet_.table({"Time", "Channel", "Kind", "State", "Tries", "Answer"}, rows);
  }

  const Report& report_;
  Sheet& sheet_;
};

}  // namespace

std::string markdown_report(const Report& report) {
  const auto sheet = markdown_sheet();
  ReportWriter(report, *sheet).write();
  return sheet->finish();
}

std::string html_report(const Report& report) {
  const auto sheet = html_sheet("Post-incident report " + report.id);
  ReportWriter(report, *sheet).write();
  return sheet->finish();
}

}  // namespace tocsin::report
