#include "alertd/app/alertmanager_adapter.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "alertd/app/cluster_link.h"
#include "alertd/app/settings.h"
#include "alertd/app/silence_values.h"
#include "alertd/routing/alertmanager_export.h"
#include "common/base/log.h"

namespace tocsin::alertd {
namespace {

api::AlertmanagerSuppression suppression_of(const incident::AlertView& view) {
  api::AlertmanagerSuppression shown;
  shown.silenced_by = view.suppression.silenced_by;
  for (const std::uint64_t fingerprint : view.suppression.inhibited_by) {
    shown.inhibited_by.push_back(fmt::format("{:016x}", fingerprint));
  }
  shown.muted_by = view.suppression.maintained_by;
  // Muted is only who may speak in none of its groups.
  const bool all =
      !view.groups.empty() && std::all_of(view.groups.begin(), view.groups.end(),
                                          [](const auto& in) { return in.mute.any(); });
  if (!all) return shown;
  for (const std::string& name : view.groups.front().mute.intervals) {
    shown.muted_by.push_back(name);
  }
  return shown;
}

std::shared_ptr<const api::AlertmanagerSnapshot> convert(const incident::Snapshot& snapshot) {
  auto shown = std::make_shared<api::AlertmanagerSnapshot>();
  std::unordered_map<std::string_view, std::size_t> by_key;
  for (const incident::GroupView& group : snapshot.groups) {
    by_key.emplace(group.key, shown->groups.size());
    shown->groups.push_back({group.key, group.receiver, group.labels, {}, {}, {}});
  }
  shown->alerts.reserve(snapshot.alerts.size());
  for (const incident::AlertView& view : snapshot.alerts) {
    api::AlertmanagerAlert one{view.alert, view.resolved, {}, suppression_of(view)};
    for (const incident::AlertView::InGroup& in : view.groups) {
      if (std::find(one.receivers.begin(), one.receivers.end(), in.receiver) ==
          one.receivers.end()) {
        one.receivers.push_back(in.receiver);
      }
      const auto group = by_key.find(in.group_key);
      if (group != by_key.end()) {
        shown->groups[group->second].alerts.push_back(shown->alerts.size());
        shown->groups[group->second].muted_by = in.mute.intervals;
      }
    }
    shown->alerts.push_back(std::move(one));
  }
  return shown;
}

}  // namespace

AlertmanagerSettings shown_settings(const Settings& settings) {
  AlertmanagerSettings shown;
  shown.receivers = notify::receiver_names(settings.notify);
  shown.resolve_timeout = settings.routing.resolve_timeout;
  shown.configuration =
      settings.alertmanager_text.empty()
          ? routing::export_alertmanager(settings.routing, shown.receivers, shown.resolve_timeout)
          : settings.alertmanager_text;
  return shown;
}

void AlertmanagerAdapter::reload(AlertmanagerSettings settings) {
  const base::MutexLock lock(mutex_);
  settings_ = std::move(settings);
}

AlertmanagerAdapter::Shown AlertmanagerAdapter::shown(
    const std::shared_ptr<const incident::Snapshot>& snapshot) {
  {
    const base::MutexLock lock(mutex_);
    if (last_ == snapshot) return shown_;
  }
  Shown made = convert(*snapshot);
  const base::MutexLock lock(mutex_);
  last_ = snapshot;
  shown_ = made;
  return made;
}

void AlertmanagerAdapter::snapshot(std::function<void(Shown)> done) {
  dispatcher_.snapshot(executor_,
                       [this, done = std::move(done)](auto snapshot) { done(shown(snapshot)); });
}

bool AlertmanagerAdapter::post(std::vector<model::Alert> alerts) {
  return dispatcher_.offer(std::move(alerts));
}

std::vector<std::string> AlertmanagerAdapter::receivers() const {
  const base::MutexLock lock(mutex_);
  return settings_.receivers;
}

std::string AlertmanagerAdapter::configuration() const {
  const base::MutexLock lock(mutex_);
  return settings_.configuration;
}

base::Duration AlertmanagerAdapter::resolve_timeout() const {
  const base::MutexLock lock(mutex_);
  return settings_.resolve_timeout;
}

api::AlertmanagerCluster AlertmanagerAdapter::cluster() const {
  return cluster_ ? cluster_->shown() : api::AlertmanagerCluster();
}

void AlertmanagerAdapter::silences(api::Done<std::vector<api::AlertmanagerSilence>> done) {
  dispatcher_.snapshot(executor_, [this, done = std::move(done)](const auto& snapshot) {
    const base::WallTime now = executor_.clock().wall();
    std::vector<api::AlertmanagerSilence> shown;
    for (const routing::Silence& silence : snapshot->silences) {
      shown.push_back(to_api(silence, now));
    }
    done(std::move(shown));
  });
}

void AlertmanagerAdapter::silence(std::string id, api::Done<api::AlertmanagerSilence> done) {
  dispatcher_.snapshot(
      executor_, [this, id = std::move(id), done = std::move(done)](const auto& snapshot) {
        for (const routing::Silence& silence : snapshot->silences) {
          if (silence.id == id) return done(to_api(silence, executor_.clock().wall()));
        }
        done(base::error(base::ErrorCode::NotFound, fmt::format("silence {} not found", id)));
      });
}

void AlertmanagerAdapter::set_silence(api::AlertmanagerSilence silence, std::string source,
                                      api::Done<std::string> done) {
  auto made = to_routing(silence);
  if (!made) return done(made.error());
  base::log_info("alertd/audit", "silence of {} by {} ({})",
                 routing::describe_matchers(made->matcher_sets), made->created_by, source);
  // Its clients cannot be asked whether they mean so many alerts.
  dispatcher_.set_silence({std::move(*made), true}, executor_, std::move(done));
}

void AlertmanagerAdapter::expire_silence(std::string id, std::string source, api::Done<void> done) {
  base::log_info("alertd/audit", "silence {} expired ({})", id, source);
  dispatcher_.expire_silence({std::move(id), source}, executor_,
                             [done = std::move(done)](const base::Result<std::string>& expired) {
                               if (!expired) return done(expired.error());
                               done(base::ok());
                             });
}

}  // namespace tocsin::alertd
