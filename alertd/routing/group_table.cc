#include "alertd/routing/group_table.h"

#include <utility>

#include "common/base/hash.h"

namespace tocsin::routing {

namespace {

auto has_key(std::string_view key) {
  return [key](const Group* group) { return group->key == key; };
}

}  // namespace

Group* GroupTable::find(std::string_view key) const {
  return by_key_.find(base::hash64(key), has_key(key));
}

Group& GroupTable::add(std::unique_ptr<Group> group) {
  Group& added = *group;
  by_key_.put(base::hash64(added.key), &added, has_key(added.key));
  added.place = static_cast<std::uint32_t>(groups_.size());
  groups_.push_back(std::move(group));
  return added;
}

std::unique_ptr<Group> GroupTable::remove(const Group& group) {
  by_key_.erase(base::hash64(group.key), has_key(group.key));
  std::swap(groups_[group.place], groups_.back());
  groups_[group.place]->place = group.place;
  std::unique_ptr<Group> removed = std::move(groups_.back());
  groups_.pop_back();
  return removed;
}

}  // namespace tocsin::routing
