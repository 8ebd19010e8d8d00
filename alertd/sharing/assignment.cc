#include "alertd/sharing/assignment.h"

#include <algorithm>
#include <utility>

#include "common/base/hash.h"

namespace tocsin::sharing {
namespace {

struct Peers {
  std::vector<const Member*> ranked;  ///< Those with most groups first: they keep the odd ones.
  std::size_t groups = 0;             ///< To be shared among them.

  std::size_t share(std::size_t rank) const {
    return groups / ranked.size() + (rank < groups % ranked.size() ? 1 : 0);
  }
};

bool knows(std::span<const std::string> known, const std::string& key) {
  return std::binary_search(known.begin(), known.end(), key);
}

const Member* find(const Board& board, const std::string& session) {
  for (const Member& member : board.members) {
    if (member.session == session && member.live) return &member;
  }
  return nullptr;
}

Peers peers_of(const Board& board, const Member& me, std::span<const std::string> known) {
  Peers peers;
  for (const Member& member : board.members) {
    if (!member.live || member.rules != me.rules) continue;
    peers.ranked.push_back(&member);
    peers.groups += member.held;
  }
  std::sort(peers.ranked.begin(), peers.ranked.end(), [](const Member* a, const Member* b) {
    return std::pair(b->held, a->session) < std::pair(a->held, b->session);
  });
  for (const FreeGroup& group : board.free) peers.groups += knows(known, group.key) ? 1 : 0;
  return peers;
}

/// Each daemon begins elsewhere, so that they seldom want the same.
std::vector<const FreeGroup*> in_own_order(const Board& board, const std::string& session,
                                           std::span<const std::string> known) {
  const std::uint64_t seed = base::fnv1a(session);
  std::vector<std::pair<std::uint64_t, const FreeGroup*>> order;
  for (const FreeGroup& group : board.free) {
    if (knows(known, group.key)) order.emplace_back(base::fnv1a(group.key, seed), &group);
  }
  std::sort(order.begin(), order.end());
  std::vector<const FreeGroup*> groups;
  for (const auto& [hash, group] : order) groups.push_back(group);
  return groups;
}

}  // namespace

std::size_t fair_share(const Board& board, const std::string& session,
                       std::span<const std::string> known) {
  const Member* me = find(board, session);
  if (!me) return 0;
  const Peers peers = peers_of(board, *me, known);
  const auto rank = std::find(peers.ranked.begin(), peers.ranked.end(), me) - peers.ranked.begin();
  return peers.share(static_cast<std::size_t>(rank));
}

Moves plan_moves(const Board& board, const std::string& session, std::span<const std::string> known,
                 bool settled, const AssignmentOptions& options) {
  Moves moves;
  const Member* me = find(board, session);
  if (!me) return moves;
  std::vector<std::string> mine;
  for (const auto& [key, epoch] : board.held) {
    (knows(known, key) ? mine : moves.give).push_back(key);
  }
  const Peers peers = peers_of(board, *me, known);
  const std::size_t share = fair_share(board, session, known);
  const std::vector<const FreeGroup*> free = in_own_order(board, session, known);
  for (const FreeGroup* group : free) {
    const bool ours = mine.size() + moves.take.size() < share;
    if (ours || group->since >= options.overdue) moves.take.push_back(group->key);
  }
  if (!settled || !moves.give.empty() || mine.size() <= share) return moves;
  // Free groups fill the room of the others first.
  std::size_t room = 0;
  for (std::size_t rank = 0; rank < peers.ranked.size(); ++rank) {
    const std::size_t held = peers.ranked[rank]->held;
    room += peers.share(rank) > held ? peers.share(rank) - held : 0;
  }
  room -= std::min(room, free.size());
  const std::size_t surplus = std::min(mine.size() - share, room);
  const std::size_t now = std::min(surplus, std::max(options.give_min, surplus / 8));
  moves.give.assign(mine.end() - static_cast<std::ptrdiff_t>(now), mine.end());
  return moves;
}

}  // namespace tocsin::sharing
