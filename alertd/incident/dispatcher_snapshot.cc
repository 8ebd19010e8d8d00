// The dispatcher's answers about what is, for the API, reports and metrics.
#include <algorithm>
#include <tuple>

#include "alertd/incident/dispatcher.h"

namespace tocsin::incident {

using base::WallTime;

namespace {

/// Counting what fires costs a look at everything: not after each of the small steps of a storm,
/// and the less often the longer it takes.
constexpr base::Duration kGaugesInterval{1000};
constexpr int kGaugesShare = 400;
constexpr base::Duration kGaugesIntervalMax{15'000};

}  // namespace

void Dispatcher::set_gauges_soon() {
  if (gauges_timer_ != 0) return;
  const auto since =
      std::chrono::duration_cast<base::Duration>(executor_.clock().monotonic() - gauges_set_);
  if (since >= gauges_interval_) {
    set_gauges();
    return;
  }
  gauges_timer_ = executor_.post_after(gauges_interval_ - since, [this, alive = alive_] {
    if (*alive) set_gauges();
  });
}

void Dispatcher::set_gauges() {
  executor_.cancel(std::exchange(gauges_timer_, 0));
  gauges_set_ = executor_.clock().monotonic();
  std::array<std::array<double, 2>, 4> alerts{};
  for (const auto& [fingerprint, entry] : engine_->pipeline().alerts()) {
    alerts[static_cast<std::size_t>(entry.alert.severity)][entry.resolved ? 1 : 0] += 1;
  }
  std::array<double, 4> open{};
  for (const Incident& incident : engine_->incidents()) {
    if (!incident.resolved()) open[static_cast<std::size_t>(incident.severity)] += 1;
  }
  for (const model::Severity severity : model::kSeverities) {
    const auto i = static_cast<std::size_t>(severity);
    const std::string name(model::to_string(severity));
    const auto gauge = [&](const char* state) {
      return metrics_.gauge("tocsin_alertd_alerts", "Alerts known to routing.",
                            {{"severity", name}, {"state", state}});
    };
    gauge("firing").set(alerts[i][0]);
    gauge("resolved").set(alerts[i][1]);
    metrics_
        .gauge("tocsin_alertd_incidents_open", "Incidents that are not resolved.",
               {{"severity", name}})
        .set(open[i]);
  }
  const auto took =
      std::chrono::duration_cast<base::Duration>(executor_.clock().monotonic() - gauges_set_);
  gauges_interval_ = std::clamp(took * kGaugesShare, kGaugesInterval, kGaugesIntervalMax);
}

void Dispatcher::snapshot(base::Executor& reply_on, SnapshotDone done) {
  executor_.post([this, alive = alive_, &reply_on, done = std::move(done)]() mutable {
    if (!*alive) return;
    snapshots_asked_.emplace_back(&reply_on, std::move(done));
    // The engine is ahead of the store while a commit runs; what was built before may be much
    // older.
    if (!committing_ || failing_since_) answer_snapshots();
  });
}

void Dispatcher::written(base::Executor& reply_on, WrittenDone done) {
  executor_.post([this, alive = alive_, &reply_on, done = std::move(done)]() mutable {
    if (!*alive) return;
    written_asked_.emplace_back(&reply_on, std::move(done));
    if (!committing_ || failing_since_) answer_snapshots();
  });
}

void Dispatcher::answer_snapshots() {
  if (!written_asked_.empty()) {
    auto written = std::make_shared<Written>();
    write_down(*written);
    for (auto& [reply_on, done] : std::exchange(written_asked_, {})) {
      reply_on->post([done = std::move(done), written] { done(written); });
    }
  }
  if (snapshots_asked_.empty()) return;
  if (snapshot_stale_ && !committing_) {
    snapshot_ = build_snapshot();
    snapshot_stale_ = false;
  }
  for (auto& [reply_on, done] : std::exchange(snapshots_asked_, {})) {
    reply_on->post([done = std::move(done), snapshot = snapshot_] { done(snapshot); });
  }
}

void Dispatcher::write_down(Written& written) const {
  written.reviews = engine_->reviews();
  written.communication = engine_->settings().communication;
  for (const auto& [name, maintenance] : engine_->pipeline().maintenances().all()) {
    written.maintenances.push_back(maintenance);
  }
}

std::shared_ptr<const Snapshot> Dispatcher::build_snapshot() const {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->at = executor_.clock().wall();
  snapshot->deciding = running_;
  snapshot->schedules = engine_->settings().directory.schedules;
  snapshot->changes.assign(engine_->changes().begin(), engine_->changes().end());
  write_down(*snapshot);
  const routing::Pipeline& pipeline = engine_->pipeline();
  for (const Incident& incident : engine_->incidents()) {
    IncidentView view{incident, 0, 0};
    view.incident.group = nullptr;
    if (const routing::Group* group = pipeline.find_group(incident.group_key)) {
      for (const auto& [fingerprint, member] : group->members) {
        ++(member.resolved ? view.resolved : view.firing);
      }
    }
    snapshot->incidents.push_back(std::move(view));
  }
  for (const auto& [fingerprint, entry] : pipeline.alerts()) {
    AlertView view{entry.alert, entry.resolved, {}, entry.suppression()};
    for (const routing::AlertEntry::Place& place : entry.places) {
      const routing::Group& group = *place.group;
      const Incident* incident = engine_->incidents().of_group(group.key);
      view.groups.push_back({std::string(group.key), std::string(group.receiver),
                             incident && !incident->resolved() ? incident->id() : "", group.mute});
    }
    snapshot->alerts.push_back(std::move(view));
  }
  for (const auto& [id, silence] : pipeline.silences().all()) {
    snapshot->silences.push_back(silence);
  }
  std::sort(snapshot->alerts.begin(), snapshot->alerts.end(),
            [](const auto& a, const auto& b) { return a.alert.labels < b.alert.labels; });
  for (const auto& group : pipeline.groups()) {
    snapshot->groups.push_back({std::string(group->key), std::string(group->route),
                                std::string(group->receiver), group->labels});
  }
  std::sort(snapshot->groups.begin(), snapshot->groups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.labels, a.receiver, a.key) < std::tie(b.labels, b.receiver, b.key);
  });
  return snapshot;
}

}  // namespace tocsin::incident
