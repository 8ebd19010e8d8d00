// Which groups a daemon takes and which it gives back. Pure: the same board gives the same answer,
// and boards that are a moment apart cost a little movement, never a group.
//
// Daemons that know the same groups share them evenly, to within one group: whoever holds most
// already keeps the odd ones. Free groups are taken up to one's share; one that stays free longer
// than `overdue` (a peer that is due to take it may have died meanwhile) by whoever comes first.
// What is above the share is given back when a peer has room, in small parts, and only once the set
// of peers has been the same for a while: a daemon that comes and goes moves nothing.
#pragma once

#include "alertd/sharing/group_store.h"

namespace tocsin::sharing {

struct AssignmentOptions {
  base::Duration overdue{3'000};
  std::size_t give_min = 8;  ///< Groups given at once, at most; or an eighth of the surplus.
};

struct Moves {
  std::vector<std::string> take;  ///< The store decides who of several gets each.
  std::vector<std::string> give;
};

/// Returns the share of the live member `session` among its peers (live, same rules), in groups.
/// `known` is sorted.
std::size_t fair_share(const Board& board, const std::string& session,
                       std::span<const std::string> known);

/// Decides for `session`, which must be a live member of the board. `known` are the groups of its
/// rule files, sorted; held ones that it does not know are given back at once. `settled`: the peers
/// have been the same for a while.
Moves plan_moves(const Board& board, const std::string& session, std::span<const std::string> known,
                 bool settled, const AssignmentOptions& options = {});

}  // namespace tocsin::sharing
