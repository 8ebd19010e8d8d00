// Reads a chunk of either code with the reader made for it.
#pragma once

#include "alertd/tsdb/chunk_reader.h"
#include "alertd/tsdb/packed_reader.h"

namespace tocsin::tsdb {

/// Calls `read(reader)`, a generic function, with a ChunkReader or a PackedReader and returns its
/// answer. The reader begins at `place` if that is one in this chunk (null: at the first sample).
/// The chunk must have a sample; kChunkPadding readable bytes follow its bytes. Thread: any.
template <class Read>
auto read_chunk(const ChunkView& view, const ChunkPlace* place, Read read) {
  const bool resumes = place != nullptr && place->in(view);
  if (view.code == ChunkCode::Packed) {
    return read(resumes ? PackedReader(view, *place) : PackedReader(view));
  }
  return read(resumes ? ChunkReader(view, *place) : ChunkReader(view));
}

}  // namespace tocsin::tsdb
