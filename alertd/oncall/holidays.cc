#include "alertd/oncall/holidays.h"

#include <algorithm>

namespace tocsin::oncall {

using base::WallTime;
using timezone::LocalTime;
using timezone::Zone;

namespace {

template <class Spans>
void sort_and_join(Spans& spans) {
  std::stable_sort(spans.begin(), spans.end(),
                   [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].begin < spans[kept].end) {
      spans[kept].end = std::max(spans[kept].end, spans[i].end);
    } else if (++kept != i) {
      spans[kept] = std::move(spans[i]);
    }
  }
  if (!spans.empty()) spans.resize(kept + 1);
}

/// Returns the first span that ends after `time`; spans are disjoint and sorted.
template <class Spans, class Time>
auto first_ending_after(const Spans& spans, Time time) {
  return std::upper_bound(spans.begin(), spans.end(), time,
                          [](Time t, const auto& span) { return t < span.end; });
}

}  // namespace

void Holidays::add_local(LocalTime begin, LocalTime end, std::string name) {
  if (begin < end) local_.push_back({begin, end, std::move(name)});
}

void Holidays::add(WallTime begin, WallTime end, std::string name) {
  if (begin < end) instants_.push_back({begin, end, std::move(name)});
}

void Holidays::normalize() {
  sort_and_join(local_);
  sort_and_join(instants_);
}

std::optional<std::string> Holidays::at(const Zone& zone, WallTime at) const {
  const auto instant = first_ending_after(instants_, at);
  if (instant != instants_.end() && instant->begin <= at) return instant->name;
  // A day of slack for clocks that are put back; the comparison itself is between instants.
  auto span = first_ending_after(local_, zone.to_local(at) - std::chrono::days(1));
  for (; span != local_.end(); ++span) {
    if (zone.to_wall(span->begin) > at) return std::nullopt;
    if (at < zone.to_wall(span->end)) return span->name;
  }
  return std::nullopt;
}

std::optional<WallTime> Holidays::next_edge(const Zone& zone, WallTime at) const {
  std::optional<WallTime> next;
  const auto consider = [&](WallTime edge) {
    if (edge > at) next = std::min(next.value_or(edge), edge);
  };
  if (const auto span = first_ending_after(instants_, at); span != instants_.end()) {
    consider(span->begin);
    consider(span->end);
  }
  auto span = first_ending_after(local_, zone.to_local(at) - std::chrono::days(1));
  for (bool found = false; span != local_.end() && !found; ++span) {
    consider(zone.to_wall(span->begin));
    consider(zone.to_wall(span->end));
    found = zone.to_wall(span->end) > at;
  }
  return next;
}

}  // namespace tocsin::oncall
