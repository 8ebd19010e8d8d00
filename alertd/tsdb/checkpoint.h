// Writes all series with their chunks into one file, in slices, so that the log before it can go.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "alertd/tsdb/series_table.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// One checkpoint being written. Owner: the store thread.
///
/// Appends may go on between the slices: they are in segments from `number` on, and replaying a
/// sample that the checkpoint already has is harmless. The file appears under its name only when it
/// is whole and synced; destroying the writer before finish() removes what was written.
class CheckpointWriter {
 public:
  /// `number` is that of the first segment that the checkpoint does not replace. Errors: Io.
  static base::Result<std::unique_ptr<CheckpointWriter>> begin(base::FileSystem& files,
                                                               const std::string& folder,
                                                               std::uint64_t number);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Writes up to `series_max` more series. Returns true when all are written. Errors: Io.
  base::Result<bool> step(const SeriesTable& table, std::size_t series_max);
  /// Ends the file, syncs it and gives it its name. Returns its size. Errors: Io.
  base::Result<std::uint64_t> finish();
  std::uint64_t number() const { return number_; }

 private:
  CheckpointWriter(base::FileSystem& files, std::string folder, std::uint64_t number)
      : files_(files), folder_(std::move(folder)), number_(number) {}
  std::string temporary_path() const;
  base::Result<void> flush();

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t number_;
  std::unique_ptr<base::AppendFile> file_;
  std::string payload_;
  std::string frames_;
  Slot next_slot_ = 0;
  std::uint64_t series_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace tocsin::tsdb
