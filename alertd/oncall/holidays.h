// Days (and times) on which the usual people are not on call, from a calendar file.
//
// A calendar has two kinds of entries: those of a place or of UTC are instants; whole days and
// times without a zone are local, and are meant in the zone of the schedule that asks. Both are
// expanded once, when the file is read, so that asking is a binary search.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/timezone/zone.h"

namespace tocsin::oncall {

/// Holidays, expanded. Immutable after normalize(). Thread: any.
class Holidays {
 public:
  void add_local(timezone::LocalTime begin, timezone::LocalTime end, std::string name);
  void add(base::WallTime begin, base::WallTime end, std::string name);
  /// Sorts and joins what overlaps; once, after the last add.
  void normalize();

  /// Returns the name of the holiday at `at`, or nullopt.
  std::optional<std::string> at(const timezone::Zone& zone, base::WallTime at) const;
  /// Returns the first instant after `at` at which a holiday begins or ends.
  std::optional<base::WallTime> next_edge(const timezone::Zone& zone, base::WallTime at) const;
  std::size_t size() const { return local_.size() + instants_.size(); }

 private:
  template <class Time>
  struct Span {
    Time begin;
    Time end;  ///< Exclusive.
    std::string name;
  };
  std::vector<Span<timezone::LocalTime>> local_;
  std::vector<Span<base::WallTime>> instants_;
};

struct CalendarLimits {
  std::size_t bytes_max = 1 << 20;
  std::size_t events_max = 10'000;
  std::size_t occurrences_max = 200'000;  ///< Of all events together, up to the year 2100.
};

/// Reads an iCalendar file: VEVENTs with DTSTART, DTEND or DURATION, RRULE (daily to yearly),
/// EXDATE, RECURRENCE-ID and TZID; cancelled events are left out, everything else is ignored.
///
/// Errors: LimitExceeded (names the limit), InvalidArgument ("line 12: ...").
/// Source: RFC 5545, over libical.
base::Result<Holidays> parse_calendar(std::string_view text, const CalendarLimits& limits);

}  // namespace tocsin::oncall
