// The labels of new series once more, some way behind the first time in the log.
//
// A series' labels stand in the log once and thousands of its samples after them: were the labels
// lost with a flipped byte or a bad block, these would be nobody's. So each group of batches ends
// with a second copy of its Series frames, which damage to one frame does not reach. If there are
// few of them, so that one bad block could take both, they come a third time 64 to 128 KiB later.
// A frame that was read once changes nothing when it comes again. Layout: WAL_FORMAT.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tocsin::tsdb {

/// Frames that wait for their distance. Owner: the store thread.
class RepeatedFrames {
 public:
  static constexpr std::uint64_t kDistanceBytes = 64 << 10;

  /// Notes that a group of `bytes` is in the log, twice with these Series frames, perhaps none. Not
  /// with kDistanceBytes of them: a frame and its copy are as far apart as all of them are long.
  void wrote(std::uint64_t bytes, std::string_view series_frames) {
    since_ += bytes;
    young_ += series_frames;
    if (since_ < kDistanceBytes) return;
    since_ = 0;
    due_ += old_;
    old_ = std::exchange(young_, {});
  }
  /// What is to be written with the next group; it stays due until dropped.
  const std::string& due() const { return due_; }
  /// The due frames are in the log.
  void drop_due() { due_ = {}; }

 private:
  std::string young_;  // less than the distance behind
  std::string old_;
  std::string due_;
  std::uint64_t since_ = 0;  // bytes, from when old_ was young
};

}  // namespace tocsin::tsdb
