// Files are passed in: the real disk in production, a simulated one that tears writes in tests.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::base {

/// A file open for appending. Thread: one at a time.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  /// Appends all of `bytes`. Errors: Io (disk full says so); the tail is then unknown.
  virtual Result<void> append(std::string_view bytes) = 0;
  /// Makes everything appended survive power loss. Errors: Io; never retry on the same file.
  virtual Result<void> sync() = 0;
  /// Returns the length including what was appended.
  virtual std::uint64_t size() const = 0;
};

/// A file open for reading at positions. Thread: any.
class ReadFile {
 public:
  virtual ~ReadFile() = default;
  /// Reads up to `length` bytes at `offset`; shorter at the end of the file.
  virtual Result<std::string> read_at(std::uint64_t offset, std::size_t length) const = 0;
  virtual std::uint64_t size() const = 0;
};

/// The bytes of a file in memory, without reading them first where the system can map files.
/// They are as they were when mapped: nobody may shorten the file meanwhile. Thread: any.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::string_view bytes() const = 0;
  /// Gives the memory back; the next access gets the bytes from the page cache or the disk.
  virtual void release_pages() const {}
};

/// Room on the file system that holds a path, in bytes.
struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  ///< For this process, not for root.
};

/// The operations on files that Tocsin uses. Paths are plain strings. Thread: any.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Reads a whole file of at most `bytes_max`; works for /proc, whose sizes read as 0.
  /// Errors: NotFound, PermissionDenied, LimitExceeded (bytes_max), Io.
  virtual Result<std::string> read(const std::string& path, std::size_t bytes_max) const = 0;

  /// Replaces `path` with `content` as a whole: a new file, synced, renamed over, folder synced.
  virtual Result<void> write_atomic(const std::string& path, std::string_view content,
                                    mode_t mode) = 0;

  /// Opens for appending, creating with `mode` if missing.
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path, mode_t mode) = 0;
  virtual Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) const = 0;
  /// Maps the whole file; here: reads it. Errors: as read().
  virtual Result<std::unique_ptr<MappedFile>> map(const std::string& path) const;

  /// Returns the names (not paths) in a folder, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;
  /// Creates the folder and its parents with mode 0700 where missing.
  virtual Result<void> create_folders(const std::string& folder) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Gives a file that nobody changes any more a second name, `to` (must not exist), that survives
  /// as sync_folder says: a hard link, or here and where that is not possible a synced copy.
  virtual Result<void> link(const std::string& from, const std::string& to);
  /// Cuts the file to `size_bytes` and syncs it.
  virtual Result<void> truncate(const std::string& path, std::uint64_t size_bytes) = 0;
  /// Makes creations, renames and removals inside `folder` survive power loss.
  virtual Result<void> sync_folder(const std::string& folder) = 0;

  virtual bool exists(const std::string& path) const = 0;
  virtual bool is_folder(const std::string& path) const = 0;
  virtual Result<std::uint64_t> size(const std::string& path) const = 0;
  /// Returns the permission bits, e.g. 0640.
  virtual Result<mode_t> mode(const std::string& path) const = 0;
  /// Returns the time of the last change in nanoseconds since 1970.
  virtual Result<std::int64_t> modified_ns(const std::string& path) const = 0;
  /// Returns the target of a symbolic link.
  virtual Result<std::string> read_link(const std::string& path) const = 0;
  virtual Result<DiskSpace> space(const std::string& path) const = 0;
};

/// The operating system's files.
std::unique_ptr<FileSystem> make_real_file_system();

/// Returns `folder`/`name` with exactly one slash between.
std::string join_path(std::string_view folder, std::string_view name);

}  // namespace tocsin::base
