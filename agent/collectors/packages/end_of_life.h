// Until when releases get security updates. A table of dates, which configuration extends. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// ID and VERSION_ID of /etc/os-release; source: os-release(5).
struct OsRelease {
  std::string id;
  std::string version;  ///< "12"; empty for those that have none (testing, rolling).
  std::string id_like;
};
OsRelease parse_os_release(std::string_view text);

/// "debian 12" -> the day on which updates end.
class EndOfLife {
 public:
  /// The dates that ship (end_of_life_data.cc).
  static EndOfLife shipped();

  /// Adds or replaces one. Errors: InvalidArgument (`day` is not YYYY-MM-DD).
  base::Result<void> set(std::string_view release, std::string_view day);

  /// Looks for "`product` `version`", then for the version cut at its last dot, and so on:
  /// "rhel 9.4" is "rhel 9", "django 5.2.1" is "django 5.2".
  std::optional<base::WallTime> of(std::string_view product, std::string_view version) const;

 private:
  std::map<std::string, base::WallTime, std::less<>> days_;
};

/// The data file: lines "product version YYYY-MM-DD".
std::string_view end_of_life_data();

/// As of which day the makers' announcements are in it.
inline constexpr std::string_view kEndOfLifeDataOf = "2025-10-01";

}  // namespace tocsin::agent
