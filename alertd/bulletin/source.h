// Where the numbers of a report come from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/sample.h"
#include "common/model/severity.h"

namespace tocsin::bulletin {

/// One series at one instant.
struct Reading {
  model::Labels labels;
  double value = 0;
};

/// One series over a time; samples in order of time.
struct Curve {
  model::Labels labels;
  std::vector<model::Sample> samples;
};

/// A time with both ends, and the distance of the points to look at.
struct Span {
  base::WallTime from;
  base::WallTime to;
  base::Duration step{60'000};
};

/// Answers PromQL. Implementations: alertd/app (the daemon's own store), tests.
class Source {
 public:
  virtual ~Source() = default;
  /// Errors: InvalidArgument, LimitExceeded, Cancelled, Timeout. Order of the series: any.
  virtual base::Result<std::vector<Reading>> instant(std::string_view expr,
                                                     base::WallTime at) const = 0;
  virtual base::Result<std::vector<Curve>> range(std::string_view expr, const Span& span) const = 0;
};

/// What a report needs to know of an incident.
struct IncidentFact {
  std::string id;
  std::string title;
  model::Severity severity = model::Severity::Medium;  ///< The worst it was.
  bool acknowledged = false;
  base::WallTime opened_at;
  std::optional<base::Duration> to_acknowledge;
  std::optional<base::WallTime> resolved_at;
  bool by_person = false;  ///< A person resolved it.
  std::vector<std::string> rules;
  std::uint32_t reopened = 0;
};

}  // namespace tocsin::bulletin
