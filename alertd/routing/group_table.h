// The pipeline's groups, by key.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "alertd/routing/group.h"
#include "common/base/hash_table.h"

namespace tocsin::routing {

/// Owner: the pipeline. A group stays where it is until it is removed.
class GroupTable {
 public:
  /// Returns nullptr if there is none.
  Group* find(std::string_view key) const;
  /// Its key must be new.
  Group& add(std::unique_ptr<Group> group);
  /// Takes it out.
  std::unique_ptr<Group> remove(const Group& group);

  std::size_t size() const { return groups_.size(); }
  bool empty() const { return groups_.empty(); }
  /// In no order that means anything, but in the same one in every run.
  auto begin() const { return groups_.begin(); }
  auto end() const { return groups_.end(); }

 private:
  std::vector<std::unique_ptr<Group>> groups_;  ///< Each knows its place (Group::place).
  base::HashTable<Group*> by_key_;
};

}  // namespace tocsin::routing
