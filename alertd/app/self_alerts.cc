#include "alertd/app/self_alerts.h"

namespace tocsin::alertd {
namespace {

constexpr int kEndings = 3;  ///< How often the end is told.

}  // namespace

std::vector<model::Alert> SelfAlerts::step(std::vector<model::Alert> firing, base::WallTime now) {
  std::map<std::uint64_t, std::pair<model::Alert, int>> told;
  for (const model::Alert& alert : firing) told[alert.fingerprint()] = {alert, 0};
  for (auto& [fingerprint, entry] : told_) {
    if (told.contains(fingerprint) || entry.second >= kEndings) continue;
    model::Alert ended = std::move(entry.first);
    if (!ended.ends_at) ended.ends_at = now;
    ended.updated_at = now;
    firing.push_back(ended);
    told[fingerprint] = {std::move(ended), entry.second + 1};
  }
  told_ = std::move(told);
  return firing;
}

}  // namespace tocsin::alertd
