// Remote write on the wire: snappy + protobuf <-> WriteBatch.
//
// The decoder trusts nothing: every size is checked before memory is taken for it, objects are
// limited and not only bytes (a body of 1.5 MB can hold 16 million empty series), and the decoded
// form refers to the decompressed block instead of copying strings. Versions 1.0 and 2.0; see
// REMOTE_WRITE.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/model/write_batch.h"

namespace tocsin::proto {

/// What one request may contain at most. Every refusal names the limit.
struct Limits {
  std::size_t body_bytes_max = 4 << 20;      ///< Compressed.
  std::size_t decoded_bytes_max = 16 << 20;  ///< Declared and actual size after decompression.
  std::size_t decoded_ratio_max =
      22;  ///< Decoded <= ratio * compressed + 64; snappy's best is 21.3.
  std::size_t series_max = 20'000;
  std::size_t samples_max = 50'000;
  std::size_t labels_per_series_max = 64;
  std::size_t label_name_bytes_max = 256;
  std::size_t label_value_bytes_max = 4096;
  std::size_t symbols_max = 100'000;  ///< Version 2.0 only.
  std::size_t metadata_max = 20'000;
  std::size_t metadata_text_bytes_max = 8192;  ///< Help and unit.
};

enum class Version { V1, V2 };

/// What was decoded of this sender before. A series whose labels are the same bytes as then (in
/// 2.0: the same strings) arrives in the batch as WriteBatch::Series::known, without labels; of all
/// others the batch has the key under which they may be added to the table.
struct Memory {
  std::shared_ptr<model::KnownSeriesTable> table;  ///< Null: nothing is remembered.
  std::uint64_t seed = 0;                          ///< Secret, the same for the table's life.
};

/// Decodes one remote-write 1.0 body (message prometheus.WriteRequest) into a batch.
///
/// `body` is the snappy *block* format (not framed). Returns series in the order sent, with labels
/// sorted by name; series without samples are left out; labels with an empty value are left out;
/// samples as sent. Errors: InvalidArgument (not snappy, not protobuf, label name empty, repeated
/// or not UTF-8, no __name__), LimitExceeded (names the limit). Thread: any; no shared state. Cost:
/// a handful of allocations whatever the number of series; none for each series, label or sample.
/// Source: Prometheus Remote-Write specification 1.0.
base::Result<model::WriteBatch> decode_v1(std::string_view body, const Limits& limits);

/// Decodes one remote-write 2.0 body (message io.prometheus.write.v2.Request); otherwise as
/// decode_v1. Errors: also InvalidArgument for a symbol reference out of range, an odd number of
/// references and a symbol table that does not start with "". Source: Prometheus Remote-Write
/// specification 2.0.
base::Result<model::WriteBatch> decode_v2(std::string_view body, const Limits& limits);

/// Decodes by version.
base::Result<model::WriteBatch> decode(Version version, std::string_view body, const Limits& limits,
                                       const Memory& memory = {});

/// Returns the size that a body says it has when decompressed: what its decoding will cost, known
/// before it is done. Errors: InvalidArgument (not snappy).
base::Result<std::size_t> declared_size(std::string_view body);

/// Encodes the batch as a snappy-compressed prometheus.WriteRequest. Thread: any.
std::string encode_v1(const model::WriteBatch& batch);
/// Encodes the batch as a snappy-compressed io.prometheus.write.v2.Request. Thread: any.
std::string encode_v2(const model::WriteBatch& batch);
/// Encodes several batches as one request, in their order; a series of two of them is there twice.
std::string encode(Version version, std::span<const model::WriteBatch> batches);

// --- HTTP headers
// -------------------------------------------------------------------------------------

inline constexpr std::string_view kContentTypeV1 =
    "application/x-protobuf;proto=prometheus.WriteRequest";
inline constexpr std::string_view kContentTypeV2 =
    "application/x-protobuf;proto=io.prometheus.write.v2.Request";
inline constexpr std::string_view kContentEncoding = "snappy";
inline constexpr std::string_view kVersionHeader = "X-Prometheus-Remote-Write-Version";
inline constexpr std::string_view kVersionV1 = "0.1.0";
inline constexpr std::string_view kVersionV2 = "2.0.0";

/// Names and values, e.g. for net::HttpRequest::headers.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// Returns the headers a sender puts on a write: Content-Type, Content-Encoding, version,
/// User-Agent.
HeaderList request_headers(Version version);

/// Decides what a body is from its headers.
///
/// "application/x-protobuf" alone means 1.0. Parameters may come in any order, with spaces and
/// quotes. Errors: InvalidArgument (another content type, message or encoding, or none): answer
/// 415. Source: Remote-Write 2.0, "Content-Type" and "Content-Encoding".
base::Result<Version> negotiate(std::string_view content_type, std::string_view content_encoding);

/// What a receiver wrote; told back so that the sender sees partial writes.
struct Written {
  std::uint64_t samples = 0;
  std::uint64_t histograms = 0;
  std::uint64_t exemplars = 0;
};

/// Returns the three X-Prometheus-Remote-Write-*-Written headers.
HeaderList written_headers(const Written& written);

}  // namespace tocsin::proto
