// How well alerting works: times to acknowledge and to resolve, and which rules are noise.
//
// Counted from reports, so that a number here and a number in a report cannot differ. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/oncall/directory.h"
#include "alertd/report/report.h"

namespace tocsin::report {

/// Mean of durations; nullopt while there is none.
class Mean {
 public:
  void add(const std::optional<base::Duration>& duration) {
    if (!duration) return;
    sum_ += *duration;
    ++count_;
  }
  std::optional<base::Duration> value() const {
    if (count_ == 0) return std::nullopt;
    return sum_ / count_;
  }

 private:
  base::Duration sum_{0};
  std::int64_t count_ = 0;
};

/// Of a severity, a rule, or all.
struct Tally {
  std::size_t incidents = 0;
  std::size_t resolved = 0;
  std::size_t pages = 0;               ///< Messages delivered that ask somebody to act.
  std::size_t never_acknowledged = 0;  ///< Over, and nobody ever said that he works on it.
  std::size_t brief = 0;               ///< Over by itself within `brief` of the settings.
  std::size_t flapping = 0;            ///< Opened again at least once.
  Mean to_acknowledge;
  Mean to_resolve;
};

struct PersonTally {
  std::size_t pages = 0;
  std::size_t out_of_hours = 0;
};

struct StatisticsSettings {
  std::vector<timezone::Hours> hours;  ///< Of work, each in the zone of the person.
  timezone::Zone zone;                 ///< Of receivers that are no person's.
  base::Duration brief = std::chrono::minutes(5);
};

struct Statistics {
  Tally all;
  std::map<model::Severity, Tally> by_severity;  ///< Of the worst severity.
  std::map<std::string, Tally> by_rule;          ///< An incident counts for each of its rules.
  std::map<std::string, PersonTally> by_person;  ///< Or receiver, if it is nobody's own.
  std::map<std::string, std::string> judged;     ///< Rule -> what a person said of it last.
};

/// Counts the reports, in any order; `persons` turns receivers into names.
Statistics count_statistics(const std::vector<Report>& reports, const oncall::Directory& persons,
                            const StatisticsSettings& settings);

/// Returns "noisy: 7 of 9 over by themselves ...", "flaps", "useful" or "too few to say".
std::string verdict_of(const Tally& rule);

/// One JSON object; the field names are in README.md. `truncated`: there were more incidents.
std::string json_statistics(const Statistics& statistics, base::WallTime from, base::WallTime to,
                            bool truncated);

}  // namespace tocsin::report
