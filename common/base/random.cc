#include "common/base/random.h"

#include <fmt/core.h>
#include <sys/random.h>

#include "common/base/check.h"

namespace tocsin::base {
namespace {

class RealRandom final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t bits = 0;
    // Reads of up to 256 bytes are never short once the pool is seeded (getrandom(2)).
    TC_CHECK(::getrandom(&bits, sizeof bits, 0) == sizeof bits, "getrandom failed");
    return bits;
  }
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  // Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace

double Random::unit() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

std::uint64_t Random::below(std::uint64_t bound) {
  TC_CHECK(bound > 0, "empty range");
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;  // reject the uneven tail
  std::uint64_t bits = next();
  while (bits >= limit) bits = next();
  return bits % bound;
}

std::string Random::hex(std::size_t bytes) {
  std::string text;
  while (text.size() < 2 * bytes) text += fmt::format("{:016x}", next());
  text.resize(2 * bytes);
  return text;
}

std::unique_ptr<Random> make_real_random() {
  return std::make_unique<RealRandom>();
}

std::unique_ptr<Random> make_seeded_random(std::uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace tocsin::base
