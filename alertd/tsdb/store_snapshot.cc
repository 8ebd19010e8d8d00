#include "alertd/tsdb/store_core.h"

namespace tocsin::tsdb {

void Store::Core::snapshot_to(std::string folder, SnapshotDone done) {
  executor_.post([folder = std::move(folder), done = std::move(done)] {
    done(base::error(base::ErrorCode::Unavailable, "snapshots are not there yet: " + folder));
  });
}

base::Result<SnapshotReport> Store::verify_snapshot(const base::FileSystem&,
                                                    const std::string& folder) {
  return base::error(base::ErrorCode::Unavailable, "snapshots are not there yet: " + folder);
}

}  // namespace tocsin::tsdb
