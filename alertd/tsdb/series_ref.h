// The name of a series in the store's files.
#pragma once

#include "common/base/ids.h"

namespace tocsin::tsdb {

/// Names a series in log, checkpoint and segments, for ever: never given to another series.
using SeriesRef = base::Id<struct SeriesRefTag>;

}  // namespace tocsin::tsdb
