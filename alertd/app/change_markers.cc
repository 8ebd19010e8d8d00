#include "alertd/app/change_markers.h"

namespace tocsin::alertd {
namespace {

constexpr const char* kMetric = "tocsin_alertd_change_timestamp_seconds";
constexpr const char* kHelp = "When the last change of each service was announced to have been.";

}  // namespace

void ChangeMarkers::show(const incident::Change& change) {
  const base::MutexLock lock(mutex_);
  const auto known = shown_.find(change.service);
  if (known == shown_.end() && shown_.size() >= kServicesMax) return;
  if (known != shown_.end()) {
    if (known->second.at > change.at) return;
    metrics_.remove_gauge(kMetric,
                          {{"service", change.service}, {"version", known->second.version}});
  }
  shown_[change.service] = {change.version, change.at};
  metrics_.gauge(kMetric, kHelp, {{"service", change.service}, {"version", change.version}})
      .set(static_cast<double>(base::to_ms(change.at)) / 1000);
}

void ChangeMarkers::committed(const incident::StateChange& change) {
  for (const incident::KeptRecord& record : change.records_upsert) {
    if (record.kind != incident::kChangeKind) continue;
    if (const auto read = incident::change_from_record(record)) show(*read);
  }
}

void ChangeMarkers::know(const std::vector<incident::Change>& changes, base::WallTime now) {
  for (const incident::Change& change : changes) {
    if (change.at + incident::kChangesKept > now) show(change);
  }
}

}  // namespace tocsin::alertd
