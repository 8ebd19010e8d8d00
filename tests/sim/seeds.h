// What a simulation's program is told to run: `--seeds FROM-TO`, or `--seed N` with its story.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::sim {

struct Seeds {
  std::uint64_t first = 0;  ///< From 1.
  std::uint64_t last = 0;   ///< Inclusive.
  bool story = false;       ///< One seed, with all that happens.
};

/// Returns nullopt for arguments that say anything else.
inline std::optional<Seeds> parse_seeds(const std::vector<std::string_view>& arguments) {
  if (arguments.size() != 2) return std::nullopt;
  Seeds seeds{.story = arguments[0] == "--seed"};
  if (!seeds.story && arguments[0] != "--seeds") return std::nullopt;
  const std::string_view range = arguments[1];
  const std::size_t dash = range.find('-');
  seeds.first = base::parse_u64(range.substr(0, dash)).value_or(0);
  seeds.last = dash == std::string_view::npos ? seeds.first
                                              : base::parse_u64(range.substr(dash + 1)).value_or(0);
  if (seeds.first == 0 || seeds.last < seeds.first) return std::nullopt;
  return seeds;
}

}  // namespace tocsin::sim
