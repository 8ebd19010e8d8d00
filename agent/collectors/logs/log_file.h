// Files that somebody else writes, renames, cuts and deletes while we read them.
//
// base::FileSystem names files by path. Whoever follows a log must know whether the path still
// means the file that is open: here is the descriptor with the file's identity.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// Which file it is, whatever it is called. Used again by the kernel once the file is gone.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  auto operator<=>(const FileIdentity&) const = default;
};

struct LogFileStatus {
  FileIdentity identity;
  std::uint64_t size = 0;  ///< Bytes.
  base::WallTime modified;
  std::optional<base::WallTime> born;  ///< Not every file system knows.
};

/// An open log; closed with the object. Thread: one at a time.
class LogFile {
 public:
  /// Errors: NotFound, PermissionDenied (says which group helps), InvalidArgument (no regular file:
  /// a pipe would block), Io.
  static base::Result<LogFile> open(const std::string& path);
  ~LogFile();
  LogFile(LogFile&& other) noexcept;
  LogFile& operator=(LogFile&& other) noexcept;

  const FileIdentity& identity() const { return identity_; }
  base::Result<LogFileStatus> status() const;
  /// Reads into `buffer`; what is returned is part of it, and empty at the end. Errors: Io.
  base::Result<std::string_view> read_at(std::uint64_t offset, std::span<char> buffer) const;

 private:
  LogFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
  FileIdentity identity_;
};

/// Follows symbolic links. Errors: NotFound, PermissionDenied, Io.
base::Result<LogFileStatus> log_file_status(const std::string& path);

/// Returns the paths that match, sorted, at most `paths_max`. `*`, `?` and `[...]` match within one
/// part of the path; a pattern without them is returned as it is. Compressed files are left out.
/// Errors: those of the folder that cannot be listed.
base::Result<std::vector<std::string>> expand_pattern(const base::FileSystem& files,
                                                      const std::string& pattern,
                                                      std::size_t paths_max);

/// Returns the files beside `path` that look like older parts of it: "a.log.1", "a.log-20261127",
/// "a-20261127.log", compressed ones included.
std::vector<std::string> rotated_siblings(const base::FileSystem& files, const std::string& path);

/// Returns the position behind the last slash.
std::size_t name_begin(std::string_view path);

}  // namespace tocsin::agent
