#include "alertd/incident/incident_table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::incident {

namespace {

/// Whether an incident is of that group.
auto of(std::string_view group_key) {
  return [group_key](const Incident* incident) { return incident->group_key == group_key; };
}

}  // namespace

Incident* IncidentTable::current(std::string_view group_key) const {
  return groups_.find(base::hash64(group_key), of(group_key));
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
  const std::string_view group = added.group_key;
  Incident* before = current(group);
  if (!before || before->number < number) {
    if (before) before->group = nullptr;
    groups_.put(base::hash64(group), &added, of(group));
  }
  return added;
}

void IncidentTable::erase(std::int64_t number) {
  const std::size_t place = place_of(number);
  if (place == slots_.size() || slots_[place].number != number || !slots_[place].incident) return;
  const std::string_view group = slots_[place].incident->group_key;
  if (current(group) == slots_[place].incident.get()) {
    groups_.erase(base::hash64(group), of(group));
  }
  slots_[place].incident.reset();
  --size_;
  constexpr std::size_t kHolesMin = 64;
  if (slots_.size() - size_ > std::max(size_, kHolesMin)) {
    std::erase_if(slots_, [](const Slot& slot) { return !slot.incident; });
  }
}

}  // namespace tocsin::incident
