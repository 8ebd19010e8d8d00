// The write-ahead log: append-only files; what makes an acknowledgement durable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// Writes frames into numbered files. Owner: the store thread.
///
/// A failed write or sync poisons the log: the tail of the file is then unknown, so nothing more
/// goes into it, and every later call fails until reopen() has begun a new one. Never is a sync
/// repeated on the same file: the kernel may have dropped what it could not write. Format:
/// WAL_FORMAT.md. Fault model: common/sim/sim_file_system.h.
class Wal {
 public:
  /// `logs` are the files already on disk (number -> bytes); `next_number` is free.
  Wal(base::FileSystem& files, std::string folder, std::uint64_t file_bytes,
      std::map<std::uint64_t, std::uint64_t> logs, std::uint64_t next_number)
      : files_(files),
        folder_(std::move(folder)),
        file_bytes_(file_bytes),
        logs_(std::move(logs)),
        next_number_(next_number) {}

  /// Appends whole frames; starts a new file first if this one is full. Not durable before
  /// sync(). Errors: Io, Unavailable (poisoned before).
  base::Result<void> append(std::string_view frames);
  /// Makes everything appended survive power loss. Errors: as append.
  base::Result<void> sync();
  /// Declares everything appended so far good: reopen() will not cut it off.
  void accept() { good_bytes_ = file_ ? file_->size() : 0; }

  /// Starts a new file and returns its number; what came before is synced. Errors: as append.
  base::Result<std::uint64_t> rotate();
  /// Leaves the suspect file behind (cut to what was accepted, if the disk lets us) and starts a
  /// new one. Errors: Io; then still poisoned, try again later.
  base::Result<void> reopen();
  /// Removes the files before `number`. Returns how many could not be removed.
  std::size_t remove_before(std::uint64_t number);

  /// The numbers of the files, ascending.
  std::vector<std::uint64_t> numbers() const;
  bool poisoned() const { return file_ == nullptr; }
  std::uint64_t bytes() const;

 private:
  base::Result<void> open_log();
  base::Error poison(base::Error error);

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t file_bytes_;
  std::map<std::uint64_t, std::uint64_t> logs_;  // number -> bytes
  std::uint64_t next_number_;
  std::uint64_t number_ = 0;
  std::unique_ptr<base::AppendFile> file_;  // null: poisoned, or not opened yet
  std::uint64_t good_bytes_ = 0;
};

}  // namespace tocsin::tsdb
