#include "alertd/story/occurrence.h"

#include <algorithm>

namespace tocsin::story {

using base::WallTime;
using incident::DecisionRecord;

namespace {

bool says_over(const DecisionRecord& row) {
  return row.reason == "NeverNotified" || row.reason == "AllResolved";
}

/// Returns when something said that the alert is over, in order.
std::vector<WallTime> ends_of(const Evidence& evidence) {
  std::vector<WallTime> ends;
  for (const DecisionRecord& row : evidence.own) {
    if (says_over(row)) ends.push_back(row.at);
  }
  for (const DecisionRecord& row : evidence.of_groups) {
    if (says_over(row)) ends.push_back(row.at);
  }
  for (const Delivery& delivery : evidence.deliveries) {
    if (delivery.ends_alert) ends.push_back(delivery.record.row.notification.created_at);
  }
  for (const incident::IncidentDetail& detail : evidence.incidents) {
    for (const incident::TimelineEvent& event : detail.timeline) {
      // What a person closes may go on firing.
      const bool by_itself = event.kind == "resolved" && event.actor.empty();
      if (by_itself || event.kind == "alerts_resolved") ends.push_back(event.at);
    }
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

}  // namespace

Occurrence find_occurrence(const Evidence& evidence) {
  Occurrence found;
  const std::vector<WallTime> ends = ends_of(evidence);
  std::optional<WallTime> last_word;
  for (const DecisionRecord& row : evidence.own) {
    if (!says_over(row)) last_word = row.at;
  }
  const bool fires = evidence.alert && evidence.firing && !evidence.past;
  const bool told = std::any_of(
      evidence.deliveries.begin(), evidence.deliveries.end(),
      [](const Delivery& delivery) { return delivery.names_alert || delivery.ends_alert; });
  // An incident that a person made has no alerts.
  const bool manual = evidence.fingerprint.empty() && !evidence.of_groups.empty();
  const bool known = evidence.alert && !evidence.past;
  found.seen = !evidence.own.empty() || known || told || manual;
  if (!found.seen) return found;
  if (last_word) {
    const auto over = std::lower_bound(ends.begin(), ends.end(), *last_word);
    if (over != ends.begin()) found.after = *std::prev(over);
    if (over != ends.end()) found.over = *over;
  } else if (!ends.empty()) {
    // Its beginning is no longer kept.
    found.over = ends.back();
    if (ends.size() > 1) found.after = ends[ends.size() - 2];
  }
  if (fires && found.over && evidence.alert->starts_at > *found.over) {
    found.after = found.over;  // it began again, and nothing was decided about it yet
    found.over.reset();
  } else if (fires) {
    found.over.reset();
  }
  const auto inside = [&found](WallTime at) {
    return (!found.after || at > *found.after) && (!found.over || at <= *found.over);
  };
  for (const DecisionRecord& row : evidence.own) {
    if (inside(row.at)) found.own.push_back(&row);
  }
  const WallTime begin =
      found.own.empty() ? found.after.value_or(WallTime::min()) : found.own.front()->at;
  for (const DecisionRecord& row : evidence.of_groups) {
    if (inside(row.at) && row.at >= begin) found.groups.push_back(&row);
  }
  for (const Delivery& delivery : evidence.deliveries) {
    const WallTime at = delivery.record.row.notification.created_at;
    if (delivery.names_alert && inside(at) && at >= begin) found.calls.push_back(&delivery);
  }
  return found;
}

}  // namespace tocsin::story
