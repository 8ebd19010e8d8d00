// Work of the store's thread that takes long, in slices between appends.
#pragma once

#include "common/base/result.h"

namespace tocsin::tsdb {

/// One piece of such work: a flush, a merge, a checkpoint, a snapshot. Owner: the store thread,
/// which has at most one at a time. Destroyed before it is done, it leaves nothing behind.
class Job {
 public:
  virtual ~Job() = default;
  /// Does some milliseconds of it. Returns true when all is done. After an error it is not called
  /// again.
  virtual base::Result<bool> step() = 0;
};

}  // namespace tocsin::tsdb
