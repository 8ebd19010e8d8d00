// Reads a chunk of either code with the reader made for it.
#pragma once

#include "alertd/tsdb/chunk_reader.h"
#include "alertd/tsdb/packed_reader.h"

namespace tocsin::tsdb {

/// read_chunk() for the packed code; apart, so that each of the two loops is compiled as if alone.
template <class Read>
[[gnu::noinline]] auto read_packed(const ChunkView& view, const ChunkPlace* place, Read& read) {
  PackedReader reader = place != nullptr ? PackedReader(view, *place) : PackedReader(view);
  return read(reader);
}

/// Calls `read(reader)`, a generic function that takes a reference, with a ChunkReader or a
/// PackedReader and returns its answer. The reader begins at `place` if that is one in this chunk
/// (null: at the first sample). The chunk must have a sample; kChunkPadding readable bytes follow
/// its bytes. Thread: any.
template <class Read>
auto read_chunk(const ChunkView& view, const ChunkPlace* place, Read read) {
  if (place != nullptr && !place->in(view)) place = nullptr;
  if (view.code == ChunkCode::Packed) return read_packed(view, place, read);
  ChunkReader reader = place != nullptr ? ChunkReader(view, *place) : ChunkReader(view);
  return read(reader);
}

}  // namespace tocsin::tsdb
