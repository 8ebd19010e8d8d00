// Counts what a receiver did not take, by reason.
#pragma once

#include <initializer_list>
#include <map>
#include <string>

#include "agent/collectors/application/series_store.h"
#include "common/base/metrics.h"

namespace tocsin::agent {

/// Thread: any one at a time.
class DroppedCounters {
 public:
  /// `reasons` are known from the beginning, so that the first one of each is an increase.
  DroppedCounters(base::Metrics& metrics, std::string receiver,
                  std::initializer_list<std::string_view> reasons)
      : metrics_(metrics), receiver_(std::move(receiver)) {
    for (const std::string_view reason : reasons) counter(reason);
  }

  /// Does nothing for Refusal::None.
  void count(Refusal refusal) {
    if (refusal != Refusal::None) count(to_string(refusal));
  }
  void count(std::string_view reason, double by = 1) { counter(reason).increment(by); }

 private:
  base::Counter& counter(std::string_view reason) {
    const auto found = counters_.find(reason);
    if (found != counters_.end()) return found->second;
    return counters_
        .emplace(reason,
                 metrics_.counter("tocsin_agent_application_dropped_total",
                                  "What applications handed in and was not taken.",
                                  {{"receiver", receiver_}, {"reason", std::string(reason)}}))
        .first->second;
  }

  base::Metrics& metrics_;
  std::string receiver_;
  std::map<std::string, base::Counter, std::less<>> counters_;
};

}  // namespace tocsin::agent
