#include "cli/ruletest/checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

using ruler::AlertPhase;
using Kind = AlertCheck::Kind;

std::string_view word(Kind kind) {
  switch (kind) {
    case Kind::Firing:
      return "firing";
    case Kind::Pending:
      return "pending";
    case Kind::Resolved:
      return "resolved";
    case Kind::None:
      break;
  }
  return "none";
}

std::string describe_wanted(const AlertCheck& check) {
  std::string text = fmt::format("{} {}", word(check.kind), check.alert.text());
  if (check.count) text += fmt::format(" count={}", *check.count);
  if (check.severity) text += fmt::format(" severity={}", model::to_string(*check.severity));
  if (check.value) text += " value=" + base::format_double(*check.value);
  for (const TextCondition& condition : check.annotations.conditions) {
    text += " " + condition.to_string();
  }
  return text + (check.annotations.exactly ? " and no other annotations" : "");
}

std::string name_with_labels(const model::Labels& labels) {
  return std::string(labels.get(model::kAlertName)) +
         model::LabelsBuilder(labels).remove(model::kAlertName).build().to_string();
}

bool matches(const AlertCheck& check, const SeenAlert& alert) {
  const AlertPhase phase = check.kind == Kind::Firing ? AlertPhase::Firing : AlertPhase::Pending;
  return alert.phase == phase && check.alert.matches(alert.labels) &&
         (!check.severity || alert.severity == *check.severity) &&
         (!check.value || equal_numbers(alert.value, *check.value)) &&
         check.annotations.hold(alert.annotations);
}

/// What there is of the alert's name, with annotations where the assertion is about them.
std::vector<std::string> describe_got(const AlertCheck& check, const History& history) {
  std::vector<std::string> lines;
  for (const SeenAlert* alert : history.active()) {
    if (!check.alert.name().empty() && alert->labels.get(model::kAlertName) != check.alert.name()) {
      continue;
    }
    std::string line = describe(*alert);
    if (!check.annotations.conditions.empty()) {
      for (const auto& annotation : alert->annotations) {
        line += fmt::format(" {}=\"{}\"", annotation.name, base::escape_control(annotation.value));
      }
    }
    lines.push_back(std::move(line));
  }
  for (const model::Labels& labels : history.resolved()) {
    if (check.alert.matches(labels)) lines.push_back("resolved " + name_with_labels(labels));
  }
  return lines;
}

std::string check_one(const AlertCheck& check, const History& history) {
  const auto active = history.active();
  if (check.kind == Kind::None) {
    const bool any = std::any_of(active.begin(), active.end(), [&](const SeenAlert* alert) {
      return check.alert.matches(alert->labels);
    });
    return any ? "there is such an alert" : "";
  }
  std::size_t found = 0;
  if (check.kind == Kind::Resolved) {
    for (const model::Labels& labels : history.resolved()) found += check.alert.matches(labels);
  } else {
    for (const SeenAlert* alert : active) found += matches(check, *alert);
  }
  if (found == 0) return fmt::format("no such alert is {}", word(check.kind));
  if (check.count && *check.count != found) {
    return fmt::format("{} such alerts are {}, not {}", found, word(check.kind), *check.count);
  }
  return "";
}

/// Alerts of a name that somebody speaks of must all be spoken of.
void check_nothing_else(const AlertCheck* begin, const AlertCheck* end, const History& history,
                        std::vector<Finding>& failures) {
  for (const SeenAlert* alert : history.active()) {
    const AlertCheck* about = nullptr;
    bool wanted = false;
    for (const AlertCheck* check = begin; check != end; ++check) {
      if (check->kind != Kind::Firing && check->kind != Kind::Pending) continue;
      if (check->alert.name() != alert->labels.get(model::kAlertName)) continue;
      about = check;
      wanted = wanted || matches(*check, *alert);
    }
    if (about == nullptr || wanted) continue;
    failures.push_back(
        {about->place,
         fmt::format("at {}: one more alert than expected", base::format_duration(about->at)),
         {},
         {describe(*alert)},
         {"an assertion about a name holds for all of its alerts; add this one"}});
  }
}

}  // namespace

bool equal_numbers(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

void check_alerts(const AlertCheck* begin, const AlertCheck* end, const History& history,
                  const Explain& explain, std::vector<Finding>& failures) {
  const std::size_t before = failures.size();
  for (const AlertCheck* check = begin; check != end; ++check) {
    const std::string wrong = check_one(*check, history);
    if (wrong.empty()) continue;
    failures.push_back({check->place,
                        fmt::format("at {}: {}", base::format_duration(check->at), wrong),
                        {describe_wanted(*check)},
                        describe_got(*check, history),
                        explain ? explain(check->alert.name()) : std::vector<std::string>()});
  }
  if (failures.size() == before) check_nothing_else(begin, end, history, failures);
}

void check_names(const TestCase& test, const std::vector<ruler::RuleGroup>& groups,
                 std::vector<Finding>& failures) {
  std::vector<std::string> alerts;
  std::vector<std::string> rules;
  for (const ruler::RuleGroup& group : groups) {
    for (const ruler::Rule& rule : group.rules) {
      rules.push_back(rule.name);
      if (rule.kind == ruler::RuleKind::Alerting) alerts.push_back(rule.name);
    }
  }
  std::set<std::string> told;
  const auto check = [&](base::Position place, const std::string& name,
                         const std::vector<std::string>& known) {
    if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
    if (!told.insert(name).second) return;
    Finding finding{place, fmt::format("no rule is named {}", name), {}, {}, {}};
    if (const auto near = base::closest(name, known)) {
      finding.details.push_back(fmt::format("did you mean {}?", *near));
    }
    failures.push_back(std::move(finding));
  };
  for (const auto& one : test.alerts) check(one.place, one.alert.name(), alerts);
  for (const auto& one : test.timelines) check(one.place, one.alert.name(), alerts);
  for (const auto& [place, alert] : test.never_fires) check(place, alert.name(), alerts);
  for (const auto& one : test.incidents) check(one.place, one.alert.name(), alerts);
  for (const auto& one : test.events) check(one.place, one.alert.name(), alerts);
  for (const auto& one : test.notifications) {
    if (one.alert) check(one.place, one.alert->name(), alerts);
  }
  for (const auto& one : test.errors) check(one.place, one.rule, rules);
}

void check_timeline(const TimelineCheck& check, const History& history,
                    std::vector<Finding>& failures) {
  const auto& wanted = check.entries;
  const bool early = std::any_of(wanted.begin(), wanted.end(), [](const auto& entry) {
    return entry.state == TimelineCheck::State::Pending ||
           entry.state == TimelineCheck::State::Inactive;
  });
  const bool severities =
      std::any_of(wanted.begin(), wanted.end(), [](const auto& one) { return !!one.severity; });
  std::set<model::Labels> subjects;
  std::vector<const SeenChange*> got;
  for (const SeenChange& change : history.changes()) {
    if (!check.alert.matches(change.labels)) continue;
    subjects.insert(change.labels);
    const bool is_early =
        change.state == SeenChange::State::Pending || change.state == SeenChange::State::Inactive;
    if (is_early && !early) continue;
    if (!severities && !got.empty() && change.state == SeenChange::State::Firing &&
        got.back()->state == SeenChange::State::Firing) {
      continue;
    }
    got.push_back(&change);
  }
  Finding finding;
  finding.at = check.place;
  if (subjects.size() > 1) {
    finding.message = fmt::format("the timeline of {} is that of {} alerts; say which",
                                  check.alert.text(), subjects.size());
    for (const model::Labels& labels : subjects) finding.got.push_back(name_with_labels(labels));
    failures.push_back(std::move(finding));
    return;
  }
  bool good = got.size() == wanted.size();
  for (std::size_t i = 0; i < std::max(got.size(), wanted.size()); ++i) {
    const bool both = i < got.size() && i < wanted.size();
    // A state begins with the first evaluation at or after the time given.
    const bool same = both &&
                      static_cast<int>(got[i]->state) == static_cast<int>(wanted[i].state) &&
                      got[i]->at >= wanted[i].at && got[i]->at < wanted[i].at + got[i]->interval &&
                      (!wanted[i].severity || got[i]->severity == *wanted[i].severity);
    good = good && same;
    std::string expected_line;
    if (i < wanted.size()) {
      expected_line = fmt::format("{} {}", base::format_duration(wanted[i].at),
                                  to_string(static_cast<SeenChange::State>(wanted[i].state)));
      if (wanted[i].severity) {
        expected_line += " " + std::string(model::to_string(*wanted[i].severity));
      }
      finding.expected.push_back(expected_line);
    }
    if (same) {
      finding.got.push_back(expected_line);
    } else if (i < got.size()) {
      std::string line =
          fmt::format("{} {}", base::format_duration(got[i]->at), to_string(got[i]->state));
      if (severities && got[i]->state == SeenChange::State::Firing) {
        line += " " + std::string(model::to_string(got[i]->severity));
      }
      finding.got.push_back(std::move(line));
    }
  }
  if (good) return;
  finding.message = fmt::format("the timeline of {} is another one", check.alert.text());
  failures.push_back(std::move(finding));
}

void check_never_fires(base::Position place, const AlertSelector& alert, const History& history,
                       std::vector<Finding>& failures) {
  Finding finding;
  finding.at = place;
  for (const SeenChange& change : history.changes()) {
    if (change.state != SeenChange::State::Firing || !alert.matches(change.labels)) continue;
    finding.got.push_back(fmt::format("{} firing {} severity={}", base::format_duration(change.at),
                                      name_with_labels(change.labels),
                                      model::to_string(change.severity)));
  }
  if (finding.got.empty()) return;
  finding.message = fmt::format("{} fires at {}, never expected", alert.text(),
                                finding.got.front().substr(0, finding.got.front().find(' ')));
  failures.push_back(std::move(finding));
}

void check_query(const QueryCheck& check, const base::Result<promql::QueryResult>& result,
                 std::vector<Finding>& failures) {
  Finding finding;
  finding.at = check.place;
  finding.message = fmt::format("at {}: the result of {} is another one",
                                base::format_duration(check.at), check.text);
  std::vector<std::pair<model::Labels, double>> got;
  if (!result) {
    finding.message = fmt::format("at {}: {} fails", base::format_duration(check.at), check.text);
    finding.got.push_back(result.error().message);
  } else if (const auto* scalar = std::get_if<promql::Scalar>(&result->value)) {
    got.emplace_back(model::Labels(), scalar->sample.value);
  } else if (const auto* vector = std::get_if<promql::Vector>(&result->value)) {
    for (const auto& element : *vector) got.emplace_back(element.labels, element.sample.value);
  } else {
    finding.got.emplace_back("neither a vector nor a scalar");
  }
  auto wanted = check.result;
  const auto by_labels = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::sort(wanted.begin(), wanted.end(), by_labels);
  std::sort(got.begin(), got.end(), by_labels);
  const bool good =
      finding.got.empty() && got.size() == wanted.size() &&
      std::equal(got.begin(), got.end(), wanted.begin(), [&](auto& a, auto& b) {
        return (check.single || a.first == b.first) && equal_numbers(a.second, b.second);
      });
  if (good) return;
  const auto line = [](const auto& element) {
    return element.first.to_string() + " " + base::format_double(element.second);
  };
  for (const auto& element : wanted) finding.expected.push_back(line(element));
  for (const auto& element : got) finding.got.push_back(line(element));
  failures.push_back(std::move(finding));
}

void check_errors(const TestCase& test, const std::vector<std::pair<std::string, Finding>>& errors,
                  std::vector<Finding>& failures) {
  for (const ErrorCheck& check : test.errors) {
    const bool found = std::any_of(errors.begin(), errors.end(), [&](const auto& error) {
      return error.first == check.rule &&
             error.second.got.front().find(check.contains) != std::string::npos;
    });
    if (found) continue;
    Finding finding{check.place, fmt::format("the rule {} does not fail", check.rule), {}, {}, {}};
    if (!check.contains.empty()) finding.expected.push_back(check.contains);
    for (const auto& [rule, error] : errors) {
      if (rule == check.rule) finding.got.push_back(error.got.front());
    }
    failures.push_back(std::move(finding));
  }
  for (const auto& [rule, error] : errors) {
    const bool wanted = std::any_of(test.errors.begin(), test.errors.end(),
                                    [&](const auto& check) { return check.rule == rule; });
    if (!wanted) failures.push_back(error);
  }
}

}  // namespace tocsin::ruletest
