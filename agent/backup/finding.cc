#include "agent/backup/finding.h"

#include <array>

namespace tocsin::agent {

namespace {

constexpr std::array<std::string_view, 6> kLevels = {"exists",   "size",    "structure",
                                                     "checksum", "restore", "pitr"};

}  // namespace

std::string_view to_string(VerifyLevel level) {
  return kLevels[static_cast<std::size_t>(level)];
}

std::optional<VerifyLevel> parse_verify_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == text) return static_cast<VerifyLevel>(i);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
