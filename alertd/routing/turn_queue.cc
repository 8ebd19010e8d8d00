#include "alertd/routing/turn_queue.h"

#include <algorithm>

#include "alertd/routing/group.h"

namespace tocsin::routing {

using base::WallTime;

namespace {

constexpr std::size_t kGapsMax = 64;

}  // namespace

void TurnQueue::add(Group& group, WallTime at, bool urgent) {
  Line& line = lines_[at];
  if (line.groups.size() > 2 * line.waiting + kGapsMax) close_gaps(line);
  group.turn = {at, static_cast<std::uint32_t>(line.groups.size()), urgent};
  line.groups.push_back(&group);
  ++line.waiting;
}

void TurnQueue::remove(Group& group) {
  const auto found = lines_.find(group.turn->at);
  Line& line = found->second;
  line.groups[group.turn->place] = nullptr;
  group.turn.reset();
  if (--line.waiting == 0) {
    lines_.erase(found);
    return;
  }
  while (!line.groups[line.first]) ++line.first;
}

void TurnQueue::close_gaps(Line& line) {
  std::erase(line.groups, nullptr);
  line.first = 0;
  std::uint32_t place = 0;
  for (Group* group : line.groups) group->turn->place = place++;
}

std::optional<WallTime> TurnQueue::next() const {
  return lines_.empty() ? std::nullopt : std::optional(lines_.begin()->first);
}

Group* TurnQueue::first() const {
  if (lines_.empty()) return nullptr;
  const Line& line = lines_.begin()->second;
  return line.groups[line.first];
}

}  // namespace tocsin::routing
