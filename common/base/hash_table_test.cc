#include "common/base/hash_table.h"

#include <doctest/doctest.h>

#include <random>
#include <unordered_map>

namespace tocsin::base {

TEST_CASE("a hash table finds what a map finds, also where hashes meet") {
  // Few hashes, so that runs are long and wrap around.
  const auto hash_of = [](std::uint64_t value) { return (value % 97) * 0x9e3779b97f4a7c15ULL; };
  const auto is = [](std::uint64_t value) {
    return [value](std::uint64_t other) { return other == value; };
  };
  std::mt19937_64 random(3);
  HashTable<std::uint64_t> table;
  std::unordered_map<std::uint64_t, bool> there;
  CHECK(table.find(1, is(1)) == 0);
  table.erase(1, is(1));
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t value = 1 + random() % 400;
    if (random() % 2 == 0) {
      table.put(hash_of(value), value, is(value));
      there[value] = true;
    } else {
      table.erase(hash_of(value), is(value));
      there.erase(value);
    }
    REQUIRE(table.size() == there.size());
    const std::uint64_t other = 1 + random() % 400;
    REQUIRE(table.find(hash_of(other), is(other)) == (there.contains(other) ? other : 0));
  }
  table.clear();
  CHECK(table.size() == 0);
}

}  // namespace tocsin::base
