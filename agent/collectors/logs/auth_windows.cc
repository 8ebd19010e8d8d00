#include "agent/collectors/logs/auth_windows.h"

#include <algorithm>

namespace tocsin::agent {

void AuthWindows::failure(base::WallTime at, std::uint64_t source, std::uint64_t account) {
  // Lines of several files, or of a clock that was set, may come out of order.
  auto place = events_.end();
  while (place != events_.begin() && std::prev(place)->at > at) --place;
  events_.insert(place, Event{{at, source, account}, true});
  if (events_.size() <= events_max_) return;
  events_.pop_front();
  ++dropped_;
}

std::size_t AuthWindows::failures_before(base::WallTime at, std::uint64_t source,
                                         std::uint64_t account) const {
  std::size_t of_source = 0;
  std::size_t of_account = 0;
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    if (event->at > at) continue;
    if (event->at < at - kLongest) break;
    if (source != 0 && event->source == source) ++of_source;
    if (account != 0 && event->account == account) ++of_account;
  }
  return std::max(of_source, of_account);
}

std::vector<AuthWindows::Failure> AuthWindows::latest(std::size_t count) const {
  const std::size_t skipped = events_.size() - std::min(events_.size(), count);
  return {events_.begin() + static_cast<std::ptrdiff_t>(skipped), events_.end()};
}

void AuthWindows::restore(const Failure& failure) {
  if (events_.size() >= events_max_ || (!events_.empty() && events_.back().at > failure.at)) return;
  events_.push_back(Event{failure, false});
}

// One pass in order of time: who is in the window when an event comes, and how often.
AuthWindows::Peak AuthWindows::peak(base::Duration window, base::WallTime now, Key by,
                                    Key distinct) const {
  struct Inside {
    std::size_t count = 0;
    std::unordered_map<std::uint64_t, std::size_t> others;
  };
  std::unordered_map<std::uint64_t, Inside> inside;
  Peak peak;
  std::size_t first = 0;
  const auto leave = [&](base::WallTime end) {
    for (; first < events_.size() && events_[first].at <= end - window; ++first) {
      const Event& event = events_[first];
      Inside& of = inside[event.*by];
      --of.count;
      if (distinct == nullptr || event.*distinct == 0) continue;
      if (--of.others[event.*distinct] == 0) of.others.erase(event.*distinct);
    }
  };
  const auto see = [&](std::uint64_t key, const Inside& of) {
    const std::size_t value = distinct == nullptr ? of.count : of.others.size();
    if (key != 0 && value > peak.value) peak = {value, key};
  };
  for (const Event& event : events_) {
    leave(event.at);
    Inside& of = inside[event.*by];
    ++of.count;
    if (distinct != nullptr && event.*distinct != 0) ++of.others[event.*distinct];
    if (event.fresh) see(event.*by, of);
  }
  leave(now);
  for (const auto& [key, of] : inside) see(key, of);
  return peak;
}

AuthWindows::Peak AuthWindows::source_max(base::Duration window, base::WallTime now) const {
  return peak(window, now, &Failure::source, nullptr);
}

AuthWindows::Peak AuthWindows::account_max(base::Duration window, base::WallTime now) const {
  return peak(window, now, &Failure::account, nullptr);
}

AuthWindows::Peak AuthWindows::accounts_per_source_max(base::Duration window,
                                                       base::WallTime now) const {
  return peak(window, now, &Failure::source, &Failure::account);
}

void AuthWindows::end_round(base::WallTime now) {
  for (Event& event : events_) event.fresh = false;
  // While a backlog is read the newest line is the present.
  const base::WallTime present = events_.empty() ? now : std::min(now, events_.back().at);
  while (!events_.empty() && events_.front().at < present - kLongest) events_.pop_front();
}

}  // namespace tocsin::agent
