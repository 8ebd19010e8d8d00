// Files that were deleted and are open still: space that df misses and no listing shows.
//
// Looking through the descriptors of all processes is slow work, so it is done in portions, from
// time to time; between two of them the last result is told.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct DeletedFilesOptions {
  std::string proc = "/proc";
  base::Duration interval{300'000};
  std::size_t descriptors_per_round = 5'000;
  std::size_t processes_told = 5;  ///< Those with the most; the others together.
};

/// Owner: the logs' thread.
class DeletedFiles {
 public:
  DeletedFiles(DeletedFilesOptions options, const base::FileSystem& files, const base::Clock& clock)
      : options_(std::move(options)), files_(files), clock_(clock) {}

  /// Begins a scan if it is time, or does the next portion. Errors: PermissionDenied (whose
  /// descriptors may not be seen: names the capability), Io; told of the last whole scan.
  base::Result<void> step(base::MonotonicTime deadline);

  void tell(MetricSink& sink) const;

 private:
  struct Held {
    double bytes = 0;
    double files = 0;
  };
  using ByProcess = std::map<std::string, Held>;

  /// Returns false if the process's descriptors may not be seen.
  bool look_at(const std::string& pid);
  void finish();

  DeletedFilesOptions options_;
  const base::FileSystem& files_;
  const base::Clock& clock_;
  base::MonotonicTime next_{};
  std::vector<std::string> pids_;  ///< To be looked at yet.
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen_;
  ByProcess scan_;
  std::size_t hidden_ = 0;
  std::size_t budget_ = 0;
  std::optional<ByProcess> result_;
  std::size_t result_hidden_ = 0;
};

}  // namespace tocsin::agent
