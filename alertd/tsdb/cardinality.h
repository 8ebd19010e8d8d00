// Which metrics, labels and values have most series, counted from the index.
#pragma once

#include <cstddef>

#include "alertd/tsdb/head.h"
#include "common/model/cardinality.h"

namespace tocsin::tsdb {

/// The lock is taken for a slice at a time, so that writers wait for a fraction of a millisecond;
/// what changes in between may be counted or not. Thread: any.
model::Cardinality count_series(const Head& head, std::size_t limit);

}  // namespace tocsin::tsdb
