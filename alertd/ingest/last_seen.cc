#include "alertd/ingest/last_seen.h"

namespace tocsin::ingest {
namespace {

constexpr const char* kName = "tocsin_alertd_agent_last_seen_timestamp_seconds";
constexpr const char* kHelp = "When samples of this host last came in.";
/// A local writer chooses host labels freely; the own metrics must not grow with it.
constexpr std::size_t kHostsMax = 20'000;

}  // namespace

LastSeen::LastSeen(base::Metrics& metrics)
    : metrics_(metrics),
      untracked_(metrics.counter("tocsin_alertd_ingest_hosts_untracked_total",
                                 "Heartbeats of hosts beyond the number that is tracked.")) {}

LastSeen::Entry* LastSeen::entry(std::string_view host) {
  std::string key(host);
  const auto at = hosts_.find(key);
  if (at != hosts_.end()) return &at->second;
  if (hosts_.size() >= kHostsMax) {
    untracked_.increment();
    return nullptr;
  }
  const base::Gauge gauge = metrics_.gauge(kName, kHelp, {{"host", key}});
  return &hosts_.try_emplace(std::move(key), Entry{gauge, {}}).first->second;
}

void LastSeen::note(std::string_view host, base::WallTime when) {
  const base::MutexLock lock(mutex_);
  Entry* known = entry(host);
  if (known == nullptr) return;
  known->seen.last_seen = when;
  known->gauge.set(base::to_seconds(when));
}

void LastSeen::note_version(std::string_view host, std::string_view version) {
  const base::MutexLock lock(mutex_);
  if (Entry* known = entry(host); known != nullptr) known->seen.version = version;
}

void LastSeen::expect(std::string_view host, base::WallTime when) {
  {
    const base::MutexLock lock(mutex_);
    if (hosts_.contains(std::string(host))) return;
  }
  note(host, when);
}

void LastSeen::forget(std::string_view host) {
  const base::MutexLock lock(mutex_);
  if (hosts_.erase(std::string(host)) > 0)
    metrics_.remove_gauge(kName, {{"host", std::string(host)}});
}

std::optional<SeenHost> LastSeen::find(std::string_view host) const {
  const base::MutexLock lock(mutex_);
  const auto at = hosts_.find(std::string(host));
  if (at == hosts_.end()) return std::nullopt;
  return at->second.seen;
}

}  // namespace tocsin::ingest
