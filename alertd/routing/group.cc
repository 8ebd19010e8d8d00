#include "alertd/routing/pipeline_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tocsin::routing {

std::string alert_subject(Fingerprint fingerprint) {
  return fmt::format("alert:{:016x}", fingerprint);
}

model::Severity Group::severity() const {
  // By how much they count: resolved, hidden, visible.
  std::array<std::optional<model::Severity>, 3> worst;
  for (const auto& [fingerprint, member] : members) {
    auto& one = worst[member.resolved ? 0 : member.hidden ? 1 : 2];
    one = std::max(one.value_or(model::Severity::Low), member.severity);
  }
  if (worst[2]) return *worst[2];
  return worst[1].value_or(worst[0].value_or(model::Severity::Low));
}

const Suppression& AlertEntry::suppression() const {
  static const Suppression kNothing;
  return hidden_by ? *hidden_by : kNothing;
}

Member* AlertEntry::member_of(const Group& group) const {
  for (const Place& place : places) {
    if (place.group == &group) return place.member;
  }
  return nullptr;
}

bool AlertEntry::shown_firing() const {
  return !resolved || std::any_of(places.begin(), places.end(),
                                  [](const Place& place) { return place.member->held; });
}

model::Alert AlertEntry::as_told(const Member& member) const {
  model::Alert told = alert;
  if (!member.resolved) {
    told.ends_at.reset();
  } else if (!told.ends_at) {
    told.ends_at = member.since;  // it left this group, and fires elsewhere
  }
  return told;
}

std::string_view Action::group_key() const {
  return group ? group->key.view() : std::string_view();
}

std::string Action::said() const {
  if (labels.empty()) return text;
  return text.empty() ? labels.to_string() : labels.to_string() + ": " + text;
}

}  // namespace tocsin::routing
