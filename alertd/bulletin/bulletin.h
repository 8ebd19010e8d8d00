// The report of a period.
//
//   Document document = make_bulletin({{Kind::Daily, from, to, zone}, source, incidents});
//   std::string page = write(document, Format::Html);
//
// A report proves what is green: each section says what was measured, and one without series says
// NO EVIDENCE. Blocking: it asks some dozens of queries, one after the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alertd/bulletin/document.h"
#include "alertd/bulletin/source.h"
#include "common/timezone/zone.h"

namespace tocsin::bulletin {

enum class Kind {
  Daily,       ///< What happened, what is proven, what is due.
  Weekly,      ///< This week beside the one before; noise; what slows down.
  Monthly,     ///< Availability, times to acknowledge and resolve, patches, restore drills.
  Compliance,  ///< Controls, checks, days: passed, failed, no evidence.
  Capacity,    ///< Growth, and when something is full.
};

/// Returns "daily", "weekly", "monthly", "compliance" or "capacity".
std::string_view to_string(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

/// Returns what a report is about if nobody says: daily the 24 hours before `now`, weekly the 7
/// days, capacity the 30 days; monthly and compliance the last whole calendar month of the zone.
std::pair<base::WallTime, base::WallTime> default_period(Kind kind, base::WallTime now,
                                                         const timezone::Zone& zone);

/// A period is at least an hour and at most 400 days. Errors: InvalidArgument.
base::Result<void> check_period(base::WallTime from, base::WallTime to);

struct Request {
  Kind kind = Kind::Daily;
  base::WallTime from;
  base::WallTime to;
  timezone::Zone zone;
};

struct Input {
  Request request;
  const Source& source;
  std::vector<IncidentFact> incidents = {};  ///< Opened before `to`; order: any.
  std::string incidents_missing = {};        ///< Why not all of them are there; empty: they are.
};

Document make_bulletin(const Input& input);

}  // namespace tocsin::bulletin
