#include "alertd/routing/expiries.h"

#include <algorithm>
#include <functional>

namespace tocsin::routing {

using base::WallTime;

namespace {

/// What may be left of alerts that are gone before it is cleared away.
constexpr std::size_t kLeftMax = 1'000;
constexpr WallTime kNever = WallTime::max();

}  // namespace

void Expiries::set(AlertEntry& entry) {
  if (entry.expiry_noted <= entry.expires_at) return;
  if (heap_.size() > 2 * alerts_.size() + kLeftMax) return rebuild();
  push(entry);
}

void Expiries::push(AlertEntry& entry) {
  entry.expiry_noted = entry.expires_at;
  heap_.emplace_back(entry.expires_at, entry.fingerprint);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void Expiries::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
  heap_.pop_back();
}

void Expiries::rebuild() {
  heap_.clear();
  for (auto& [fingerprint, entry] : alerts_) {
    entry.expiry_noted = entry.resolved ? kNever : entry.expires_at;
    if (entry.resolved) continue;
    heap_.emplace_back(entry.expires_at, fingerprint);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void Expiries::settle() {
  while (!heap_.empty()) {
    const auto [at, fingerprint] = heap_.front();
    const auto found = alerts_.find(fingerprint);
    const bool stands = found != alerts_.end() && found->second.expiry_noted == at;
    if (stands && !found->second.resolved && found->second.expires_at == at) return;
    pop();
    if (!stands) continue;
    found->second.expiry_noted = kNever;
    if (!found->second.resolved) push(found->second);
  }
}

AlertEntry* Expiries::take_over(WallTime now) {
  settle();
  if (heap_.empty() || heap_.front().first > now) return nullptr;
  AlertEntry& entry = alerts_.at(heap_.front().second);
  pop();
  entry.expiry_noted = kNever;
  return &entry;
}

std::optional<WallTime> Expiries::next() const {
  return heap_.empty() ? std::nullopt : std::optional(heap_.front().first);
}

}  // namespace tocsin::routing
