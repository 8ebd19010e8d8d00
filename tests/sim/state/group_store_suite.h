// What every GroupStore must do. Include from a *_test.cc only.
#pragma once

#include <doctest/doctest.h>

#include <functional>

#include "alertd/sharing/group_store.h"

namespace tocsin::sharing {

/// Two daemons' stores over the same tables, empty at the start. `pass` lets the tables' clock run.
struct GroupStoresUnderTest {
  GroupStore& first;
  GroupStore& second;
  std::function<void(base::Duration)> pass;
};

inline Board suite_tend(GroupStore& store, const std::string& session, base::Duration term) {
  Member me;
  me.session = session;
  me.name = "host of " + session.substr(0, 1);
  me.rules = "r1";
  auto board = store.tend(me, term);
  REQUIRE_MESSAGE(board, board);
  return std::move(*board);
}

inline std::map<std::string, Taken> suite_take(GroupStore& store, const std::string& session,
                                               const std::vector<std::string>& keys) {
  auto taken = store.take(session, keys);
  REQUIRE_MESSAGE(taken, taken);
  std::map<std::string, Taken> by_key;
  for (Taken& one : *taken) by_key[one.key] = std::move(one);
  return by_key;
}

inline std::set<std::string> suite_save(GroupStore& store, const std::vector<GroupSave>& saves) {
  auto refused = store.save(saves);
  REQUIRE_MESSAGE(refused, refused);
  return *refused;
}

inline GroupSave suite_saved(const Taken& group, std::int64_t at, const std::string& state,
                             const std::string& alerts) {
  return {group.key, group.epoch, {base::wall_time(at), state, alerts}};
}

inline void suite_group_leases(const GroupStoresUnderTest& test) {
  constexpr base::Duration kTerm{1'500};
  const std::vector<std::string> keys{"a/g", "b/\xff\n", "c"};
  REQUIRE(test.first.know(keys));
  REQUIRE(test.second.know(keys));
  Board board = suite_tend(test.first, "one", kTerm);
  CHECK(board.members.size() == 1);
  CHECK(board.free.size() == 3);
  // Keys come back as they are kept; what the tables cannot keep is replaced.
  std::vector<std::string> kept;
  for (const FreeGroup& group : board.free) kept.push_back(group.key);
  auto mine = suite_take(test.first, "one", kept);
  REQUIRE(mine.size() == 3);
  CHECK(mine.at("a/g").last.state.empty());
  CHECK(suite_take(test.first, "one", kept).empty());  // held, by itself too

  board = suite_tend(test.second, "two", kTerm);
  REQUIRE(board.members.size() == 2);
  CHECK(board.members[0].held == 3);
  CHECK(board.members[1].held == 0);
  CHECK(board.free.empty());
  CHECK(suite_take(test.second, "two", kept).empty());

  // What is kept moves with the group; what is empty stays as it was.
  CHECK(suite_save(test.first, {suite_saved(mine.at("a/g"), 1'000, "state 1", "alerts 1"),
                                suite_saved(mine.at("c"), 1'000, "state c", "")})
            .empty());
  CHECK(suite_save(test.first, {suite_saved(mine.at("a/g"), 2'000, "", "")}).empty());
  CHECK(suite_save(test.first, {suite_saved(mine.at("a/g"), 3'000, "state 3", "")}).empty());
  REQUIRE(test.first.give({{"a/g", mine.at("a/g").epoch}}));
  CHECK(suite_save(test.first, {suite_saved(mine.at("a/g"), 4'000, "late", "late")}).size() == 1);
  const Taken moved = suite_take(test.second, "two", {"a/g"}).at("a/g");
  CHECK(moved.epoch > mine.at("c").epoch);
  CHECK(moved.last.state == "state 3");
  CHECK(moved.last.alerts == "alerts 1");
  CHECK(base::to_ms(moved.last.evaluated_at) == 3'000);
  // Giving what is another's by now changes nothing.
  REQUIRE(test.first.give({{"a/g", mine.at("a/g").epoch}}));
  CHECK(suite_tend(test.second, "two", kTerm).held ==
        std::map<std::string, std::uint64_t>{{"a/g", moved.epoch}});

  // Whoever says nothing for the term is dead: its groups are free, and its results refused once
  // somebody has taken them.
  test.pass(kTerm / 2);
  suite_tend(test.second, "two", kTerm);
  test.pass(kTerm / 2 + base::Duration{200});
  board = suite_tend(test.second, "two", kTerm);
  CHECK(board.free.size() == 2);
  REQUIRE(board.members.size() == 2);
  CHECK(!board.members[0].live);
  CHECK(suite_save(test.first, {suite_saved(mine.at("c"), 5'000, "still", "")}).empty());
  const Taken next = suite_take(test.second, "two", {"c"}).at("c");
  CHECK(next.last.state == "still");
  CHECK(suite_save(test.first, {suite_saved(mine.at("c"), 6'000, "zombie", "zombie")}) ==
        std::set<std::string>{"c"});
  CHECK(suite_save(test.second, {suite_saved(next, 6'000, "mine", "")}).empty());

  // Late, but nobody has taken it: it goes on under its epoch.
  board = suite_tend(test.first, "one", kTerm);
  CHECK(board.held.size() == 1);

  // The same daemon, started again: what its last life held is free at once.
  board = suite_tend(test.first, "once more", kTerm);
  CHECK(board.members.size() == 2);
  CHECK(board.free.size() == 1);

  // What one says the others hear.
  REQUIRE(test.second.say("two", "forget\xff"));
  board = suite_tend(test.first, "once more", kTerm);
  REQUIRE(board.words.size() == 1);
  CHECK(board.words.front().text == "forget\xff");
  CHECK(suite_tend(test.second, "two", kTerm).words.empty());

  const auto holdings = test.first.holdings();
  REQUIRE_MESSAGE(holdings, holdings);
  REQUIRE(holdings->size() == 3);
  CHECK(holdings->front().key == "a/g");
  CHECK(holdings->front().holder == "host of t");
  CHECK((*holdings)[1].holder.empty());

  REQUIRE(test.second.leave("two"));
  board = suite_tend(test.first, "once more", kTerm);
  CHECK(board.members.size() == 1);
  CHECK(board.free.size() == 3);
}

inline void suite_group_changes(const GroupStoresUnderTest& test) {
  constexpr base::Duration kTerm{60'000};
  const std::vector<std::string> keys{"a", "b", "c"};
  REQUIRE(test.first.know(keys));
  suite_tend(test.first, "one", kTerm);
  auto mine = suite_take(test.first, "one", keys);
  const auto changes = [&](ChangesCursor& cursor) {
    auto changed = test.second.changes(cursor);
    REQUIRE_MESSAGE(changed, changed);
    std::map<std::string, std::string> by_key;
    for (const ChangedGroup& group : *changed) by_key[group.key] = group.alerts;
    return by_key;
  };
  using Changed = std::map<std::string, std::string>;
  ChangesCursor cursor;
  CHECK(changes(cursor).empty());
  suite_save(test.first,
             {suite_saved(mine.at("a"), 1, "s", "a1"), suite_saved(mine.at("b"), 1, "s", "b1"),
              suite_saved(mine.at("c"), 1, "s", "")});
  CHECK(changes(cursor) == Changed{{"a", "a1"}, {"b", "b1"}});
  CHECK(changes(cursor).empty());
  suite_save(test.first, {suite_saved(mine.at("a"), 2, "s2", "")});
  CHECK(changes(cursor).empty());
  suite_save(test.first, {suite_saved(mine.at("b"), 2, "s2", "b2")});
  suite_save(test.first, {suite_saved(mine.at("b"), 3, "s2", "b3")});
  CHECK(changes(cursor) == Changed{{"b", "b3"}});
  ChangesCursor fresh;
  CHECK(changes(fresh) == Changed{{"a", "a1"}, {"b", "b3"}});
}

}  // namespace tocsin::sharing
