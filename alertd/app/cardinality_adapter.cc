#include "alertd/app/cardinality_adapter.h"

#include <algorithm>

namespace tocsin::alertd {

void CardinalityAdapter::count(std::size_t limit, api::Done<api::CardinalityReport> done) {
  if (busy_.exchange(true)) {
    return done(base::error(base::ErrorCode::Unavailable, "series are being counted; try again"));
  }
  workers_.post([this, limit, done = std::move(done)] {
    api::CardinalityReport report{store_.cardinality(limit), {}};
    for (const ingest::SenderStatus& sender : ingest_.senders()) {
      if (sender.series > 0) report.series_by_agent.push_back({sender.name, sender.series});
    }
    auto& agents = report.series_by_agent;
    std::sort(agents.begin(), agents.end(), [](const auto& a, const auto& b) {
      return a.count != b.count ? a.count > b.count : a.name < b.name;
    });
    if (agents.size() > limit) agents.resize(limit);
    busy_ = false;
    done(std::move(report));
  });
}

}  // namespace tocsin::alertd
