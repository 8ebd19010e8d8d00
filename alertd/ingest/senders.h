// All senders by name. A sender is made when it first comes and goes when its agent is removed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "alertd/ingest/sender.h"

namespace tocsin::ingest {

/// Thread: any.
class Senders {
 public:
  Senders(IngestLimits limits, FairQueue& queue, base::Metrics& metrics)
      : queue_(queue), metrics_(metrics), limits_(std::move(limits)) {}

  /// The sender of this name; kLocalSender are the local writers.
  std::shared_ptr<Sender> find_or_make(const std::string& name) EXCLUDES(mutex_);
  /// Returns null if it never came.
  std::shared_ptr<Sender> find(std::string_view name) const EXCLUDES(mutex_);
  void forget(std::string_view name) EXCLUDES(mutex_);
  std::vector<SenderStatus> all() const EXCLUDES(mutex_);
  void take_limits(IngestLimits limits) EXCLUDES(mutex_);
  SenderLimits limits_of(std::string_view name) const EXCLUDES(mutex_);

 private:
  const SenderLimits& limits_locked(std::string_view name) const REQUIRES(mutex_);

  FairQueue& queue_;
  base::Metrics& metrics_;
  mutable base::Mutex mutex_;
  IngestLimits limits_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Sender>, std::less<>> senders_ GUARDED_BY(mutex_);
  std::uint16_t last_owner_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tocsin::ingest
