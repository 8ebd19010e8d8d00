#include "cli/lint/finding.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace tocsin::lint {
namespace {

constexpr std::array kChecks = std::to_array<CheckInfo>({
    {"alert-always", Level::Error, "An alert fires for every series, whatever its value."},
    {"alert-duplicate", Level::Warning, "Two alerts have the same name and labels."},
    {"alert-without-condition", Level::Warning,
     "An alert has no condition: it fires as long as the series exists."},
    {"allow-unknown", Level::Warning, "A comment or option allows a check that does not exist."},
    {"aggregation-mixes", Level::Info,
     "An alert mixes all instances into one value: nobody can see which it is."},
    {"agent-config", Level::Error, "agent.toml is wrong."},
    {"comparison-always", Level::Warning, "A comparison is always true."},
    {"comparison-never", Level::Error, "A comparison is never true."},
    {"config", Level::Error, "alertd.toml is wrong."},
    {"counter-under-gauge-function", Level::Warning,
     "delta(), deriv() or predict_linear() of a counter: every restart looks like a fall."},
    {"division-by-itself", Level::Error,
     "An expression is divided by, or subtracted from, itself."},
    {"expr-duplicate", Level::Info, "Two alerts have the same condition."},
    {"for-interval", Level::Info, "`for` is not a multiple of the group's interval."},
    {"gauge-under-counter-function", Level::Error,
     "rate(), increase() or irate() of a gauge: every fall looks like a restart."},
    {"group-labels", Level::Warning, "A group_left() label is not on the other side."},
    {"histogram-le", Level::Error, "histogram_quantile() of buckets without the label `le`."},
    {"join-many", Level::Warning, "A join finds several series on a side that must have one."},
    {"join-never", Level::Error, "The labels of a join never match."},
    {"label-unknown", Level::Error, "The metric does not have this label."},
    {"matcher-contradiction", Level::Error, "No series can satisfy these matchers."},
    {"metric-unknown", Level::Error, "Nobody produces this metric."},
    {"range-short", Level::Warning, "A range holds less than two samples."},
    {"rate-of-aggregate", Level::Warning,
     "rate() over a sum: the restart of one instance looks like a fall of all."},
    {"receiver-missing", Level::Error, "A route names a receiver that does not exist."},
    {"receiver-unused", Level::Warning, "A receiver gets nothing: no route leads to it."},
    {"regex-plain", Level::Info, "A pattern says less than it seems."},
    {"route-severity", Level::Error, "A route waits for a severity that no alert can have."},
    {"route-unreachable", Level::Error, "A route never gets an alert."},
    {"rule-duplicate", Level::Warning, "Two rules of a group are the same."},
    {"rule-field", Level::Error, "A key that rule files do not have."},
    {"rule-syntax", Level::Error, "A rule file that the daemon refuses."},
    {"rules-empty", Level::Error, "A folder without rules: nothing can ever fire."},
    {"runbook-missing", Level::Warning, "An alert without a runbook, or whose runbook is missing."},
    {"schedule-gap", Level::Warning, "Nobody is on call for a time within the next four weeks."},
    {"severity-missing", Level::Warning, "An alert without severity."},
    {"severity-unknown", Level::Warning, "A severity that maps to none of the four."},
    {"severity-unrouted", Level::Warning, "A severity that no route takes."},
    {"summary-missing", Level::Warning, "An alert without a text that says what is wrong."},
    {"template-error", Level::Error, "A template that cannot be parsed."},
    {"template-function", Level::Error, "A template calls a function that does not exist."},
    {"template-label", Level::Warning,
     "A template shows a label that the result of the expression never has."},
    {"value-unseen", Level::Warning, "No series has this label value."},
});

const auto& sorted_checks() {
  static const auto sorted = [] {
    auto copy = kChecks;
    std::ranges::sort(copy, {}, &CheckInfo::id);
    return copy;
  }();
  return sorted;
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::Info:
      return "info";
    case Level::Warning:
      return "warning";
    case Level::Error:
      return "error";
  }
  return "error";
}

std::span<const CheckInfo> checks() {
  return sorted_checks();
}

const CheckInfo* find_check(std::string_view id) {
  const auto& all = sorted_checks();
  const auto at = std::ranges::lower_bound(all, id, {}, &CheckInfo::id);
  return at != all.end() && at->id == id ? &*at : nullptr;
}

void sort_findings(Findings& findings, std::span<const std::string> files) {
  const auto key = [&](const Finding& f) {
    const auto rank = std::find(files.begin(), files.end(), f.file) - files.begin();
    return std::tuple(rank, std::string_view(f.file), f.line, f.column, std::string_view(f.id),
                      std::string_view(f.message));
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  const auto same = [&](const Finding& a, const Finding& b) { return key(a) == key(b); };
  findings.erase(std::unique(findings.begin(), findings.end(), same), findings.end());
}

}  // namespace tocsin::lint
