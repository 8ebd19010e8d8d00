// Reading a backup gently: in order, at a bounded rate, so that whoever works on the disk does not
// notice.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// Waits; for threads that may.
void pause_for(base::Duration duration);

/// The rate of one verification, over all files that it reads. Blocks its caller. Thread: one.
class Pace {
 public:
  /// `bytes_per_second` 0: as fast as it goes. `check` is asked every few tenths of a second; its
  /// error (Cancelled, Timeout) ends the reading.
  Pace(const base::Clock& clock, std::uint64_t bytes_per_second,
       std::function<base::Result<void>()> check);

  /// Waits until `bytes` more may have been read.
  base::Result<void> spend(std::size_t bytes);
  std::uint64_t bytes() const { return bytes_; }

 private:
  const base::Clock& clock_;
  std::uint64_t bytes_per_second_;
  std::function<base::Result<void>()> check_;
  base::MonotonicTime began_;
  std::uint64_t bytes_ = 0;
};

/// A file, read from its beginning to its end. Thread: one.
class PacedFile {
 public:
  static base::Result<PacedFile> open(const base::FileSystem& files, const std::string& path,
                                      Pace& pace);

  /// Returns the next bytes, none at the end; valid until the next call.
  base::Result<std::string_view> next();
  std::uint64_t size() const { return file_->size(); }

 private:
  PacedFile(std::unique_ptr<base::ReadFile> file, Pace& pace)
      : file_(std::move(file)), pace_(&pace) {}

  std::unique_ptr<base::ReadFile> file_;
  Pace* pace_;
  std::string chunk_;
  std::uint64_t offset_ = 0;
};

}  // namespace tocsin::agent
