// What sections are built with: queries that cannot spoil a report, and words. Internal to the
// folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/bulletin/bulletin.h"
#include "alertd/bulletin/trend.h"

namespace tocsin::bulletin {

inline constexpr base::Duration kDay = std::chrono::hours(24);

/// The period, and what may be asked about it. Outlived by its input.
class Builder {
 public:
  explicit Builder(const Input& input) : input_(input) {}

  base::WallTime from() const { return input_.request.from; }
  base::WallTime to() const { return input_.request.to; }
  base::Duration length() const { return to() - from(); }
  const timezone::Zone& zone() const { return input_.request.zone; }
  const Input& input() const { return input_; }

  /// The period in at most 1440 steps of whole minutes; `before` moves it into the past.
  Span span(base::Duration before = base::Duration{0}) const;
  /// Returns PromQL's text of the step, at least 5m: a window of rate() that leaves nothing out.
  std::string window() const;
  /// Returns the expression with window() in place of each "%W".
  std::string with_window(std::string expr) const;
  /// Returns PromQL's text of the whole period.
  std::string period() const { return base::format_duration(length()); }

  /// The answer at the period's end, or over a span, sorted by labels, numbers only. A query that
  /// fails is noted in the section and answers nothing.
  std::vector<Reading> now(Section& section, std::string_view expr) const;
  std::vector<Curve> over(Section& section, std::string_view expr, const Span& span) const;

  /// Returns the local time of a timestamp in seconds, "2026-01-05 09:00 CET"; "never" for 0.
  std::string time_text(double seconds) const;
  /// Returns the seconds from a timestamp to the period's end.
  double age(double seconds) const { return base::to_seconds(to()) - seconds; }

 private:
  const Input& input_;
};

/// Returns the host or endpoint that a series is about: `instance`, or `host`, or "-".
std::string where(const model::Labels& labels);
/// Returns where(), then the values of `names` that are there: "db1 main /var".
std::string where(const model::Labels& labels, std::initializer_list<std::string_view> names);

/// Sets the section's verdict to the worst of its cells, at least Good, and `finding`; without any
/// row to NoEvidence and `nothing`.
void judge(Section& section, std::string finding, std::string_view nothing);

/// Adds a chart of the curves with the highest values, and a note on those left out.
void add_chart(Section& section, std::string title, Unit unit, const std::vector<Curve>& curves,
               std::initializer_list<std::string_view> names);

/// Returns "1 host", "2 hosts".
std::string counted(std::size_t number, std::string_view one, std::string_view many);

}  // namespace tocsin::bulletin
