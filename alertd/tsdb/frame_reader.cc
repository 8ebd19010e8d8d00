#include "alertd/tsdb/frame_reader.h"

#include <algorithm>

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kReadBytes = 4 << 20;

}  // namespace

base::Result<void> FrameReader::fill(std::size_t bytes) {
  if (rest().size() >= bytes || read_ >= file_.size()) return base::ok();
  buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t missing = bytes - buffer_.size();
  const std::uint64_t left = file_.size() - read_;
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(missing, kReadBytes)));
  auto answer = file_.read_at(read_, wanted);
  // What cannot be read is taken for damaged and put aside: not for one failure.
  if (!answer) answer = file_.read_at(read_, wanted);
  TC_TRY(const std::string more, std::move(answer));
  // A file that is shorter than it said reads as if it ended here.
  read_ = more.size() < wanted ? file_.size() : read_ + more.size();
  buffer_ += more;
  return base::ok();
}

base::Result<bool> FrameReader::frame_here(Frame& frame) {
  TC_TRY(fill(kFrameHeaderBytes));
  const auto header = read_frame_header(rest());
  if (!header) return false;
  TC_TRY(fill(kFrameHeaderBytes + header->length));
  if (rest().size() < kFrameHeaderBytes + header->length) return false;
  const std::string_view payload = rest().substr(kFrameHeaderBytes, header->length);
  if (!frame_matches(*header, payload)) return false;
  frame = {header->type, payload};
  at_ += kFrameHeaderBytes + payload.size();
  return true;
}

base::Result<void> FrameReader::skip_to_magic() {
  std::size_t skip = 1;
  for (;;) {
    const std::size_t found = rest().find(kFrameMagic, skip);
    if (found != std::string_view::npos) {
      skip = found;
      break;
    }
    // Keep the last bytes: a magic may be cut by the end of the buffer.
    const std::size_t keep = std::min(rest().size(), kFrameMagic.size() - 1);
    const std::size_t passed = std::max<std::size_t>(rest().size() - keep, skip);
    if (read_ >= file_.size()) {
      skip = rest().size();
      break;
    }
    at_ += passed;
    damaged_bytes_ += passed;
    skip = 0;
    TC_TRY(fill(rest().size() + 1));
  }
  at_ += skip;
  damaged_bytes_ += skip;
  return base::ok();
}

base::Result<std::optional<Frame>> FrameReader::next() {
  for (;;) {
    TC_TRY(fill(1));
    if (rest().empty()) return std::optional<Frame>();
    Frame frame;
    TC_TRY(const bool good, frame_here(frame));
    if (good) {
      ++frames_;
      middle_ = middle_ || skipping_;
      skipping_ = false;
      if (damaged_bytes_ == 0) good_bytes_ += kFrameHeaderBytes + frame.payload.size();
      return std::optional<Frame>(frame);
    }
    skipping_ = true;
    TC_TRY(skip_to_magic());
  }
}

}  // namespace tocsin::tsdb
