#include "cli/backtest_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "cli/when.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;
using backtest::ChangeKind;
using backtest::Firing;

std::string seconds_text(base::Duration duration) {
  return base::format_duration(
      std::chrono::floor<std::chrono::seconds>(std::max(duration, base::Duration{0})));
}

std::string severities_text(const Firing& firing) {
  std::string text;
  for (const backtest::SeverityStep& step : firing.severities) {
    text += (text.empty() ? "" : ">") + std::string(model::to_string(step.severity));
  }
  return text;
}

std::string labels_text(const model::Labels& labels) {
  return model::LabelsBuilder(labels).remove(model::kAlertName).build().to_string();
}

std::string changes_text(const BacktestReport& report, const std::string& rule) {
  const auto found = report.diff.rules.find(rule);
  if (found == report.diff.rules.end()) return "";
  std::string text;
  for (const auto& [kind, count] : found->second.changes) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, to_string(kind));
  }
  return text;
}

/// What one rule did, from all rules of its name.
struct RuleLine {
  std::size_t firings = 0;
  base::Duration time{0};
  base::Duration longest{0};
  model::Severity worst = model::Severity::Low;
};

std::map<std::string, RuleLine> rule_lines(const BacktestReport& report) {
  std::map<std::string, RuleLine> lines;
  for (const auto& rule : report.result->rules) {
    for (const Firing& firing : rule.firings) {
      RuleLine& line = lines[rule.name];
      ++line.firings;
      line.time += firing.duration(report.to);
      line.longest = std::max(line.longest, firing.duration(report.to));
      line.worst = std::max(line.worst, firing.worst());
    }
  }
  for (const auto& [rule, diff] : report.diff.rules) {
    if (!diff.changes.empty()) lines.try_emplace(rule);
  }
  return lines;
}

void print_summary(const BacktestReport& report, const Terminal& terminal, std::ostream& out) {
  const auto lines = rule_lines(report);
  Table table(
      report.before != nullptr
          ? std::vector<std::string>{"RULE", "WORST", "FIRINGS", "TIME", "LONGEST", "PAGES",
                                     "BEFORE", "CHANGE"}
          : std::vector<std::string>{"RULE", "WORST", "FIRINGS", "TIME", "LONGEST", "PAGES"});
  for (const auto& [rule, line] : lines) {
    const std::string worst(line.firings > 0 ? model::to_string(line.worst) : "");
    const auto pages = report.pages.by_rule.find(rule);
    std::vector<Cell> row{
        {rule},
        {worst, color_of(worst)},
        {std::to_string(line.firings)},
        {seconds_text(line.time)},
        {seconds_text(line.longest)},
        {std::to_string(pages == report.pages.by_rule.end() ? 0 : pages->second)}};
    if (report.before != nullptr) {
      const auto diff = report.diff.rules.find(rule);
      const std::size_t before = diff == report.diff.rules.end() ? 0 : diff->second.firings_before;
      row.push_back({std::to_string(before)});
      row.push_back({changes_text(report, rule)});
    }
    table.add(std::move(row));
  }
  if (!table.empty()) out << '\n' << table.text(terminal);
  const auto quiet =
      std::count_if(report.result->rules.begin(), report.result->rules.end(),
                    [&](const auto& rule) { return rule.alerting && !lines.contains(rule.name); });
  out << fmt::format("\n{} firings; {} alerting rules did not fire.\n", report.result->firings(),
                     quiet);
}

std::string counts_text(const std::map<std::string, std::size_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  }
  return text;
}

void print_pages(const BacktestReport& report, std::ostream& out) {
  const backtest::Pages& pages = report.pages;
  if (!report.routed) {
    out << fmt::format(
        "{} pages (one for each firing and one for each end; --config counts them "
        "by your routing)",
        pages.total);
  } else {
    out << fmt::format("{} pages of {} incidents: {}", pages.total, pages.incidents,
                       counts_text(pages.by_kind));
    if (!pages.by_channel.empty()) out << "; by channel: " << counts_text(pages.by_channel);
  }
  if (report.before != nullptr) {
    out << fmt::format("; {} with the rules in force", report.pages_before.total);
  }
  out << ".\n";
}

struct Line {
  const Firing* firing = nullptr;
  std::string change;
};

std::vector<Line> firing_lines(const BacktestReport& report) {
  std::map<const Firing*, std::string> changes;
  std::vector<Line> lines;
  for (const backtest::Change& change : report.diff.changes) {
    std::string text(to_string(change.kind));
    if (change.now != nullptr && change.before != nullptr) {
      text += " (was " + seconds_text(change.before->duration(report.to)) + ", " +
              severities_text(*change.before) + ")";
    }
    if (change.now != nullptr) {
      changes[change.now] = text;
    } else {
      lines.push_back({change.before, text});
    }
  }
  for (const auto& rule : report.result->rules) {
    for (const Firing& firing : rule.firings) {
      const auto found = changes.find(&firing);
      lines.push_back({&firing, found == changes.end() ? "" : found->second});
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.firing->begin < b.firing->begin; });
  return lines;
}

void print_firings(const BacktestReport& report, std::size_t limit, const Terminal& terminal,
                   std::ostream& out) {
  const std::vector<Line> lines = firing_lines(report);
  if (lines.empty()) return;
  std::vector<std::string> headings{"BEGAN", "FOR", "SEVERITY", "RULE", "LABELS"};
  if (report.before != nullptr) headings.emplace_back("CHANGE");
  Table table(headings);
  std::size_t shown = 0;
  for (const Line& line : lines) {
    if (limit > 0 && shown == limit) break;
    ++shown;
    const Firing& firing = *line.firing;
    const std::string duration = seconds_text(firing.duration(report.to));
    const std::string severity = severities_text(firing);
    std::vector<Cell> row{{format_local(firing.begin)},
                          {firing.end ? duration : duration + "+"},
                          {severity, color_of(model::to_string(firing.worst()))},
                          {std::string(firing.rule())},
                          {labels_text(firing.labels)}};
    if (report.before != nullptr) row.push_back({line.change});
    table.add(std::move(row));
  }
  out << '\n' << table.text(terminal);
  if (shown < lines.size()) {
    out << fmt::format("... and {} more; --limit 0 lists all\n", lines.size() - shown);
  }
}

json::object labels_json(const model::Labels& labels) {
  json::object object;
  for (const auto& label : labels) object[label.name] = label.value;
  return object;
}

json::object firing_json(const Firing& firing) {
  json::object object{{"rule", std::string(firing.rule())},
                      {"source", firing.rule_source},
                      {"labels", labels_json(firing.labels)},
                      {"begin", base::format_rfc3339(firing.begin)},
                      {"summary", firing.summary}};
  object["end"] = firing.end ? json::value(base::format_rfc3339(*firing.end)) : json::value();
  if (firing.value) object["value"] = base::format_double(*firing.value);
  json::array severities;
  for (const backtest::SeverityStep& step : firing.severities) {
    severities.push_back({{"at", base::format_rfc3339(step.at)},
                          {"severity", std::string(model::to_string(step.severity))}});
  }
  object["severities"] = std::move(severities);
  return object;
}

json::object counts_json(const std::map<std::string, std::size_t>& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

json::object pages_json(const backtest::Pages& pages) {
  json::object severities;
  for (const auto& [severity, count] : pages.by_severity) {
    severities[std::string(model::to_string(severity))] = count;
  }
  return {{"total", pages.total},
          {"incidents", pages.incidents},
          {"byRule", counts_json(pages.by_rule)},
          {"byChannel", counts_json(pages.by_channel)},
          {"byKind", counts_json(pages.by_kind)},
          {"bySeverity", std::move(severities)}};
}

json::array rules_json(const backtest::SetResult& result) {
  json::array rules;
  for (const backtest::RuleResult& rule : result.rules) {
    json::object object{{"name", rule.name},
                        {"group", rule.group},
                        {"source", rule.source},
                        {"type", rule.alerting ? "alerting" : "recording"},
                        {"evaluations", rule.evaluations},
                        {"failures", rule.failures},
                        {"firings", rule.firings.size()}};
    if (!rule.first_error.empty()) object["error"] = rule.first_error;
    if (!rule.gave_up.empty()) object["gaveUp"] = rule.gave_up;
    rules.push_back(std::move(object));
  }
  return rules;
}

}  // namespace

void print_report(const BacktestReport& report, std::size_t limit, const Terminal& terminal,
                  std::ostream& out) {
  out << fmt::format("{} to {} ({}), over {}\n", format_local(report.from), format_local(report.to),
                     local_zone(report.from), printable(report.history));
  if (report.before != nullptr) out << "compared with " << printable(report.baseline) << '\n';
  for (const std::string& note : report.notes) out << "note: " << printable(note) << '\n';
  print_summary(report, terminal, out);
  print_pages(report, out);
  print_firings(report, limit, terminal, out);
  out << fmt::format("\n{} evaluations of {} rules in {:.1f} s.\n", report.result->evaluations(),
                     report.result->rules.size(), report.seconds);
}

std::string report_json(const BacktestReport& report) {
  json::array firings;
  for (const auto& rule : report.result->rules) {
    for (const Firing& firing : rule.firings) firings.push_back(firing_json(firing));
  }
  json::object object{{"from", base::format_rfc3339(report.from)},
                      {"to", base::format_rfc3339(report.to)},
                      {"history", report.history},
                      {"seconds", report.seconds},
                      {"rules", rules_json(*report.result)},
                      {"firings", std::move(firings)},
                      {"pages", pages_json(report.pages)}};
  json::array notes;
  for (const std::string& note : report.notes) notes.emplace_back(note);
  object["notes"] = std::move(notes);
  if (report.before != nullptr) {
    json::array changes;
    for (const backtest::Change& change : report.diff.changes) {
      json::object one{{"change", std::string(to_string(change.kind))}};
      if (change.now != nullptr) one["now"] = firing_json(*change.now);
      if (change.before != nullptr) one["before"] = firing_json(*change.before);
      changes.push_back(std::move(one));
    }
    object["baseline"] = report.baseline;
    object["changes"] = std::move(changes);
    object["pagesBefore"] = pages_json(report.pages_before);
  }
  return json::serialize(object);
}

}  // namespace tocsin::cli
