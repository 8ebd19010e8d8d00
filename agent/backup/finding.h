// What is wrong with a backup: a word for a label and a sentence for a person; and how far one
// looked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Why a backup is not good.
struct Finding {
  std::string reason{};  ///< A word of a small set, fit for a label: "truncated".
  std::string text{};    ///< A sentence without personal data.
};

/// nullopt: nothing is wrong.
using Found = std::optional<Finding>;

inline constexpr std::string_view kCancelled = "cancelled";

inline Finding finding(std::string_view reason, std::string text) {
  return {std::string(reason), std::move(text)};
}

/// A file that cannot be read is not a good backup; a reading that was given up says nothing.
inline Finding unreadable(const base::Error& error) {
  const bool given_up =
      error.code == base::ErrorCode::Cancelled || error.code == base::ErrorCode::Timeout;
  if (given_up) return finding(kCancelled, error.message);
  return finding(error.code == base::ErrorCode::NotFound ? "missing" : "unreadable", error.message);
}

/// How far a backup was looked into; each level includes those before.
enum class VerifyLevel {
  Exists,     ///< V0: it is there, finished, and of the time that it should be.
  Size,       ///< V1: of a plausible size, and begins as what it says it is.
  Structure,  ///< V2: read in full and decompressed; complete; has tables.
  Checksum,   ///< V3: equal to its checksum, or to the copy elsewhere.
  Restore,    ///< V4: restored into a scratch cluster, rows counted.
  Pitr,       ///< V5: recovered to a point in time.
};

/// "exists", "size", "structure", "checksum", "restore", "pitr": the label `level`.
std::string_view to_string(VerifyLevel level);
std::optional<VerifyLevel> parse_verify_level(std::string_view text);

}  // namespace tocsin::agent
