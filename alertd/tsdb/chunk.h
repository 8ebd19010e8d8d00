// Chunks: up to 120 samples of one series, compressed as in Facebook's Gorilla.
//
// Timestamps as differences of differences (a regular series costs one bit a sample), values as XOR
// with the one before, of which only the changed bits are kept. The bit layout is in WAL_FORMAT.md,
// because checkpoints contain chunks as they are. On their way to a segment most are packed anew:
// packed_chunk.h. Source: Pelkonen and others, "Gorilla: A Fast, Scalable, In-Memory Time Series
// Database", VLDB 2015, 4.1.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/tsdb/byte_codec.h"
#include "common/model/sample.h"

namespace tocsin::tsdb {

inline constexpr unsigned kChunkSamplesMax = 120;
/// What a chunk of kChunkSamplesMax samples takes at most: 8 bytes, then 146 bits a sample.
inline constexpr std::size_t kChunkBytesMax = 8 + (146 * (kChunkSamplesMax - 1) + 7) / 8;
/// The decoder loads whole words: so many readable bytes must follow a chunk's bytes.
inline constexpr std::size_t kChunkPadding = 8;

/// How samples are encoded. The numbers are those of SEGMENT_FORMAT.md.
enum class ChunkCode : std::uint8_t {
  Gorilla = 0,  ///< What series write; any values.
  Packed = 1,   ///< Decimal numbers in few bits, in segments only: packed_chunk.h.
};

/// Encoded samples that belong to somebody else; kChunkPadding readable bytes follow `bytes`.
struct ChunkView {
  std::int64_t first_ms = 0;
  std::uint32_t count = 0;
  std::string_view bytes;
  ChunkCode code = ChunkCode::Gorilla;
};

/// Appends the samples in [begin_ms, end_ms], both inclusive, to `out`.
/// Returns false if the bytes are damaged (they end early, or time does not increase). Thread: any.
bool decode_chunk(const ChunkView& chunk, std::int64_t begin_ms, std::int64_t end_ms,
                  std::vector<model::Sample>& out);

/// A full chunk. Immutable, shared with snapshots. Thread: any.
class Chunk {
 public:
  /// Copies the bytes, which are in the Gorilla code.
  Chunk(const ChunkView& chunk, std::int64_t last_ms);

  std::int64_t first_ms() const { return first_ms_; }
  std::int64_t last_ms() const { return last_ms_; }
  ChunkView view() const { return {first_ms_, count_, {bytes_.get(), size_}}; }
  std::size_t memory_bytes() const { return sizeof(Chunk) + size_ + kChunkPadding; }

 private:
  std::int64_t first_ms_;
  std::int64_t last_ms_;
  std::uint32_t count_;
  std::uint32_t size_;
  std::unique_ptr<char[]> bytes_;
};

using ChunkPtr = std::shared_ptr<const Chunk>;

/// The chunk that a series is writing. Owner: the store thread, under the head's lock.
class OpenChunk {
 public:
  /// `timestamp_ms` must be greater than last_ms(), and the chunk have room.
  void append(std::int64_t timestamp_ms, double value);

  bool empty() const { return count_ == 0; }
  std::uint32_t count() const { return count_; }
  std::int64_t first_ms() const { return first_ms_; }
  /// Of the newest sample ever appended, sealed since or not; the least number if there was none.
  std::int64_t last_ms() const { return last_ms_; }
  double last_value() const { return last_value_; }
  ChunkView view() const { return {first_ms_, count_, {bytes_.get(), (bits_ + 7U) / 8U}}; }
  std::size_t memory_bytes() const { return capacity_; }

  /// Returns the samples as an immutable chunk and starts afresh.
  ChunkPtr seal();

  /// Appends the chunk with all that is needed to go on with it, or what is left of it after
  /// seal().
  void save(std::string& out) const;
  /// Reads what save() wrote. Returns false at damage.
  bool restore(ByteReader& reader);
  /// As seal() leaves a chunk whose newest sample was this one.
  void restore_newest(const model::Sample& sample) {
    last_ms_ = sample.timestamp_ms;
    last_value_ = sample.value;
  }

 private:
  void put(std::uint64_t value, unsigned count);
  void put_timestamp(std::int64_t difference);
  void put_value(std::uint64_t changed);
  void reserve(std::size_t bits);

  std::unique_ptr<char[]> bytes_;
  std::int64_t first_ms_ = 0;
  std::int64_t last_ms_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_delta_ms_ = 0;
  double last_value_ = 0;
  std::uint32_t bits_ = 0;
  std::uint16_t capacity_ = 0;
  std::uint8_t count_ = 0;
  std::uint8_t leading_ = 0xff;  // of the XOR window in use; 0xff: none yet
  std::uint8_t significant_ = 0;
};

}  // namespace tocsin::tsdb
