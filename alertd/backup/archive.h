// A backup as it lies on a disk: a folder, or one tar file (POSIX ustar) with the same paths.
//
// Which of the two it is, the name says: what ends in ".tar" is a tar file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "alertd/backup/manifest.h"
#include "common/base/file_system.h"

namespace tocsin::backup {

/// Makes a backup, file by file in the order of the manifest. Owner: one thread.
class ArchiveWriter {
 public:
  virtual ~ArchiveWriter() = default;

  virtual base::Result<void> begin_file(const FileEntry& entry) = 0;
  virtual base::Result<void> append(std::string_view bytes) = 0;
  virtual base::Result<void> end_file() = 0;
  /// From here on it is a backup: everything is synced and has its name. A writer that goes without
  /// it leaves something that nobody takes for a backup.
  virtual base::Result<void> finish() = 0;

  /// Errors: InvalidArgument (the folder is not empty, the file is there), Io, PermissionDenied.
  static base::Result<std::unique_ptr<ArchiveWriter>> make(base::FileSystem& files,
                                                           const std::string& path,
                                                           const Manifest& manifest);
};

/// Reads one. Thread: one at a time.
class ArchiveReader {
 public:
  using Part = std::function<base::Result<void>(std::string_view bytes)>;

  virtual ~ArchiveReader() = default;
  const Manifest& manifest() const { return manifest_; }

  /// Gives all bytes of a file of the manifest, in order, in parts of some MiB, and compares them
  /// with its size and checksum. Errors: Corruption (names the file), Io, those of `part`.
  base::Result<void> read(const FileEntry& entry, const Part& part) const;
  /// Reads everything. Errors: of read(), of the first file that is not as it was.
  base::Result<void> verify() const;

  /// Errors: NotFound, Corruption (no backup, or an unfinished one), InvalidArgument (a newer
  /// format).
  static base::Result<std::unique_ptr<ArchiveReader>> open(const base::FileSystem& files,
                                                           const std::string& path);

 protected:
  /// Opens a file of the backup; its bytes are [`begin`, `begin` + `bytes`) of what is returned.
  struct Piece {
    std::shared_ptr<const base::ReadFile> file;
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
  };
  virtual base::Result<Piece> find(const std::string& path) const = 0;
  base::Result<void> read_manifest();

 private:
  Manifest manifest_;
};

}  // namespace tocsin::backup
