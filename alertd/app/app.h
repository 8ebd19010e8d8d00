// The daemon without sockets and threads: every part, put together in the order of the data path.
//
// main.cc gives it the real world; the simulation (tests/sim) gives it a simulated one, with the
// same code in between.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "alertd/api/ack_handlers.h"
#include "alertd/api/alertmanager_handlers.h"
#include "alertd/api/api.h"
#include "alertd/app/adapters.h"
#include "alertd/app/alertmanager_adapter.h"
#include "alertd/app/audit_keeper.h"
#include "alertd/app/bulletin_desk.h"
#include "alertd/app/cardinality_adapter.h"
#include "alertd/app/change_markers.h"
#include "alertd/app/channel_adapter.h"
#include "alertd/app/cluster_link.h"
#include "alertd/app/explain_witness.h"
#include "alertd/app/lease_keeper.h"
#include "alertd/app/oncall_adapter.h"
#include "alertd/app/own_backup.h"
#include "alertd/app/report_adapter.h"
#include "alertd/app/report_keeper.h"
#include "alertd/app/report_sender.h"
#include "alertd/app/rules_git.h"
#include "alertd/app/self_metrics.h"
#include "alertd/app/settings.h"
#include "alertd/app/sharing_link.h"
#include "alertd/app/task_keeper.h"
#include "alertd/datasource/datasources.h"
#include "alertd/forward/forwarding_appender.h"
#include "alertd/heartbeat/heartbeat.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/ingest/agent_registry.h"
#include "alertd/ingest/remote_write_handler.h"
#include "alertd/notify/notifier.h"
#include "alertd/promql/engine.h"
#include "alertd/ruler/ruler.h"
#include "alertd/story/desk.h"
#include "alertd/tsdb/store.h"
#include "common/base/random.h"
#include "common/model/metadata_table.h"
#include "common/net/http_client.h"
#include "common/net/mail_client.h"

namespace tocsin::alertd {

/// Everything the daemon gets from outside. All of it outlives the App.
struct World {
  const base::Clock& clock;
  base::FileSystem& files;
  base::Random& random;
  base::Metrics& metrics;
  net::HttpClient& http;
  net::MailClient& mail;
  incident::StateStore& state;
  std::string host_name;

  // Where work runs. `store`, `core` and `notify` run one task at a time; they own their parts'
  // state.
  base::Executor& store;
  base::Executor& eval;
  base::Executor& core;
  base::Executor& notify;
  base::Executor& queries;
  base::Executor& background;         ///< File work that may block: reload, the token registry.
  base::Executor* git = nullptr;      ///< What may take minutes; null: on `background`.
  base::Executor* cluster = nullptr;  ///< Talks with peers; null: on `background`.
  base::CommandRunner* commands = nullptr;  ///< For channels of the kind "command"; may be none.
  net::ImapClient* imap = nullptr;          ///< Null: no mailbox is looked into.
  base::Executor* ingest = nullptr;         ///< Decodes pushes; null: where they come in.
  net::HttpClient* datasources = nullptr;   ///< Asks other engines; null: `http` does.
  net::HttpClient* forwards = nullptr;      ///< Sends to other receivers; null: `http` does.
  base::Executor* forward = nullptr;        ///< One thread, owns their queues; null: `background`.
  /// Both: groups with a datasource are shared with other daemons; `groups` is a thread that may
  /// block. Null: every group is ours.
  sharing::GroupStore* group_store = nullptr;
  base::Executor* groups = nullptr;
};

/// Lifecycle: make, start, (reload)*, stop, then stop the executors, then destroy.
/// Thread: handle() and reload() from any; the rest from main.
class App final : public api::Reloader, public api::TestSender, public api::StatusView {
 public:
  /// Opens the store (replays its log) and reads the rules.
  /// Errors: InvalidArgument with all diagnostics as text (rules), Io (the data folder).
  static base::Result<std::unique_ptr<App>> make(const World& world, Settings settings,
                                                 std::optional<std::string> config_path);
  ~App() override;

  /// Loads the state of incidents, then starts evaluating and sending; while another daemon has the
  /// lease of the state store: evaluating only. `done` runs on `core`, when the rules run; never if
  /// stop() came first.
  /// Errors in `done`: InvalidArgument (rules), those of the state store.
  void start(std::function<void(base::Result<void>)> done);
  void stop();

  /// `task` runs after each reload that was taken, e.g. to take up a renewed certificate. Before
  /// start().
  void after_reload(base::Task task) { after_reload_ = std::move(task); }

  /// Before the body of a request is read.
  net::Admission admit(net::ServerRequest& head);
  void handle(net::ServerRequest request, net::Respond respond) {
    api_->handle(std::move(request), std::move(respond));
  }

  /// A peer's request, where the cluster listens.
  void handle_peer(net::ServerRequest request, net::Respond respond);

  void reload(std::string source, api::Done<api::ReloadOutcome> done) override;
  void send_test(std::string channel, std::string source,
                 api::Done<api::TestOutcome> done) override;
  api::StatusInfo status() const override;
  api::ServerInfo server() const override;
  std::string config_text() const override;
  /// The rules and their alerts, as of their last evaluations. Thread: any.
  ruler::RulerView rules() const { return ruler_->view(); }

 private:
  App(const World& world, Settings settings, std::optional<std::string> config_path);

  base::Result<void> open_store();
  void make_notifier();
  void make_dispatcher();
  base::Result<void> join_cluster();
  base::Result<void> make_lease();
  void share_groups();
  model::AlertSink& alert_sink() const;
  void take_over();
  void first_start();
  void answer_start(base::Result<void> result);
  base::Result<void> follow_repository();
  base::Result<void> load_rules();
  void start_rules(const std::function<void(base::Result<void>)>& done);
  void now_ready();
  void make_api();
  std::vector<api::Route> extra_routes();
  std::vector<api::Route> report_routes();
  std::vector<api::Route> backup_routes();
  std::vector<std::string> configuration_files() const;
  base::Result<api::ReloadOutcome> reload_now(const std::string& source);
  void reload_all(const std::string& source, const api::Done<api::ReloadOutcome>& done);

  World world_;
  Settings settings_;
  std::optional<std::string> config_path_;
  base::WallTime started_at_;
  base::Task after_reload_;
  enum class Phase { Starting, Ready, Stopped };
  bool ready() const { return phase_ == Phase::Ready; }
  std::atomic<Phase> phase_{Phase::Starting};
  std::atomic<std::uint64_t> generation_{1};
  base::Counter reloads_failed_;
  base::Gauge reload_ok_;

  std::optional<api::AckSigner> ack_signer_;  ///< Empty: no links.
  model::MetadataTable metadata_;
  // The store answers until it is gone, and each answer may wake rules.
  ruler::Arrivals arrivals_;
  std::unique_ptr<ruler::ShowingAppender> intake_;
  std::unique_ptr<forward::ForwardingAppender>
      forwarding_;  ///< Before the store, for all who write.
  std::unique_ptr<tsdb::Store> store_;
  std::unique_ptr<ingest::AgentRegistry> agents_;
  std::unique_ptr<ingest::RemoteWriteHandler> ingest_;
  std::unique_ptr<TaskKeeper> task_keeper_;
  promql::Engine engine_;
  std::unique_ptr<datasource::Datasources> datasources_;
  std::unique_ptr<notify::Notifier> notifier_;
  std::unique_ptr<incident::Dispatcher> dispatcher_;
  ChangeMarkers change_markers_;
  std::unique_ptr<ClusterLink> cluster_;  ///< Null: we have no peers.
  std::unique_ptr<LeaseKeeper> lease_;
  std::unique_ptr<SharingLink> sharing_;             ///< Null: no group is shared.
  std::function<void(base::Result<void>)> started_;  ///< Of start(), until it is answered.
  bool cluster_started_ = false;                     ///< Owned by core, as the next.
  bool told_ = false;                    ///< The rules know what was told before. Owned by core.
  std::vector<std::string> rule_paths_;  ///< Those of the settings, and the repository's folder.
  std::unique_ptr<RulesGit> rules_git_;  ///< Null: no repository is followed.
  std::unique_ptr<ProvenanceSink> provenance_sink_;
  std::unique_ptr<ruler::Ruler> ruler_;
  std::unique_ptr<SelfMetrics> self_metrics_;
  std::unique_ptr<heartbeat::Heartbeats> heartbeats_;
  std::unique_ptr<RuleViewAdapter> rule_view_;
  std::unique_ptr<IncidentAdapter> incident_view_;
  std::unique_ptr<AgentAdapter> agent_view_;
  std::unique_ptr<AlertmanagerAdapter> alertmanager_view_;
  std::unique_ptr<api::AlertmanagerHandlers> alertmanager_;
  std::unique_ptr<api::AckDesk> ack_desk_;
  std::unique_ptr<api::AckHandlers> ack_pages_;
  std::unique_ptr<api::ChatButtons> chat_buttons_;
  std::unique_ptr<MailReplies> mail_replies_;
  std::unique_ptr<ChannelAdapter> channel_view_;
  std::unique_ptr<OnCallAdapter> oncall_view_;
  std::unique_ptr<ExplainWitness> witness_;
  std::unique_ptr<CardinalityAdapter> cardinality_;
  std::unique_ptr<story::Desk> explain_desk_;
  std::unique_ptr<ReportAdapter> report_view_;
  std::unique_ptr<ReportKeeper> report_keeper_;
  std::unique_ptr<BulletinDesk> bulletin_desk_;
  std::unique_ptr<ReportSender> report_sender_;
  std::unique_ptr<OwnBackup> own_backup_;
  std::unique_ptr<AuditKeeper> audit_keeper_;
  std::unique_ptr<api::Api> api_;
};

}  // namespace tocsin::alertd
