// The files and folders of a set: found by patterns, finished or not, of which time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/backup/backup_set.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// One backup that is finished.
struct BackupItem {
  std::string path{};
  bool folder = false;
  std::uint64_t size_bytes = 0;
  base::WallTime modified{};
  base::WallTime at{};   ///< Of which time it is: when it was changed, or what its content says.
  bool touched = false;  ///< Changed long after the time of its name or content.
};

/// What one look at a set found.
struct BackupLook {
  std::vector<BackupItem> items{};  ///< Newest first by `at`; at most 10,000.
  std::size_t unfinished = 0;
  std::vector<base::Error> failed{};  ///< Folders that cannot be listed, files of the future ...

  /// The one that was changed last, touched or not.
  const BackupItem* changed_last() const;
};

/// Expands a pattern: `*`, `?` and `[...]` within a part of the path, as fnmatch(3) has them;
/// hidden names only where the pattern has the dot. Returns at most `paths_max` paths, sorted.
/// Errors: those of listing a folder that must be there: NotFound, PermissionDenied.
base::Result<std::vector<std::string>> expand_backup_pattern(const base::FileSystem& files,
                                                             const std::string& pattern,
                                                             std::size_t paths_max);

/// Looks at a set again and again. Thread: one at a time.
class BackupFiles {
 public:
  BackupFiles(const BackupSet& set, const base::FileSystem& files) : set_(set), files_(files) {}

  BackupLook look(base::WallTime now);

 private:
  struct Seen {
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    bool folder_known = false;  ///< size is that of all that is in the folder.
    std::optional<base::WallTime> content_at{};
    bool touched = false;
  };

  void look_at(const std::string& path, base::WallTime now, std::map<std::string, Seen>& seen,
               BackupLook& look);
  /// The file that stands for a backup: itself, or what is written last into a folder.
  std::string mark_of(const std::string& path, bool folder) const;
  void read_content(const std::string& path, bool folder, Seen& seen) const;
  std::uint64_t size_of_folder(const std::string& folder, int depth, std::size_t& budget) const;

  const BackupSet& set_;
  const base::FileSystem& files_;
  std::map<std::string, Seen> seen_;
};

}  // namespace tocsin::agent
