#include "cli/ruletest/coverage.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

void merge(RuleTrace& into, const RuleTrace& from) {
  into.pending = into.pending || from.pending;
  into.resolved = into.resolved || from.resolved;
  into.recorded = into.recorded || from.recorded;
  into.fired.insert(from.fired.begin(), from.fired.end());
}

void count(RuleCoverage& rule) {
  if (!rule.alerting) {
    rule.items = 1;
    rule.covered = rule.seen.recorded ? 1 : 0;
  } else if (!rule.levelled) {
    rule.items = 1;
    rule.covered = rule.asserted.fired.empty() ? 0 : 1;
  } else {
    rule.items = rule.severities.size();
    for (const model::Severity severity : rule.severities) {
      rule.covered += rule.asserted.fired.contains(severity);
    }
  }
}

std::string names(const std::vector<model::Severity>& severities) {
  std::vector<std::string> all;
  for (const model::Severity severity : severities) all.emplace_back(model::to_string(severity));
  return base::join(all, ", ");
}

}  // namespace

std::string RuleCoverage::describe() const {
  if (!alerting) return seen.recorded ? "recorded" : "never gave a sample";
  if (seen.fired.empty()) return seen.pending ? "pending only" : "never";
  if (asserted.fired.empty()) return "fired, but nothing is asserted about it";
  std::string text = "fired";
  if (levelled) {
    std::vector<model::Severity> yes;
    std::vector<model::Severity> no;
    for (const model::Severity severity : severities) {
      (asserted.fired.contains(severity) ? yes : no).push_back(severity);
    }
    text += " " + names(yes);
    if (!no.empty()) text += ", not " + names(no);
  }
  return text + (asserted.resolved ? ", resolved" : "");
}

double CoverageReport::percent() const {
  return items == 0 ? 100 : 100 * static_cast<double>(covered) / static_cast<double>(items);
}

CoverageReport measure_coverage(const std::map<std::string, const ruler::Rule*>& rules,
                                const std::vector<FileResult>& results) {
  std::map<std::string, RuleCoverage> all;
  for (const auto& [key, rule] : rules) {
    RuleCoverage& one = all[key];
    one.file = key.substr(0, key.rfind(':'));
    one.line = rule->place.line;
    one.name = rule->name;
    one.alerting = rule->kind == ruler::RuleKind::Alerting;
    one.levelled = rule->levelled;
    for (const ruler::Level& level : rule->levels) {
      if (rule->levelled) one.severities.insert(one.severities.begin(), level.severity);
    }
  }
  for (const FileResult& file : results) {
    for (const CaseResult& test : file.cases) {
      for (const auto& [key, trace] : test.traces) {
        const auto found = all.find(key);
        if (found == all.end()) continue;
        merge(found->second.seen, trace);
        if (test.asserted.contains(found->second.name)) merge(found->second.asserted, trace);
      }
    }
  }
  CoverageReport report;
  for (auto& [key, rule] : all) {
    count(rule);
    report.items += rule.items;
    report.covered += rule.covered;
    report.rules.push_back(std::move(rule));
  }
  std::sort(report.rules.begin(), report.rules.end(), [](const auto& a, const auto& b) {
    return std::tie(a.file, a.line) < std::tie(b.file, b.line);
  });
  return report;
}

}  // namespace tocsin::ruletest
