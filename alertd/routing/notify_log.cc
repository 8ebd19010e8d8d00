#include "alertd/routing/notify_log.h"

#include <algorithm>
#include <utility>

namespace tocsin::routing {

using base::WallTime;

std::string notify_log_key(const std::string& path, const model::Labels& labels,
                           const std::string& receiver, const std::string& channel) {
  return path + ":" + labels.to_string() + "\n" + receiver + "/" + channel;
}

Verdict decide_logged(const LoggedNotification* last, const Batch& batch, bool send_resolved,
                      base::Duration repeat_interval, WallTime now) {
  const auto subset = [](const auto& part, const auto& whole) {
    return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
  };
  if (!last) {
    return batch.firing.empty() ? Verdict{false, Reason::NeverNotified}
                                : Verdict{true, Reason::FirstNotification};
  }
  if (!subset(batch.firing, last->firing)) {
    return {true, last->firing.empty() ? Reason::FirstNotification : Reason::NewAlerts};
  }
  if (batch.firing.empty()) {
    return last->firing.empty() ? Verdict{false, Reason::Unchanged}
                                : Verdict{true, Reason::AllResolved};
  }
  if (send_resolved && !subset(batch.resolved, last->resolved)) {
    return {true, Reason::SomeResolved};
  }
  if (last->at + repeat_interval < now) return {true, Reason::Repeat};
  return {false, Reason::Unchanged};
}

const LoggedNotification* NotifyLogs::find(const std::string& key, WallTime now) const {
  const auto found = entries_.find(key);
  return found == entries_.end() || found->second.expires_at <= now ? nullptr : &found->second;
}

void NotifyLogs::put(LoggedNotification entry) {
  LoggedNotification& stored = entries_[entry.key];
  if (!stored.key.empty()) expiries_.erase({stored.expires_at, stored.key});
  expiries_.insert({entry.expires_at, entry.key});
  dirty_.insert(entry.key);
  stored = std::move(entry);
}

bool NotifyLogs::merge(LoggedNotification entry, WallTime now) {
  if (entry.expires_at <= now) return false;
  const auto mine = entries_.find(entry.key);
  if (mine != entries_.end() && mine->second.at >= entry.at) return false;
  put(std::move(entry));
  return true;
}

void NotifyLogs::restore(std::vector<LoggedNotification> entries) {
  for (LoggedNotification& entry : entries) put(std::move(entry));
  dirty_.clear();
}

void NotifyLogs::expire(WallTime now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    dirty_.insert(expiries_.begin()->second);
    entries_.erase(expiries_.begin()->second);
    expiries_.erase(expiries_.begin());
  }
}

std::optional<WallTime> NotifyLogs::next_expiry() const {
  return expiries_.empty() ? std::nullopt : std::optional(expiries_.begin()->first);
}

std::set<std::string> NotifyLogs::take_dirty() {
  return std::exchange(dirty_, {});
}

}  // namespace tocsin::routing
