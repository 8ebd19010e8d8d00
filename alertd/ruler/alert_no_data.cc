// Silence: label sets that the rule looked at and that nobody reports any more.
//
// Looking costs a pass over all label sets of the rule, so it happens once a minute, not at every
// evaluation. A label set is told of as vanished when two looks in a row missed it and it was last
// seen no_data_after ago; and forgotten after no_data_forget, or when its owner is gone for good.

#include <algorithm>

#include "alertd/ruler/alert_state.h"

namespace tocsin::ruler {
namespace {

using base::WallTime;
using model::Labels;
using model::LabelsBuilder;

constexpr base::Duration kLookInterval{60'000};
constexpr int kMissesMin = 2;
constexpr std::string_view kSeverityLabel = "severity";

AlertEvent event(AlertChange change, const ActiveAlert& alert) {
  return {change, alert.labels, alert.value, alert.severity};
}

}  // namespace

Labels AlertState::key_of(const Labels& labels) const {
  if (options_.templated.empty()) return labels;
  LabelsBuilder builder(labels);
  for (const std::string& name : options_.templated) builder.remove(name);
  return builder.build();
}

bool AlertState::look_due(WallTime now) const {
  return !last_look_ || now - *last_look_ >= kLookInterval;
}

bool AlertState::wants_input(WallTime now, std::span<const Observation> result) const {
  if (levelled() || no_data_ == NoData::Ok) return false;
  if (no_data_ == NoData::Alert && look_due(now)) return true;
  if (restoring_ && !remembered_.empty()) return true;
  std::size_t active = count_active();
  if (active == 0) return false;
  for (const Observation& observation : result) {
    const auto alert = alerts_.find(observation.labels);
    if (alert != alerts_.end() && alert->second.phase != AlertPhase::Inactive) --active;
  }
  return active > 0;
}

std::size_t AlertState::count_active() const {
  return static_cast<std::size_t>(
      std::count_if(alerts_.begin(), alerts_.end(), [](const auto& entry) {
        return entry.second.phase != AlertPhase::Inactive && !entry.second.no_data_alert;
      }));
}

std::optional<AlertState::Keys> AlertState::present_keys(
    WallTime now, std::span<const Observation> result,
    const std::vector<InputElement>* input) const {
  const bool looks = no_data_ == NoData::Alert && look_due(now);
  if (no_data_ == NoData::Ok || (!looks && !restoring_ && count_active() == 0)) {
    return std::nullopt;
  }
  Keys keys;
  if (!levelled()) {
    if (!input) return std::nullopt;
    for (const InputElement& element : *input) keys.insert(element.key);
  }
  for (const Observation& observation : result) keys.insert(key_of(observation.labels));
  return keys;
}

bool AlertState::has_input(const Labels& labels) const {
  return !present_ || present_->contains(key_of(labels));
}

void AlertState::note_input(WallTime now, const Labels& key, const Labels& identity) {
  for (const auto& [owner, until] : departed_) {
    if (now < until && key.get(owner.first) == owner.second) return;
  }
  auto it = seen_.find(key);
  if (it == seen_.end()) {
    if (seen_.size() >= options_.no_data_watched_max) {
      ++unwatched_;
      return;
    }
    it = seen_.emplace(key, Seen{}).first;
  }
  Seen& seen = it->second;
  seen.last = now;
  seen.misses = 0;
  if (!identity.empty()) seen.identity = identity;
}

bool AlertState::active(const Labels& key) const {
  const auto is_active = [](const ActiveAlert& alert) {
    return alert.phase != AlertPhase::Inactive && !alert.no_data_alert;
  };
  if (options_.templated.empty()) {
    const auto alert = alerts_.find(key);
    return alert != alerts_.end() && is_active(alert->second);
  }
  return std::any_of(alerts_.begin(), alerts_.end(), [&](const auto& entry) {
    return is_active(entry.second) && key_of(entry.first) == key;
  });
}

void AlertState::watch_no_data(WallTime now, Events& events) {
  for (auto it = seen_.begin(); it != seen_.end();) {
    Seen& seen = it->second;
    const base::Duration gone = now - seen.last;
    if (gone > base::Duration{0} && seen.misses < kMissesMin) ++seen.misses;
    const bool forgotten = gone >= options_.no_data_forget;
    const bool settled = !quiet_until_ || now >= *quiet_until_;
    const bool vanished = seen.misses >= kMissesMin && gone >= options_.no_data_after && !forgotten;
    if (!seen.raised.empty() && (!vanished || active(it->first))) {
      end_no_data(seen, now, events);
    } else if (vanished && settled && seen.raised.empty() && !active(it->first)) {
      raise_no_data(it->first, seen, now, events);
    }
    it = forgotten ? seen_.erase(it) : std::next(it);
  }
}

void AlertState::watch_returned(WallTime now, std::span<const Observation* const> result,
                                Events& events) {
  const bool any_raised = std::any_of(alerts_.begin(), alerts_.end(), [](const auto& entry) {
    return entry.second.no_data_alert && entry.second.phase == AlertPhase::Firing;
  });
  if (!any_raised) return;
  for (const Observation* observation : result) {
    const auto seen = seen_.find(key_of(observation->labels));
    if (seen == seen_.end() || seen->second.raised.empty()) continue;
    seen->second.last = now;
    seen->second.misses = 0;
    end_no_data(seen->second, now, events);
  }
}

void AlertState::raise_no_data(const Labels& key, Seen& seen, WallTime now, Events& events) {
  LabelsBuilder labels(seen.identity.empty() ? key : seen.identity);
  labels.set(kNoDataLabel, "true");
  seen.raised = labels.build();
  events.push_back(event(AlertChange::Firing, insert_no_data(seen.raised, seen.last, now)));
}

ActiveAlert& AlertState::insert_no_data(const Labels& labels, WallTime since, WallTime fired_at) {
  ActiveAlert alert;
  alert.labels = labels;
  alert.no_data_alert = true;
  alert.phase = AlertPhase::Firing;
  // Not knowing is bad, but it is not proof of the worst.
  alert.severity =
      std::min(model::import_severity(labels.get(kSeverityLabel)).value_or(levels_.back().severity),
               model::Severity::High);
  alert.active_at = since;
  alert.last_seen = since;
  alert.fired_at = fired_at;
  alert.no_data_since = since;
  return alerts_.insert_or_assign(labels, std::move(alert)).first->second;
}

void AlertState::end_no_data(Seen& seen, WallTime now, Events& events) {
  const auto alert = alerts_.find(seen.raised);
  if (alert != alerts_.end() && alert->second.phase == AlertPhase::Firing) {
    resolve(alert->second, now, events);
  }
  seen.raised = {};
}

void AlertState::remember_input(WallTime now, WallTime seen_at, std::span<const InputElement> seen,
                                std::span<const Vanished> vanished) {
  if (no_data_ != NoData::Alert) return;
  quiet_until_ = now + options_.no_data_after;
  for (const Vanished& gone : vanished) {
    LabelsBuilder labels(gone.labels);
    labels.remove(kNoDataLabel);
    Labels identity = labels.build();
    Seen& entry = seen_[key_of(identity)];
    entry.last = gone.since;
    entry.misses = kMissesMin;
    entry.raised = gone.labels;
    if (!options_.templated.empty()) entry.identity = std::move(identity);
    insert_no_data(gone.labels, gone.since,
                   std::min(gone.since + options_.no_data_after, gone.down_at));
  }
  for (const InputElement& element : seen) note_input(seen_at, element.key, element.identity);
}

std::vector<AlertEvent> AlertState::forget(WallTime now,
                                           const std::function<bool(const Labels&)>& gone) {
  Events events;
  for (auto it = seen_.begin(); it != seen_.end();) {
    const bool forgotten =
        gone(it->first) || (!it->second.raised.empty() && gone(it->second.raised));
    if (forgotten) end_no_data(it->second, now, events);
    it = forgotten ? seen_.erase(it) : std::next(it);
  }
  for (auto it = alerts_.begin(); it != alerts_.end();) {
    ActiveAlert& alert = it->second;
    const bool ends = alert.no_data_since && !alert.no_data_alert &&
                      alert.phase != AlertPhase::Inactive && gone(alert.labels);
    const bool dropped = ends && alert.phase == AlertPhase::Pending;
    if (dropped) {
      events.push_back(event(AlertChange::Dropped, alert));
    } else if (ends) {
      resolve(alert, now, events);
    }
    it = dropped ? alerts_.erase(it) : std::next(it);
  }
  return events;
}

std::vector<AlertEvent> AlertState::forget_owner(WallTime now, const model::LabelView& owner) {
  if (no_data_ == NoData::Ok) return {};
  std::erase_if(departed_, [&](const auto& entry) { return now >= entry.second; });
  departed_[{std::string(owner.name), std::string(owner.value)}] = now + options_.no_data_forget;
  return forget(now, [&](const Labels& labels) { return labels.get(owner.name) == owner.value; });
}

void AlertState::welcome(const model::LabelView& owner) {
  departed_.erase({std::string(owner.name), std::string(owner.value)});
}

}  // namespace tocsin::ruler
