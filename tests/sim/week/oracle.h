// What ought to be, worked out from the plan alone; nothing here calls the engine.
#pragma once

#include <vector>

#include "tests/sim/week/journal.h"

namespace tocsin::week {

bool matches(const Matchers& matchers, const LabelMap& labels, model::Severity severity);

/// Returns the routes that an alert ends at.
std::vector<const RouteSpec*> leaves(const Config& config, const LabelMap& labels,
                                     model::Severity severity);

/// Returns who is on call; `overrides` are those of persons, oldest first.
std::string on_call(const ScheduleSpec& schedule, const std::vector<OverrideSpec>& overrides,
                    base::WallTime at);

/// Returns the windows of a weekly maintenance that touch [from, to).
std::vector<Span> windows(const MaintenanceSpec& maintenance, Span within);
/// Returns the quiet times that touch [from, to).
std::vector<Span> windows(const IntervalSpec& interval, Span within);
/// Returns the next digest at or after `at`.
base::WallTime next_digest(const PolicySpec& policy, base::WallTime at);

/// Why an alert of the plan may be hidden. `margin` > 0 makes the spans longer, < 0 shorter: what
/// the daemon knows comes a little later than the truth.
///
/// `route`: the leaf, for its quiet times; null: not those.
std::vector<Span> hidden_spans(const Plan& plan, const Journal& journal, const Life& life,
                               const RouteSpec* route, base::Duration margin);

/// Returns `spans` in order, overlapping ones as one.
std::vector<Span> merged(std::vector<Span> spans);
/// Returns what of `whole` is in none of `spans`.
std::vector<Span> without(Span whole, const std::vector<Span>& spans);
bool inside(const std::vector<Span>& spans, base::WallTime at);

}  // namespace tocsin::week
