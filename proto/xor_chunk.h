// Chunks as Prometheus writes them, for streamed remote read.
//
// Gorilla again, but not bit for bit the one of alertd/tsdb: other buckets for differences of
// differences, varints in front, a count of samples first. Source: Prometheus tsdb/chunkenc,
// "XOR chunk data" in its docs/format/chunks.md.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/model/sample.h"

namespace tocsin::proto {

/// What Prometheus puts into one chunk at most.
inline constexpr std::size_t kXorSamplesMax = 120;

/// Appends the chunk's bytes to `out`. `samples` has 1 to 65535 elements, strictly increasing in
/// time; stale markers keep their bits. Thread: any.
void append_xor_chunk(std::span<const model::Sample> samples, std::string& out);

}  // namespace tocsin::proto
