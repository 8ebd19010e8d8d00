#include "alertd/incident/incident_table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::incident {

std::size_t GroupIndex::place_of(std::uint64_t hash, std::string_view group_key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t place = hash & mask;
  while (slots_[place].incident &&
         (slots_[place].hash != hash || slots_[place].incident->group_key != group_key)) {
    place = (place + 1) & mask;
  }
  return place;
}

Incident* GroupIndex::find(std::string_view group_key) const {
  if (slots_.empty()) return nullptr;
  return slots_[place_of(base::hash64(group_key), group_key)].incident;
}

void GroupIndex::put(Incident& incident) {
  if (4 * (used_ + 1) > 3 * slots_.size()) grow();
  const std::uint64_t hash = base::hash64(incident.group_key);
  Slot& slot = slots_[place_of(hash, incident.group_key)];
  if (!slot.incident) ++used_;
  if (!slot.incident || slot.incident->number < incident.number) slot = {hash, &incident};
}

void GroupIndex::erase(const Incident& incident) {
  if (slots_.empty()) return;
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = place_of(base::hash64(incident.group_key), incident.group_key);
  if (slots_[hole].incident != &incident) return;
  // What was put behind it because its own place was taken moves up.
  for (std::size_t next = (hole + 1) & mask; slots_[next].incident; next = (next + 1) & mask) {
    const std::size_t home = slots_[next].hash & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = {};
  --used_;
}

void GroupIndex::grow() {
  constexpr std::size_t kSlotsMin = 16;
  std::vector<Slot> old(std::max(kSlotsMin, 2 * slots_.size()));
  std::swap(old, slots_);
  for (const Slot& slot : old) {
    if (slot.incident) slots_[place_of(slot.hash, slot.incident->group_key)] = slot;
  }
}

std::size_t IncidentTable::place_of(std::int64_t number) const {
  if (slots_.empty() || number <= slots_.front().number) return 0;
  // Numbers are distinct: it stands there if none before it was left out, else further to the left.
  const auto distance = static_cast<std::size_t>(number - slots_.front().number);
  const std::size_t bound = std::min(distance, slots_.size());
  if (bound < slots_.size() && slots_[bound].number == number) return bound;
  const auto before = [](const Slot& slot, std::int64_t value) { return slot.number < value; };
  return static_cast<std::size_t>(
      std::lower_bound(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(bound), number,
                       before) -
      slots_.begin());
}

Incident* IncidentTable::found(std::int64_t number) const {
  const std::size_t place = place_of(number);
  if (place == slots_.size() || slots_[place].number != number) return nullptr;
  return slots_[place].incident.get();
}

Incident& IncidentTable::at(std::int64_t number) {
  Incident* incident = found(number);
  TC_CHECK(incident, "there is no incident of that number");
  return *incident;
}

Incident& IncidentTable::add(Incident incident) {
  const std::int64_t number = incident.number;
  const std::size_t place = place_of(number);
  const bool known = place < slots_.size() && slots_[place].number == number;
  TC_CHECK(!known || !slots_[place].incident, "an incident has a number that another one has");
  auto owned = std::make_unique<Incident>(std::move(incident));
  Incident& added = *owned;
  if (known) {
    slots_[place].incident = std::move(owned);
  } else {
    slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(place), {number, std::move(owned)});
  }
  ++size_;
  groups_.put(added);
  return added;
}

void IncidentTable::erase(std::int64_t number) {
  const std::size_t place = place_of(number);
  if (place == slots_.size() || slots_[place].number != number || !slots_[place].incident) return;
  groups_.erase(*slots_[place].incident);
  slots_[place].incident.reset();
  --size_;
  constexpr std::size_t kHolesMin = 64;
  if (slots_.size() - size_ > std::max(size_, kHolesMin)) {
    std::erase_if(slots_, [](const Slot& slot) { return !slot.incident; });
  }
}

}  // namespace tocsin::incident
