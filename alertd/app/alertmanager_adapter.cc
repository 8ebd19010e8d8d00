#include "alertd/app/alertmanager_adapter.h"

#include <algorithm>
#include <unordered_map>

namespace tocsin::alertd {
namespace {

std::shared_ptr<const api::AlertmanagerSnapshot> convert(const incident::Snapshot& snapshot) {
  auto shown = std::make_shared<api::AlertmanagerSnapshot>();
  std::unordered_map<std::string_view, std::size_t> by_key;
  for (const incident::GroupView& group : snapshot.groups) {
    by_key.emplace(group.key, shown->groups.size());
    shown->groups.push_back({group.key, group.receiver, group.labels, {}, {}, {}});
  }
  shown->alerts.reserve(snapshot.alerts.size());
  for (const incident::AlertView& view : snapshot.alerts) {
    api::AlertmanagerAlert one{view.alert, view.resolved, {}, {}};
    for (const incident::AlertView::InGroup& in : view.groups) {
      if (std::find(one.receivers.begin(), one.receivers.end(), in.receiver) ==
          one.receivers.end()) {
        one.receivers.push_back(in.receiver);
      }
      const auto group = by_key.find(in.group_key);
      if (group != by_key.end()) {
        shown->groups[group->second].alerts.push_back(shown->alerts.size());
      }
    }
    shown->alerts.push_back(std::move(one));
  }
  return shown;
}

}  // namespace

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
  return {};
}

void AlertmanagerAdapter::silences(api::Done<std::vector<api::AlertmanagerSilence>> done) {
  done(std::vector<api::AlertmanagerSilence>());
}

void AlertmanagerAdapter::silence(std::string id, api::Done<api::AlertmanagerSilence> done) {
  done(base::error(base::ErrorCode::NotFound, "silence " + id + " not found"));
}

void AlertmanagerAdapter::set_silence(api::AlertmanagerSilence, std::string,
                                      api::Done<std::string> done) {
  done(base::error(base::ErrorCode::Unavailable, "silences are not kept by this version"));
}

void AlertmanagerAdapter::expire_silence(std::string id, std::string, api::Done<void> done) {
  done(base::error(base::ErrorCode::NotFound, "silence " + id + " not found"));
}

}  // namespace tocsin::alertd
