// The segments of the store's folder: opening them, adding, dropping, putting damaged ones aside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "alertd/tsdb/segment.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// Owner: the store thread. Readers have set(), which they keep as long as they read.
class SegmentFolder {
 public:
  SegmentFolder(base::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)), set_(std::make_shared<const SegmentSet>()) {}

  /// Maps all segments. Those that another one was made of go: a crash came before their removal.
  /// Damage is no error. Errors: Io.
  base::Result<void> open();

  const SegmentSetPtr& set() const { return set_; }
  /// Returns a number that no file ever had.
  std::uint64_t take_number() { return next_number_++; }
  std::uint64_t next_number() const { return next_number_; }
  /// Numbers before this one were used, though their files are gone.
  void saw_next_number(std::uint64_t number) { next_number_ = std::max(next_number_, number); }

  /// Takes up the segment `number`, which was written, in place of those it replaces. Files go with
  /// retire(), once nobody points into them. Errors: Io (the set is unchanged).
  base::Result<std::vector<SegmentPtr>> add(std::uint64_t number);
  /// Takes segments out of the set.
  void take_out(const std::vector<SegmentPtr>& segments);
  /// Removes the files of segments that are in the set no more; damaged ones are renamed instead.
  void retire(const std::vector<SegmentPtr>& segments);

  /// Checks so many bytes of records, going on where the last call ended: damage that nobody reads
  /// is found too.
  void scrub(std::uint64_t bytes);
  /// Returns the damaged segments.
  std::vector<SegmentPtr> damaged() const;
  std::uint64_t bytes() const;
  std::uint64_t samples() const;

 private:
  void put_aside(const Segment& segment);
  void remove(const Segment& segment);

  base::FileSystem& files_;
  std::string folder_;
  SegmentSetPtr set_;
  std::uint64_t next_number_ = 1;
  std::uint64_t scrubbed_number_ = 0;  // of the segment that scrub() is at
  std::uint64_t scrubbed_record_ = 0;
};

}  // namespace tocsin::tsdb
