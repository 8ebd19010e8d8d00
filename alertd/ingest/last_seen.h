// When each host was last heard of: the ground under "agent silent".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/base/time.h"

namespace tocsin::ingest {

/// What is known of one host.
struct SeenHost {
  base::WallTime last_seen;
  std::string version;  ///< Of the agent, from tocsin_agent_build_info; empty if it never said.
};

/// Own metric tocsin_alertd_agent_last_seen_timestamp_seconds{host}. Thread: any.
class LastSeen {
 public:
  explicit LastSeen(base::Metrics& metrics);

  void note(std::string_view host, base::WallTime when) EXCLUDES(mutex_);
  void note_version(std::string_view host, std::string_view version) EXCLUDES(mutex_);
  /// As note(), unless the host is known already: an enrolled agent that never comes must be missed
  /// too.
  void expect(std::string_view host, base::WallTime when) EXCLUDES(mutex_);
  /// Nobody waits for this host any more.
  void forget(std::string_view host) EXCLUDES(mutex_);
  std::optional<SeenHost> find(std::string_view host) const EXCLUDES(mutex_);

 private:
  struct Entry {
    base::Gauge gauge;
    SeenHost seen;
  };
  Entry* entry(std::string_view host) REQUIRES(mutex_);

  base::Metrics& metrics_;
  base::Counter untracked_;
  mutable base::Mutex mutex_;
  std::unordered_map<std::string, Entry> hosts_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::ingest
