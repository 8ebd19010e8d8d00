// Controls, checks, days. Each hour of a day is a look; a day passes if every look that had data
// passed, and is without evidence if none had any.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "alertd/bulletin/controls.h"
#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

constexpr base::Duration kLook = std::chrono::hours(1);

struct Day {
  std::size_t looks = 0;
  std::size_t passed = 0;

  bool failed() const { return passed < looks; }
};

std::string date_of(timezone::LocalTime day) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(day)};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

/// Every local day of the period, by its date, without looks.
std::map<std::string, Day> empty_days(const Builder& builder) {
  std::map<std::string, Day> days;
  for (base::WallTime at = builder.from(); at < builder.to(); at += kLook) {
    days[date_of(builder.zone().to_local(at))];
  }
  return days;
}

/// Looks at every hour; each look stands for the hour that ends with it.
std::vector<Curve> look(const Builder& builder, Section& section, std::string_view expr) {
  return builder.over(section, expr, {builder.from() + kLook, builder.to(), kLook});
}

std::map<std::string, Day> days_of(const Builder& builder, const std::vector<Curve>& curves) {
  std::map<std::int64_t, bool> looks;  // time -> whether all held
  for (const Curve& curve : curves) {
    for (const model::Sample& sample : curve.samples) {
      const auto [at, added] = looks.try_emplace(sample.timestamp_ms, sample.value == 1);
      if (!added) at->second = at->second && sample.value == 1;
    }
  }
  std::map<std::string, Day> days = empty_days(builder);
  for (const auto& [at_ms, held] : looks) {
    const base::WallTime inside = base::wall_time(at_ms) - std::chrono::milliseconds(1);
    Day& day = days[date_of(builder.zone().to_local(inside))];
    ++day.looks;
    if (held) ++day.passed;
  }
  return days;
}

/// A check with its looks.
struct Check {
  std::string control;
  std::string aim;
  std::string name;
  std::vector<Curve> curves;
};

std::vector<Check> all_checks(const Builder& builder, Section& section) {
  std::vector<Check> checks;
  for (const ControlCheck& check : control_checks()) {
    checks.push_back({std::string(check.control), std::string(check.aim), std::string(check.name),
                      look(builder, section, check.expr)});
  }
  std::map<std::pair<std::string, std::string>, Check> own;  // by control and check
  for (Curve& curve : look(builder, section, kOwnControls)) {
    const std::string control(curve.labels.get("control"));
    const std::string name(curve.labels.get("check"));
    Check& check = own[{control, name}];
    check.control = control.empty() ? "own" : control;
    check.name = name.empty() ? "-" : name;
    if (check.aim.empty()) check.aim = curve.labels.get("aim");
    check.curves.push_back(std::move(curve));
  }
  for (auto& [key, check] : own) checks.push_back(std::move(check));
  return checks;
}

struct Sum {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t nothing = 0;

  void add(const Day& day) { ++(day.looks == 0 ? nothing : day.failed() ? failed : passed); }
  Verdict verdict() const {
    if (failed > 0) return Verdict::Bad;
    if (passed == 0) return Verdict::NoEvidence;
    return nothing > 0 ? Verdict::Attention : Verdict::Good;
  }
};

Cell result_cell(const Sum& sum) {
  switch (sum.verdict()) {
    case Verdict::Bad:
      return words("FAILED", Verdict::Bad);
    case Verdict::NoEvidence:
      return words("NO EVIDENCE", Verdict::NoEvidence);
    case Verdict::Attention:
      return words("passed, with gaps", Verdict::Attention);
    default:
      return words("passed", Verdict::Good);
  }
}

Cell day_cell(const Day& day) {
  if (day.looks == 0) return words("NO EVIDENCE", Verdict::NoEvidence);
  return day.failed() ? words("FAILED", Verdict::Bad) : words("passed", Verdict::Good);
}

}  // namespace

Section controls_section(const Builder& builder) {
  Section section{"controls", "Controls"};
  Grid summary{
      "Checks",
      {"Control", "Check", "Result", "Days passed", "Days failed", "Days without evidence"},
      2};
  Grid days{"Each day", {"Date", "Control", "Check", "Result", "Hours with evidence"}, 3, {}, true};
  std::map<Verdict, std::size_t> results;
  const std::vector<Check> checks = all_checks(builder, section);
  for (const Check& check : checks) {
    Sum sum;
    for (const auto& [date, day] : days_of(builder, check.curves)) {
      sum.add(day);
      days.rows.push_back({words(date), words(check.control), words(check.name), day_cell(day),
                           number(static_cast<double>(day.looks), Unit::Count)});
    }
    ++results[sum.verdict()];
    const auto count = [](std::size_t days_of) {
      return number(static_cast<double>(days_of), Unit::Count);
    };
    const std::string control =
        check.aim.empty() ? check.control : fmt::format("{} {}", check.control, check.aim);
    summary.rows.push_back({words(control), words(check.name), result_cell(sum), count(sum.passed),
                            count(sum.failed), count(sum.nothing)});
  }
  std::stable_sort(days.rows.begin(), days.rows.end(),
                   [](const auto& a, const auto& b) { return a[0].text < b[0].text; });
  section.grids.push_back(std::move(summary));
  section.grids.push_back(std::move(days));
  section.notes.emplace_back(
      "evidence, not a certificate: whether a control is enough is for people to judge");
  judge(section,
        fmt::format("{} checks: {} passed, {} passed with gaps, {} failed, {} without evidence",
                    checks.size(), results[Verdict::Good], results[Verdict::Attention],
                    results[Verdict::Bad], results[Verdict::NoEvidence]),
        "");
  return section;
}

}  // namespace tocsin::bulletin
