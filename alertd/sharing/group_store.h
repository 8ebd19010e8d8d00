// Who evaluates which rule group, and what the last evaluation left: the shared tables.
//
// A group belongs to a session, one life of one daemon. A session lives as long as it says so
// within the term, by the store's clock; saying so is one row, however many groups it holds. Each
// acquisition has a new epoch, never used before for any group, and whatever a session keeps of a
// group is refused, inside the same transaction, unless its epoch is still the group's.
//
// Blocking: the keeper calls it on a thread of its own. Implementations: state::PostgresGroupStore
// (production), FakeGroupStore (tests).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::sharing {

/// A daemon as the others know it.
struct Member {
  std::string session;   ///< One life of it.
  std::string name;      ///< The same over restarts.
  std::string rules;     ///< Fingerprint of the groups that it knows.
  std::size_t held = 0;  ///< Groups.
  bool live = true;
};

/// A group that nobody evaluates.
struct FreeGroup {
  std::string key;
  base::Duration since{0};  ///< How long.
};

/// What a daemon said to the others.
struct Word {
  std::int64_t id = 0;
  std::string text;
};

/// Everything that a daemon needs to know to decide what to take and what to give.
struct Board {
  std::vector<Member> members;                ///< By session; dead ones too, for a day.
  std::vector<FreeGroup> free;                ///< By key; at most kFreeMax.
  std::map<std::string, std::uint64_t> held;  ///< Those of who asked, with their epochs.
  std::vector<Word> words;                    ///< Of others, in the last two minutes.
};

inline constexpr std::size_t kFreeMax = 20'000;

/// What is kept of a group so that the next holder goes on where the last one stood.
struct GroupState {
  base::WallTime evaluated_at;  ///< The last evaluation that was kept.
  std::string state;            ///< Of the rules; only the ruler reads it.
  std::string alerts;           ///< Told now, resolved ones for a while; only the app reads it.
};

/// A group that was taken.
struct Taken {
  std::string key;
  std::uint64_t epoch = 0;
  GroupState last;  ///< Empty texts: nobody has evaluated it before.
};

/// What an evaluation leaves.
struct GroupSave {
  std::string key;
  std::uint64_t epoch = 0;
  GroupState now;  ///< Empty texts: as they were.
};

/// The alerts of a group, changed since somebody looked.
struct ChangedGroup {
  std::string key;
  std::uint64_t version = 0;  ///< Grows with each change of the group's alerts.
  std::string alerts;
};

/// Where a reader of changes stands. Default: nowhere yet, everything is new.
struct ChangesCursor {
  std::int64_t written_from = 0;                  ///< Of the store; opaque.
  std::map<std::string, std::uint64_t> versions;  ///< Read so far, by group.
};

struct Holding {
  std::string key;
  std::string holder;  ///< The member's name; empty: nobody.
  std::uint64_t epoch = 0;
};

/// Thread: one. Errors of all: Unavailable, Timeout (try again), Io, Corruption. Every call may be
/// made again after an error.
class GroupStore {
 public:
  virtual ~GroupStore() = default;

  /// Says that `me` lives, for `term` from now, and answers with the board. An older session of the
  /// same name is dead from then on.
  virtual base::Result<Board> tend(const Member& me, base::Duration term) = 0;

  /// Makes rows for groups that are not known yet, and forgets those that nobody has held for a
  /// week.
  virtual base::Result<void> know(std::span<const std::string> keys) = 0;

  /// Takes those of `keys` that nobody holds, each under a new epoch. Of a group that somebody else
  /// is taking at this moment nothing is heard.
  virtual base::Result<std::vector<Taken>> take(const std::string& session,
                                                std::span<const std::string> keys) = 0;

  /// Gives groups back: they are free at once. Those whose epoch is not theirs are left alone.
  virtual base::Result<void> give(const std::map<std::string, std::uint64_t>& groups) = 0;

  /// Keeps what evaluations left, all in one transaction; returns the groups that were refused,
  /// because they have another epoch by now.
  virtual base::Result<std::set<std::string>> save(std::span<const GroupSave> saves) = 0;

  /// Says something to the other daemons that live; each hears it with a later tend().
  virtual base::Result<void> say(const std::string& session, const std::string& text) = 0;

  /// Returns groups whose alerts changed since the cursor, which moves on.
  virtual base::Result<std::vector<ChangedGroup>> changes(ChangesCursor& cursor) = 0;

  /// Returns all groups with their holders, by key; for people.
  virtual base::Result<std::vector<Holding>> holdings() = 0;

  /// Ends a session in an orderly way: its groups are free, nobody misses it.
  virtual base::Result<void> leave(const std::string& session) = 0;
};

}  // namespace tocsin::sharing
