// Three ways to make a store fail; each returns what was wrong, empty if nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tocsin::store_faults {

using Tell = std::function<void(const std::string&)>;

/// How much of it.
struct Extent {
  int steps = 80;         ///< Of a life.
  std::size_t every = 1;  ///< Each so-and-so-many operation or byte.
  Tell tell = {};         ///< Gets what is done; empty: nobody wants to know.
};

/// A life with random faults and power losses.
std::vector<std::string> live(std::uint64_t seed, const Extent& extent);
/// The n-th operation fails, n = 1, 2, 3 … until nothing fails any more.
std::vector<std::string> sweep(std::uint64_t seed, const Extent& extent);
/// The n-th read of a start fails, n = 1, 2, 3 … until nothing fails any more.
std::vector<std::string> sweep_reads(std::uint64_t seed, const Extent& extent);
/// Bytes flipped and files cut.
std::vector<std::string> damage(std::uint64_t seed, const Extent& extent);

}  // namespace tocsin::store_faults
