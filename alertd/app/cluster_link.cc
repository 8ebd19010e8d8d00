#include "alertd/app/cluster_link.h"

#include "alertd/incident/routing_codec.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

constexpr std::string_view kComponent = "alertd/cluster";
constexpr std::size_t kUndeliveredMax = 100'000;
constexpr std::size_t kNameBytes = 13;  // 26 digits, as long as Alertmanager's
/// Longer than anybody waits: no turn while peers have not told what they know.
constexpr base::Duration kNoTurns = std::chrono::hours(24 * 365);

base::Result<std::string> kept_name(const std::string& path, const ClusterLinkWorld& world) {
  if (const auto text = world.files.read(path, 256)) {
    const std::string name(base::trim(*text));
    if (!name.empty()) return name;
  }
  const std::string name = world.random.hex(kNameBytes);
  TC_TRY(world.files.write_atomic(path, name + "\n", 0600));
  return name;
}

}  // namespace

base::Result<std::unique_ptr<ClusterLink>> ClusterLink::make(const Settings& settings,
                                                             const ClusterLinkWorld& world,
                                                             incident::Dispatcher& dispatcher) {
  TC_TRY(const std::string name,
         kept_name(base::join_path(settings.data_folder, "cluster.name"), world));
  return std::unique_ptr<ClusterLink>(
      new ClusterLink(*settings.alertmanager, name, world, dispatcher));
}

ClusterLink::ClusterLink(const AlertmanagerMode& mode, const std::string& name,
                         const ClusterLinkWorld& world, incident::Dispatcher& dispatcher)
    : world_(world),
      dispatcher_(dispatcher),
      peer_timeout_(mode.flags.peer_timeout),
      retention_(mode.flags.retention) {
  cluster::ClusterOptions options;
  options.name = name;
  options.address = mode.flags.cluster_advertise.empty() ? listen_text(mode.flags.cluster_listen)
                                                         : mode.flags.cluster_advertise;
  options.peers = mode.flags.cluster_peers;
  options.label = mode.flags.cluster_label;
  options.secret = mode.cluster_secret;
  options.full_interval = mode.flags.push_pull_interval;
  options.settle_timeout = mode.flags.settle_timeout;
  cluster_ = std::make_unique<cluster::Cluster>(
      options, cluster::ClusterWorld{world.executor, world.http, world.metrics},
      [this](const std::vector<cluster::Entry>& entries) { merged(entries); });
  cluster_->on_change(
      [this](std::size_t position, cluster::ClusterStatus status) { placed(position, status); });
  dispatcher_.set_peer_wait(kNoTurns);
}

void ClusterLink::start() {
  dispatcher_.snapshot(world_.executor, [this](const auto& snapshot) {
    std::vector<cluster::Entry> entries;
    for (const routing::Silence& silence : snapshot->silences) {
      entries.push_back(entry_of(silence));
    }
    cluster_->put(std::move(entries));
    dispatcher_.notify_log(world_.executor, [this](const auto& log) {
      std::vector<cluster::Entry> logged;
      for (const routing::LoggedNotification& one : log) logged.push_back(entry_of(one));
      cluster_->put(std::move(logged));
      cluster_->start();
    });
  });
}

cluster::Entry ClusterLink::entry_of(const routing::Silence& silence) const {
  const incident::KeptRecord record = incident::silence_record(silence);
  return {record.kind, record.key, record.body, silence.updated_at, silence.ends_at + retention_};
}

cluster::Entry ClusterLink::entry_of(const routing::LoggedNotification& logged) {
  const incident::KeptRecord record = incident::notify_log_record(logged);
  return {record.kind, record.key, record.body, logged.at, logged.expires_at};
}

void ClusterLink::committed(const incident::StateChange& change) {
  std::vector<cluster::Entry> entries;
  for (const incident::KeptRecord& record : change.records_upsert) {
    if (record.kind == incident::kSilenceKind) {
      if (const auto silence = incident::silence_from_record(record)) {
        entries.push_back(entry_of(*silence));
      }
    } else if (record.kind == incident::kNotifyLogKind) {
      const auto logged = incident::notify_log_from_record(record);
      const base::MutexLock lock(mutex_);
      if (logged && undelivered_.size() < kUndeliveredMax) {
        undelivered_[logged->key] = entry_of(*logged);
      }
    }
  }
  if (!entries.empty()) cluster_->put(std::move(entries));
}

void ClusterLink::delivered(const incident::Notification& notification) {
  // Routes that are twins share the log; their names differ by "#2".
  std::string path = notification.route;
  const std::size_t twin = path.rfind('#');
  std::vector<cluster::Entry> entries;
  {
    const base::MutexLock lock(mutex_);
    for (int i = 0; i < 2 && entries.empty(); ++i) {
      const auto found = undelivered_.find(routing::notify_log_key(
          path, notification.group_labels, notification.receiver, notification.channel));
      if (found != undelivered_.end()) {
        entries.push_back(std::move(found->second));
        undelivered_.erase(found);
      }
      if (twin == std::string::npos) break;
      path.resize(twin);
    }
  }
  if (!entries.empty()) cluster_->put(std::move(entries));
}

void ClusterLink::merged(const std::vector<cluster::Entry>& entries) {
  routing::MergeSilences silences;
  routing::MergeNotifyLog log;
  for (const cluster::Entry& entry : entries) {
    const incident::KeptRecord record{entry.kind, entry.key, entry.body};
    if (entry.kind == incident::kSilenceKind) {
      auto silence = incident::silence_from_record(record);
      if (silence) silences.silences.push_back(std::move(*silence));
    } else if (entry.kind == incident::kNotifyLogKind) {
      auto logged = incident::notify_log_from_record(record);
      if (logged) log.entries.push_back(std::move(*logged));
    }
  }
  const auto told = [](const base::Result<std::string>& result) {
    if (!result) {
      base::log_warning(kComponent, "what a peer told was not taken: {}", result.error().message);
    }
  };
  if (!silences.silences.empty()) dispatcher_.edit(std::move(silences), world_.executor, told);
  if (!log.entries.empty()) dispatcher_.edit(std::move(log), world_.executor, told);
}

void ClusterLink::placed(std::size_t position, cluster::ClusterStatus status) {
  const bool ready = status == cluster::ClusterStatus::Ready;
  if (ready) base::log_info(kComponent, "place {} of {}", position, cluster_->peers().size());
  dispatcher_.set_peer_wait(ready ? peer_timeout_ * static_cast<int>(position) : kNoTurns);
}

api::AlertmanagerCluster ClusterLink::shown() const {
  api::AlertmanagerCluster shown;
  shown.status = cluster_->status() == cluster::ClusterStatus::Ready ? "ready" : "settling";
  for (const cluster::PeerName& peer : cluster_->peers()) {
    shown.peers.push_back({peer.name, peer.address});
  }
  shown.name = cluster_->name();
  return shown;
}

}  // namespace tocsin::alertd
