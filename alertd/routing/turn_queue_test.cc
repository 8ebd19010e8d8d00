#include "alertd/routing/turn_queue.h"

#include <doctest/doctest.h>

#include <array>

#include "alertd/routing/group.h"

namespace tocsin::routing {

TEST_CASE("turns: the earliest first, those of one moment as they came") {
  const base::WallTime soon = base::wall_time(1'000);
  const base::WallTime later = base::wall_time(2'000);
  TurnQueue turns;
  CHECK(turns.first() == nullptr);
  std::array<Group, 4> groups;
  turns.add(groups[0], later, false);
  turns.add(groups[1], soon, false);
  turns.add(groups[2], soon, true);
  turns.add(groups[3], soon, false);
  CHECK(turns.next() == soon);
  CHECK(turns.first() == &groups[1]);
  CHECK(groups[2].turn->urgent);
  turns.remove(groups[1]);
  CHECK(!groups[1].turn);
  CHECK(turns.first() == &groups[2]);
  turns.remove(groups[3]);  // out of turn
  turns.remove(groups[2]);
  CHECK(turns.next() == later);
  CHECK(turns.first() == &groups[0]);
  turns.remove(groups[0]);
  CHECK(!turns.next());
}

TEST_CASE("turns: whoever comes and goes leaves no gaps behind") {
  const base::WallTime at = base::wall_time(1'000);
  TurnQueue turns;
  std::array<Group, 3> groups;
  for (Group& group : groups) turns.add(group, at, false);
  for (int i = 0; i < 10'000; ++i) {
    turns.remove(groups[1]);
    turns.add(groups[1], at, false);
  }
  CHECK(groups[1].turn->place < 200);
  CHECK(turns.first() == &groups[0]);
  turns.remove(groups[0]);
  CHECK(turns.first() == &groups[2]);
  turns.remove(groups[2]);
  CHECK(turns.first() == &groups[1]);
}

}  // namespace tocsin::routing
