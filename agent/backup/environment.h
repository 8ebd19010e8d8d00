// Whether the place where a backup was restored is like the one that it comes from.
//
// A dump says nothing of the version, the locale and the extensions that its data rely on: it may
// restore, and then sort, compare or compute otherwise.
#pragma once

#include <map>
#include <set>
#include <string>

#include "agent/backup/restored_rows.h"

namespace tocsin::agent {

/// What a database runs in.
struct DatabaseEnvironment {
  int major_version = 0;
  std::string encoding{};
  std::string locale{};                             ///< LC_COLLATE.
  std::map<std::string, std::string> extensions{};  ///< With their versions.
  /// Locales that the operating system has, in the spelling of locale_key().
  std::set<std::string> known_locales{};
};

/// Returns a locale's name as it is compared: "en_US.UTF-8" and "en_US.utf8" are one.
std::string locale_key(const std::string& name);

/// Returns what differs, by part: version, encoding, locale, extensions. A scratch cluster has a
/// locale of its own; that the live one is known where it runs is enough.
std::map<std::string, bool> differences(const DatabaseEnvironment& live,
                                        const DatabaseEnvironment& restored);

/// Asks both; empty if no live server is configured. Errors: one of them does not answer.
base::Result<std::map<std::string, bool>> compare_environments(const ScratchCluster& cluster,
                                                               const DrillSettings& drill,
                                                               const RestoredData& data);

}  // namespace tocsin::agent
