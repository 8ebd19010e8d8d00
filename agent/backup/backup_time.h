// Of which time a backup is, beside what the file system says: by its name and by its content. A
// file that was touched, or copied anew, is as old as what is in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace tocsin::agent {

/// A time as a name or a content has it: without a zone, read as UTC.
struct ContentTime {
  base::WallTime at{};
  bool day_only = false;
};

/// Finds a date, with or without a time of day, in a file's name: "db-2026-11-27_0300.dump",
/// "20261127T030000Z.sql.gz". The last one counts.
std::optional<ContentTime> time_in_name(std::string_view name);

/// Reads the time in the first bytes of a file: of pg_dump's archives, of gzip.
std::optional<ContentTime> time_in_content(std::string_view begin);

/// Reads START TIME of backup_label: "START TIME: 2026-11-27 22:14:57 UTC".
std::optional<ContentTime> time_in_backup_label(std::string_view text);

/// Returns whether a file that was changed at `modified` was changed so long after `content` that
/// making the backup cannot have taken so long.
bool touched(base::WallTime modified, const ContentTime& content, base::Duration slack);

/// "age", "gpg", "openssl" by the first bytes; empty: not encrypted, as far as one can see.
std::string_view encryption_of(std::string_view begin);

}  // namespace tocsin::agent
