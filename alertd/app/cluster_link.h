// The cluster and the dispatcher: what is decided here is told to peers, what they know comes in.
//
// Silences are told as soon as they are durable. A line of the notification log only once its
// message was delivered: if we die between decision and delivery, the next in order must send.
// Our place among the peers that live delays our turns, until the others settled all of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/api/alertmanager_views.h"
#include "alertd/app/settings.h"
#include "alertd/cluster/cluster.h"
#include "alertd/incident/dispatcher.h"
#include "common/base/mutex.h"
#include "common/base/random.h"

namespace tocsin::alertd {

struct ClusterLinkWorld {
  base::Executor& executor;  ///< Of the cluster.
  net::HttpClient& http;
  base::FileSystem& files;
  base::Random& random;
  base::Metrics& metrics;
};

/// Lifecycle: make, start (the dispatcher runs), stop. Thread: all from any.
class ClusterLink {
 public:
  /// Our name is made once and kept in the data folder. Errors: Io.
  static base::Result<std::unique_ptr<ClusterLink>> make(const Settings& settings,
                                                         const ClusterLinkWorld& world,
                                                         incident::Dispatcher& dispatcher);

  /// Tells peers what was loaded, and joins.
  void start();
  void stop() { cluster_->stop(); }
  void handle(net::ServerRequest request, net::Respond respond) {
    cluster_->handle(std::move(request), std::move(respond));
  }

  /// What a commit of the dispatcher changed.
  void committed(const incident::StateChange& change) EXCLUDES(mutex_);
  /// A message was delivered: its line of the log counts for all.
  void delivered(const incident::Notification& notification) EXCLUDES(mutex_);

  api::AlertmanagerCluster shown() const;

 private:
  ClusterLink(const AlertmanagerMode& mode, const std::string& name, const ClusterLinkWorld& world,
              incident::Dispatcher& dispatcher);
  void merged(const std::vector<cluster::Entry>& entries);
  void placed(std::size_t position, cluster::ClusterStatus status);
  cluster::Entry entry_of(const routing::Silence& silence) const;
  static cluster::Entry entry_of(const routing::LoggedNotification& logged);

  ClusterLinkWorld world_;
  incident::Dispatcher& dispatcher_;
  base::Duration peer_timeout_;
  base::Duration retention_;
  std::unique_ptr<cluster::Cluster> cluster_;

  base::Mutex mutex_;
  /// Decided and not delivered yet, by key.
  std::map<std::string, cluster::Entry> undelivered_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::alertd
