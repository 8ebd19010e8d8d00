#include "alertd/sharing/assignment.h"

#include <doctest/doctest.h>

#include "common/base/random.h"

namespace tocsin::sharing {
namespace {

std::vector<std::string> keys(std::size_t count) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back("group " + std::to_string(1000 + i));
  return keys;
}

Member member(const std::string& session, std::size_t held, const std::string& rules = "r1") {
  return {session, "host of " + session, rules, held, true};
}

}  // namespace

TEST_CASE("assignment: one daemon takes everything") {
  const auto known = keys(5);
  Board board;
  board.members = {member("a", 0)};
  for (const auto& key : known) board.free.push_back({key, {}});
  CHECK(plan_moves(board, "a", known, false).take.size() == 5);
}

TEST_CASE("assignment: free groups are shared evenly, and all of them are taken") {
  const auto known = keys(10);
  Board board;
  board.members = {member("a", 0), member("b", 0), member("c", 0)};
  for (const auto& key : known) board.free.push_back({key, {}});
  std::size_t sum = 0;
  for (const char* session : {"a", "b", "c"}) {
    const std::size_t share = plan_moves(board, session, known, false).take.size();
    CHECK((share == 3 || share == 4));
    sum += share;
  }
  CHECK(sum == 10);
}

TEST_CASE("assignment: above the share is given only when settled, gently, and not to nobody") {
  const auto known = keys(100);
  Board board;
  board.members = {member("a", 100), member("b", 0)};
  for (const auto& key : known) board.held[key] = 1;
  CHECK(plan_moves(board, "a", known, false).give.empty());
  CHECK(plan_moves(board, "a", known, true).give.size() == 8);
  CHECK(plan_moves(board, "b", known, true).take.empty());
  // Of those on their way there is room for no more.
  board.members = {member("a", 100), member("b", 0)};
  for (std::size_t i = 0; i < 48; ++i) board.held.erase(known[i]);
  CHECK(plan_moves(board, "a", known, true).give.size() == 2);
  // A peer with other rules may not know these groups at all.
  board.members = {member("a", 100), member("b", 0, "r2")};
  for (const auto& key : known) board.held[key] = 1;
  CHECK(plan_moves(board, "a", known, true).give.empty());
}

TEST_CASE("assignment: a difference of one moves nothing") {
  const auto known = keys(5);
  Board board;
  board.members = {member("a", 3), member("b", 2)};
  for (std::size_t i = 0; i < 3; ++i) board.held[known[i]] = 1;
  CHECK(plan_moves(board, "a", known, true).give.empty());
  board.members = {member("a", 2), member("b", 3)};
  board.held.erase(known[0]);
  CHECK(plan_moves(board, "a", known, true).give.empty());
}

TEST_CASE("assignment: what stays free too long is taken beyond the share") {
  const auto known = keys(4);
  Board board;
  board.members = {member("a", 2), member("b", 0)};  // b has died, but its term is not over
  board.held = {{known[0], 1}, {known[1], 2}};
  board.free = {{known[2], base::Duration{1'000}}, {known[3], base::Duration{4'000}}};
  CHECK(plan_moves(board, "a", known, true).take == std::vector<std::string>{known[3]});
}

TEST_CASE("assignment: groups that are gone from the files are given back at once") {
  const auto known = keys(2);
  Board board;
  board.members = {member("a", 3)};
  board.held = {{known[0], 1}, {known[1], 2}, {"gone", 3}};
  CHECK(plan_moves(board, "a", known, false).give == std::vector<std::string>{"gone"});
  CHECK(plan_moves(board, "nobody", known, false).give.empty());
}

TEST_CASE("assignment: from any start, rounds of all daemons end in an even share") {
  const auto random = base::make_seeded_random(7);
  for (int round = 0; round < 300; ++round) {
    const auto known = keys(random->below(200));
    const std::size_t count = 1 + random->below(8);
    std::vector<Board> boards(count);
    std::vector<std::size_t> holder(known.size());
    for (auto& one : holder) one = random->below(count + 1);  // the last one: free
    for (int step = 0; step < 80; ++step) {
      Board all;
      for (std::size_t d = 0; d < count; ++d) all.members.push_back(member(std::to_string(d), 0));
      for (std::size_t g = 0; g < known.size(); ++g) {
        if (holder[g] == count) all.free.push_back({known[g], {}});
        if (holder[g] < count) ++all.members[holder[g]].held;
      }
      const std::vector<std::size_t> before = holder;
      for (std::size_t d = 0; d < count; ++d) {
        Board board = all;
        for (std::size_t g = 0; g < known.size(); ++g) {
          if (before[g] == d) board.held[known[g]] = 1;
        }
        const Moves moves = plan_moves(board, std::to_string(d), known, true);
        for (std::size_t g = 0; g < known.size(); ++g) {
          const auto has = [&](const auto& list) {
            return std::find(list.begin(), list.end(), known[g]) != list.end();
          };
          if (holder[g] == count && before[g] == count && has(moves.take)) holder[g] = d;
          if (holder[g] == d && has(moves.give)) holder[g] = count;
        }
      }
      if (holder == before && step > 0) break;
    }
    std::vector<std::size_t> held(count + 1);
    for (const std::size_t one : holder) ++held[one];
    CHECK(held[count] == 0);
    const auto [least, most] = std::minmax_element(held.begin(), held.end() - 1);
    CHECK(*most - *least <= 1);
  }
}

}  // namespace tocsin::sharing
