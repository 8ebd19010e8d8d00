// Remote read on the wire: a request of Prometheus, and the answer in the form it asked for.
//
// The decoder trusts nothing, as that of remote write (codec.h). See remote_read.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/matcher.h"
#include "common/model/sample.h"

namespace tocsin::proto {

/// What one request may contain at most. Every refusal names the limit.
struct ReadLimits {
  std::size_t body_bytes_max = 1 << 20;  ///< Compressed.
  std::size_t decoded_bytes_max = 4 << 20;
  std::size_t queries_max = 64;
  std::size_t matchers_max = 64;         ///< Of one query.
  std::size_t text_bytes_max = 4 << 10;  ///< Name or value of a matcher.
};

struct ReadQuery {
  std::int64_t begin_ms = 0;  ///< Both inclusive.
  std::int64_t end_ms = 0;
  std::vector<model::Matcher> matchers;
};

enum class ReadForm {
  Samples,
  StreamedXorChunks,
};

struct ReadRequest {
  std::vector<ReadQuery> queries;
  ReadForm form = ReadForm::Samples;  ///< The first of the client's that we have.
};

/// Decodes one body (message prometheus.ReadRequest in snappy's block format). Hints are skipped.
/// Errors: InvalidArgument (not snappy, not protobuf, a broken pattern, a matcher type or only
/// answer forms that nobody knows), LimitExceeded (names the limit). Thread: any.
base::Result<ReadRequest> decode_read(std::string_view body, const ReadLimits& limits);

/// The body of an answer while it is made. One thread.
/// Usage: for each query in order, add() its series sorted by labels; then finish().
class ReadAnswer {
 public:
  /// `bytes_max` is of the body, before compression.
  ReadAnswer(ReadForm form, std::size_t bytes_max) : form_(form), bytes_max_(bytes_max) {}

  /// Adds a series with at least one sample, strictly increasing in time; of the query with this
  /// index, which is not less than that of the call before. Errors: LimitExceeded.
  base::Result<void> add(std::size_t query, const model::Labels& labels,
                         std::span<const model::Sample> samples);

  /// Returns the body; `queries` is how many there were. The answer is empty afterwards.
  std::string finish(std::size_t queries);

 private:
  void end_queries(std::size_t query);
  void add_frames(const model::Labels& labels, std::span<const model::Sample> samples);
  void end_frame(const std::string& message);

  const ReadForm form_;
  const std::size_t bytes_max_;
  std::string body_;
  std::string result_;     // Samples: the series of the query in progress
  std::string chunk_;      // scratch
  std::size_t query_ = 0;  // in progress
};

/// Content-Type and Content-Encoding (may be empty) of an answer.
struct ReadHeaders {
  std::string_view content_type;
  std::string_view content_encoding;
};
ReadHeaders read_headers(ReadForm form);

/// CRC-32C (Castagnoli) of `bytes`: the checksum of frames. Source: RFC 3720, B.4.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace tocsin::proto
