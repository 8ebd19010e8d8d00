// When groups speak: those of one moment in one line, in the order in which they came.
//
// Moments are few where groups are many: a storm's groups of one step speak at one moment, and a
// tree with a node for each would cost more than all else that is kept of a turn.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "common/base/time.h"

namespace tocsin::routing {

struct Group;

/// Groups by the time of their turn. Owner: the pipeline.
class TurnQueue {
 public:
  /// Notes in the group where it stands (Group::turn); it must stand nowhere.
  void add(Group& group, base::WallTime at, bool urgent);
  /// It must stand in this queue.
  void remove(Group& group);

  /// Returns the moment of the first turn; nullopt: nobody waits.
  std::optional<base::WallTime> next() const;
  /// Returns whose turn is first; nullptr: nobody's.
  Group* first() const;

 private:
  struct Line {
    std::vector<Group*> groups;  ///< Null: it has left.
    std::size_t first = 0;       ///< Those before it have left.
    std::size_t waiting = 0;
  };

  static void close_gaps(Line& line);

  std::map<base::WallTime, Line> lines_;  ///< In each somebody waits.
};

}  // namespace tocsin::routing
