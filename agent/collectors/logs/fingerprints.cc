#include "agent/collectors/logs/fingerprints.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

bool Fingerprints::add(std::uint64_t fingerprint, base::WallTime now) {
  const auto [at, is_new] = known_.try_emplace(fingerprint);
  at->second.last_ms = base::to_ms(now);
  ++at->second.lines;
  if (known_.size() > size_max_) {
    const auto oldest = std::min_element(
        known_.begin(), known_.end(),
        [](const auto& a, const auto& b) { return a.second.last_ms < b.second.last_ms; });
    known_.erase(oldest);
  }
  return is_new;
}

std::vector<std::pair<std::uint64_t, double>> Fingerprints::top(std::size_t count) const {
  std::vector<std::pair<std::uint64_t, double>> all;
  for (const auto& [fingerprint, known] : known_) {
    if (known.lines > 0) all.emplace_back(fingerprint, known.lines);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (all.size() > count) all.resize(count);
  return all;
}

std::vector<std::vector<std::string>> Fingerprints::save() const {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [fingerprint, known] : known_) {
    rows.push_back(
        {"fingerprint", fmt::format("{}", fingerprint), fmt::format("{}", known.last_ms)});
  }
  return rows;
}

void Fingerprints::load(std::string_view fingerprint, std::string_view last_seen_ms) {
  const auto hash = base::parse_u64(fingerprint);
  const auto last = base::parse_i64(last_seen_ms);
  if (!hash || !last || known_.size() >= size_max_) return;
  known_[*hash].last_ms = *last;
}

}  // namespace tocsin::agent
