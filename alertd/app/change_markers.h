// Changes that were announced, as series: so that rules and charts see them beside error rates.
//
// Of each service the last change of the week: tocsin_alertd_change_timestamp_seconds{service,
// version}. The engine keeps the changes; here is only what is shown of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/incident/change.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"

namespace tocsin::alertd {

/// Thread: any.
class ChangeMarkers {
 public:
  static constexpr std::size_t kServicesMax = 500;

  explicit ChangeMarkers(base::Metrics& metrics) : metrics_(metrics) {}

  /// What a commit made durable.
  void committed(const incident::StateChange& change);
  /// What was known before, e.g. after a restart. Forgets what is older than a week at `now`.
  void know(const std::vector<incident::Change>& changes, base::WallTime now);

 private:
  struct Shown {
    std::string version;
    base::WallTime at;
  };

  void show(const incident::Change& change);

  base::Metrics& metrics_;
  base::Mutex mutex_;
  std::map<std::string, Shown> shown_ GUARDED_BY(mutex_);  ///< By service; "" is everything.
};

}  // namespace tocsin::alertd
