// Cutting a batch that is too large for one request, joining several into one, and a second one of
// the same for another receiver.
#pragma once

#include <span>
#include <vector>

#include "common/model/write_batch.h"

namespace tocsin::remote_write {

/// Returns the batch in parts of at most `samples_max` (at least 1) samples each, in order;
/// metadata goes with each part. A series with more samples than that stays whole.
std::vector<model::WriteBatch> split_batch(model::WriteBatch batch, std::size_t samples_max);

/// Returns whether all begin with a sample of the same time: then they are one round's, of one
/// source each, and have no series in common.
bool are_of_one_moment(std::span<const model::WriteBatch> batches);

/// Returns one batch with every series once, its samples in the order of `batches`.
///
/// The result's text points into `batches`, which must outlive it.
model::WriteBatch merge_batches(std::span<model::WriteBatch> batches);

/// Returns a batch with the same series, samples and metadata, and text of its own.
model::WriteBatch copy_batch(const model::WriteBatch& batch);

}  // namespace tocsin::remote_write
