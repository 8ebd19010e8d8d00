// A stream that is decompressed, with a backup's findings: the decoder's "damaged" and "truncated",
// and whatever the taker of the bytes finds.
#pragma once

#include <functional>

#include "agent/backup/finding.h"
#include "common/compression/decoder.h"

namespace tocsin::agent {

/// Takes bytes; what it returns ends the reading.
using TakeBytes = std::function<Found(std::string_view)>;

/// One stream, not of Bzip2. Thread: one.
class FindingDecoder {
 public:
  explicit FindingDecoder(compression::Format format)
      : decoder_(compression::make_decoder(format)) {}

  Found feed(std::string_view bytes, const TakeBytes& take) {
    return with(take, [&](const compression::Take& each) { return decoder_->feed(bytes, each); });
  }
  Found finish(const TakeBytes& take) {
    return with(take, [&](const compression::Take& each) { return decoder_->finish(each); });
  }

 private:
  template <class Step>
  static Found with(const TakeBytes& take, Step step) {
    Found found;
    const compression::Outcome outcome = step([&](std::string_view bytes) {
      found = take(bytes);
      return !found;
    });
    if (!outcome || found) return found;
    const bool cut = outcome->fault == compression::Fault::Truncated;
    return finding(cut ? "truncated" : "damaged", outcome->text);
  }

  std::unique_ptr<compression::Decoder> decoder_;
};

}  // namespace tocsin::agent
