// Randomness is passed in: seeded in tests, the kernel's in production.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace tocsin::base {

/// Source of random numbers. Thread: one at a time.
class Random {
 public:
  virtual ~Random() = default;

  /// Returns 64 uniform bits. The real implementation's are fit for tokens and keys.
  virtual std::uint64_t next() = 0;

  /// Returns a uniform number in [0, 1).
  double unit();
  /// Returns a uniform integer in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Returns 2 * `bytes` lower-case hexadecimal digits.
  std::string hex(std::size_t bytes);
};

/// Bits from getrandom(2).
std::unique_ptr<Random> make_real_random();

/// The same sequence for the same seed, on every machine (splitmix64).
std::unique_ptr<Random> make_seeded_random(std::uint64_t seed);

}  // namespace tocsin::base
