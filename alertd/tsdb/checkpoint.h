// Writes all series with what of them is in no segment, in slices, so that the log before it can
// go.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "alertd/tsdb/head.h"
#include "alertd/tsdb/job.h"
#include "alertd/tsdb/series_table.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// One checkpoint being written. Owner: the store thread.
///
/// Appends may go on between the slices: they are in log files from `number` on, and replaying a
/// sample that the checkpoint already has is harmless. The file appears under its name only when it
/// is whole and synced; destroying the writer before finish() removes what was written.
class CheckpointWriter {
 public:
  /// `number` is that of the first log file that the checkpoint does not replace; `next_segment`
  /// that of the next segment: series know whether they are in one before. Errors: Io.
  static base::Result<std::unique_ptr<CheckpointWriter>> begin(base::FileSystem& files,
                                                               const std::string& folder,
                                                               std::uint64_t number,
                                                               std::uint64_t next_segment);
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
  void put_labels_before();

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t number_;
  std::unique_ptr<base::AppendFile> file_;
  HeadsWriter heads_;
  std::string labels_;         // of series in heads_ that no segment may have
  std::string labels_before_;  // of those in the frame before
  std::string frames_;
  Slot next_slot_ = 0;
  std::uint64_t series_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  bool finished_ = false;
};

/// A checkpoint of the head.
class CheckpointJob final : public Job {
 public:
  /// As CheckpointWriter::begin(). Errors: Io.
  static base::Result<std::unique_ptr<CheckpointJob>> begin(base::FileSystem& files,
                                                            const std::string& folder,
                                                            std::uint64_t number,
                                                            std::uint64_t next_segment,
                                                            const Head& head);
  base::Result<bool> step() override;
  std::uint64_t number() const { return writer_->number(); }
  /// Its size, once it is done.
  std::uint64_t bytes() const { return bytes_; }

 private:
  CheckpointJob(std::unique_ptr<CheckpointWriter> writer, const Head& head)
      : writer_(std::move(writer)), head_(head) {}

  std::unique_ptr<CheckpointWriter> writer_;
  const Head& head_;
  std::uint64_t bytes_ = 0;
};

}  // namespace tocsin::tsdb
