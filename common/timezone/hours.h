// Hours of the day on days of the week: when somebody works, when a layer of a schedule holds.
//
// Hours that end at or before their begin go over midnight and belong to the day they begin on:
// 18:00-08:00 on mon-fri ends on Saturday at 08:00.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "common/timezone/zone.h"

namespace tocsin::timezone {

struct Hours {
  std::array<bool, 7> weekdays{true, true, true, true, true, true, true};  ///< Monday first.
  std::chrono::minutes from{0};
  std::chrono::minutes to{24 * 60};

  bool covers(const Zone& zone, base::WallTime at) const;
};

/// Parses "09:00-17:30". Errors: InvalidArgument (malformed, or of no length).
base::Result<Hours> parse_hours(std::string_view text);

/// Parses "mon-fri", "sat,sun", "fri-mon". Errors: InvalidArgument.
base::Result<std::array<bool, 7>> parse_weekdays(std::string_view text);

/// Returns whether one of them covers the instant; none at all covers everything.
bool covers(const std::vector<Hours>& hours, const Zone& zone, base::WallTime at);

/// Returns the first instant after `at` at which covers() may say something else; nullopt: never.
std::optional<base::WallTime> next_edge(const std::vector<Hours>& hours, const Zone& zone,
                                        base::WallTime at);

/// Returns the first instant at or after `at` that is covered.
base::WallTime next_covered(const std::vector<Hours>& hours, const Zone& zone, base::WallTime at);

}  // namespace tocsin::timezone
