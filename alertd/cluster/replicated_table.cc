#include "alertd/cluster/replicated_table.h"

#include <tuple>

namespace tocsin::cluster {

ReplicatedTable::Merge ReplicatedTable::merge(const Entry& entry, base::WallTime now) {
  if (entry.expires_at <= now) return Merge::Known;
  std::pair<std::string, std::string> key(entry.kind, entry.key);
  const auto known = entries_.find(key);
  if (known == entries_.end()) {
    if (entries_.size() >= entries_max_) return Merge::Refused;
    entries_.emplace(std::move(key), entry);
    return Merge::Taken;
  }
  const auto rank = [](const Entry& one) { return std::tie(one.updated_at, one.body); };
  if (rank(entry) <= rank(known->second)) return Merge::Known;
  known->second = entry;
  return Merge::Taken;
}

void ReplicatedTable::expire(base::WallTime now) {
  std::erase_if(entries_, [now](const auto& one) { return one.second.expires_at <= now; });
}

bool ReplicatedTable::read(Cursor& cursor, std::size_t bytes_max, std::vector<Entry>& out) const {
  auto at = cursor.empty() ? entries_.begin() : entries_.upper_bound({cursor.kind, cursor.key});
  std::size_t bytes = 0;
  for (; at != entries_.end() && bytes < bytes_max; ++at) {
    bytes += at->second.body.size() + at->second.key.size() + 64;
    out.push_back(at->second);
  }
  if (at == entries_.end()) {
    cursor = {};
    return false;
  }
  cursor = {out.back().kind, out.back().key};
  return true;
}

}  // namespace tocsin::cluster
