// Routing and the dispatcher as Alertmanager's API v2 sees them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/api/alertmanager_views.h"
#include "alertd/incident/dispatcher.h"
#include "common/base/mutex.h"

namespace tocsin::alertd {

class ClusterLink;
struct Settings;

/// What the API shows of the configuration that runs.
struct AlertmanagerSettings {
  std::vector<std::string> receivers;
  std::string configuration;  ///< YAML without secrets.
  base::Duration resolve_timeout{300'000};
};

/// Alertmanager's file if the settings come from one, else ours in its language.
AlertmanagerSettings shown_settings(const Settings& settings);

/// Thread: any; answers come on `executor`, where also the texts are made.
class AlertmanagerAdapter final : public api::AlertmanagerView {
 public:
  AlertmanagerAdapter(incident::Dispatcher& dispatcher, base::Executor& executor,
                      AlertmanagerSettings settings)
      : dispatcher_(dispatcher), executor_(executor), settings_(std::move(settings)) {}

  /// Shows this cluster from now on; it outlives us. Before the first request.
  void show_cluster(const ClusterLink& cluster) { cluster_ = &cluster; }

  /// A new configuration runs.
  void reload(AlertmanagerSettings settings) EXCLUDES(mutex_);

  void snapshot(
      std::function<void(std::shared_ptr<const api::AlertmanagerSnapshot>)> done) override;
  bool post(std::vector<model::Alert> alerts) override;
  std::vector<std::string> receivers() const override;
  std::string configuration() const override;
  base::Duration resolve_timeout() const override;
  api::AlertmanagerCluster cluster() const override;
  void silences(api::Done<std::vector<api::AlertmanagerSilence>> done) override;
  void silence(std::string id, api::Done<api::AlertmanagerSilence> done) override;
  void set_silence(api::AlertmanagerSilence silence, std::string source,
                   api::Done<std::string> done) override;
  void expire_silence(std::string id, std::string source, api::Done<void> done) override;

 private:
  using Shown = std::shared_ptr<const api::AlertmanagerSnapshot>;
  Shown shown(const std::shared_ptr<const incident::Snapshot>& snapshot) EXCLUDES(mutex_);

  incident::Dispatcher& dispatcher_;
  base::Executor& executor_;
  const ClusterLink* cluster_ = nullptr;
  mutable base::Mutex mutex_;
  AlertmanagerSettings settings_ GUARDED_BY(mutex_);
  std::shared_ptr<const incident::Snapshot> last_ GUARDED_BY(mutex_);  ///< What shown_ was made of.
  Shown shown_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::alertd
