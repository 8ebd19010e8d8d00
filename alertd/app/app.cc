#include "alertd/app/app.h"

#include <fmt/core.h>

#include <utility>

#include "alertd/api/channel_handlers.h"
#include "alertd/api/explain_handlers.h"
#include "alertd/api/report_handlers.h"
#include "alertd/app/datasource_routes.h"
#include "alertd/app/health.h"
#include "alertd/app/links.h"
#include "alertd/app/task_link.h"
#include "alertd/backup/restore.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

constexpr std::string_view kWritePath = "/api/v1/write";
constexpr std::string_view kComponent = "alertd/app";
constexpr std::size_t kInstanceBytesMax = 256;

/// In its place we are as open as Alertmanager is, unless a token was asked for.
bool open_as_alertmanager(const Settings& settings) {
  return settings.alertmanager && settings.admin_token.empty();
}

}  // namespace

App::App(const World& world, Settings settings, std::optional<std::string> config_path)
    : world_(world),
      settings_(std::move(settings)),
      config_path_(std::move(config_path)),
      started_at_(world.clock.wall()),
      reloads_failed_(world.metrics.counter("tocsin_alertd_reloads_failed_total",
                                            "Reloads that were refused; the old one runs on.")),
      reload_ok_(world.metrics.gauge("tocsin_alertd_last_reload_successful",
                                     "Whether the last reload was taken.")),
      engine_(settings_.engine),
      change_markers_(world.metrics) {
  reload_ok_.set(1);
}

App::~App() = default;

base::Result<std::unique_ptr<App>> App::make(const World& world, Settings settings,
                                             std::optional<std::string> config_path) {
  std::unique_ptr<App> app(new App(world, std::move(settings), std::move(config_path)));

  // ---- the store: from here on samples can be read and written, durably
  TC_TRY(app->open_store());

  // ---- the way in: who may write, and what
  const std::string agents_file = base::join_path(app->settings_.data_folder, "agents.json");
  app->agents_ =
      std::make_unique<ingest::AgentRegistry>(world.files, world.clock, world.random, agents_file);
  TC_TRY(app->agents_->load());
  app->settings_.ingest.seed = world.random.next();
  app->ingest_ = std::make_unique<ingest::RemoteWriteHandler>(
      app->settings_.ingest, *app->agents_, *app->intake_, world.clock, world.metrics);
  if (world.ingest != nullptr) app->ingest_->decode_on(*world.ingest);
  app->ingest_->keep_metadata_in(app->metadata_);
  app->ingest_->registry_changed();
  TC_TRY(
      app->task_keeper_,
      make_task_keeper({world.background, world.files, *app->intake_, world.metrics, *app->ingest_,
                        *app->agents_},
                       app->settings_.task_clock,
                       base::join_path(app->settings_.data_folder, "tasks.json"), world.host_name));

  // ---- the way out, from its end: notifier <- dispatcher <- ruler
  if (app->settings_.ack_links) {
    const std::string key = base::join_path(app->settings_.data_folder, "ack.key");
    TC_TRY(app->ack_signer_, api::AckSigner::load(key, world.files, world.random));
  }
  app->make_notifier();
  app->make_dispatcher();
  TC_TRY(app->join_cluster());
  TC_TRY(app->make_lease());
  TC_TRY(app->follow_repository());
  app->share_groups();
  TC_TRY(app->load_rules());
  // Beyond this point rules are known to be good; nothing evaluates before start().

  // ---- what people see
  app->self_metrics_ = std::make_unique<SelfMetrics>(world.metrics, *app->intake_, world.background,
                                                     world.host_name);
  app->self_metrics_->describe_in(app->metadata_);
  app->heartbeats_ = std::make_unique<heartbeat::Heartbeats>(
      heartbeat::Heartbeats::World{world.background, world.http, world.metrics,
                                   way_to_people({world.metrics, *app->dispatcher_, world.state,
                                                  *app->lease_, world.background})});
  app->make_api();
  return app;
}

base::Result<void> App::open_store() {
  TC_TRY(backup::check_no_unfinished_restore(world_.files, settings_.data_folder));
  TC_TRY(world_.files.create_folders(settings_.store.folder));
  const base::MonotonicTime begin = world_.clock.monotonic();
  TC_TRY(store_, tsdb::Store::open(settings_.store, world_.files, world_.store, world_.metrics));
  // What comes in from outside, and our own metrics, wake the rules that read it.
  const forward::ForwardWorld forwarding{world_.forward ? *world_.forward : world_.background,
                                         world_.forwards ? *world_.forwards : world_.http,
                                         world_.files,
                                         world_.random,
                                         world_.metrics,
                                         metadata_};
  forwarding_ = std::make_unique<forward::ForwardingAppender>(
      *store_, settings_.forwards, forwarding, base::join_path(settings_.data_folder, "forward"));
  intake_ = std::make_unique<ruler::ShowingAppender>(*forwarding_, arrivals_, world_.clock);
  const auto took = std::chrono::duration_cast<base::Duration>(world_.clock.monotonic() - begin);
  base::log_info(kComponent, "store in {} is open after {}: {} series", settings_.store.folder,
                 base::format_duration(took), store_->status().series);
  return base::ok();
}

void App::make_notifier() {
  const notify::NotifierWorld notifier_world{world_.notify,    world_.state,   world_.http,
                                             world_.mail,      world_.random,  world_.metrics,
                                             world_.host_name, world_.commands};
  const auto report = [this](const incident::Notification& sent, std::uint32_t attempts,
                             incident::DeliveryState state, const std::string& text) {
    if (state == incident::DeliveryState::Delivered) report_sender_->delivered(sent);
    if (sent.incident.id.empty()) return;  // a test, a summary: belongs to no incident
    dispatcher_->report(incident::report_of(sent, state, attempts, text));
    if (cluster_ && state == incident::DeliveryState::Delivered) cluster_->delivered(sent);
  };
  notifier_ = std::make_unique<notify::Notifier>(notifier_world, settings_.notify, report);
}

void App::make_dispatcher() {
  incident::DispatcherOptions options;
  options.routing = settings_.routing;
  options.settings = settings_.incident;
  options.outbox_changed = [this] { notifier_->poke(); };
  options.committed = [this](const incident::StateChange& change) {
    if (cluster_) cluster_->committed(change);
    change_markers_.committed(change);
    const bool shows = !change.incidents_upsert.empty() || !change.events.empty() ||
                       !change.records_upsert.empty();
    if (shows && report_keeper_) report_keeper_->changed();
  };
  if (ack_signer_) {
    options.ack_path = [this](const incident::Notification& notification) {
      const std::string token = ack_signer_->sign(
          {notification.incident.id, api::AckAction::Acknowledge,
           notification.created_at + settings_.ack_link_valid, notification.receiver});
      return token.empty() ? std::string() : "/ack/" + token;
    };
  }
  options.commit_failing = [this](const std::vector<incident::Notification>& messages) {
    notifier_->send_uncommitted(messages);
  };
  options.lease_lost = [this] { lease_->refused(); };
  dispatcher_ = std::make_unique<incident::Dispatcher>(std::move(options), world_.core,
                                                       world_.state, world_.metrics);
  notifier_->set_self_alerts(*dispatcher_);
}

// Peers in Alertmanager's place.
base::Result<void> App::join_cluster() {
  if (!settings_.alertmanager || settings_.alertmanager->flags.cluster_listen.empty()) {
    return base::ok();
  }
  base::Executor& executor = world_.cluster ? *world_.cluster : world_.background;
  TC_TRY(cluster_,
         ClusterLink::make(settings_,
                           {executor, world_.http, world_.files, world_.random, world_.metrics},
                           *dispatcher_));
  return base::ok();
}

net::Admission App::admit(net::ServerRequest& head) {
  if (head.method != "POST" || !head.path.ends_with(kWritePath)) return {};
  return ingest_->admit(head);
}

void App::handle_peer(net::ServerRequest request, net::Respond respond) {
  if (cluster_) cluster_->handle(std::move(request), std::move(respond));
}

// The lease is this data folder's, so that a restart does not wait for the lease of its own past.
base::Result<void> App::make_lease() {
  const std::string path = base::join_path(settings_.data_folder, "instance");
  if (!world_.files.exists(path)) {
    TC_TRY(world_.files.write_atomic(path, world_.random.hex(16), 0600));
  }
  TC_TRY(const std::string instance, world_.files.read(path, kInstanceBytesMax));
  LeaseOptions options;
  options.holder = world_.host_name + " " + std::string(base::trim(instance));
  options.term = settings_.state.lease;
  options.renew = options.term / 3;
  options.poll = options.term / 6;
  lease_ =
      std::make_unique<LeaseKeeper>(std::move(options), world_.state, world_.core, world_.metrics);
  return base::ok();
}

// The rules of the repository are one more folder; it always holds one whole good commit.
base::Result<void> App::follow_repository() {
  rule_paths_ = settings_.rule_paths;
  if (!settings_.rules_git) return base::ok();
  base::Executor& git = world_.git ? *world_.git : world_.background;
  const rulegit::FollowerWorld follower{git,         world_.background, world_.files,
                                        world_.http, world_.random,     world_.metrics};
  rules_git_ = std::make_unique<RulesGit>(settings_,
                                          RulesGitWorld{follower, *dispatcher_, world_.host_name});
  provenance_sink_ = std::make_unique<ProvenanceSink>(*dispatcher_, *rules_git_);
  TC_TRY(rules_git_->prepare());
  rule_paths_.push_back(rules_git_->rules_folder());
  return base::ok();
}

base::Result<void> App::load_rules() {
  ruler::RulerOptions options;
  options.paths = rule_paths_;
  options.files = settings_.rule_files;
  // Of a repository the follower says when; see RulesGit::poll_local.
  if (!rules_git_) options.poll_interval = settings_.rule_poll_interval;
  options.group.resend_delay = settings_.resend_delay;
  options.group.state.restore_window = settings_.restart_window;
  options.group.severity_default = settings_.rule_files.severity_default;
  options.group.state.no_data_after = settings_.no_data_after;
  options.group.state.no_data_forget = settings_.no_data_forget;
  options.group.rules_at_once = settings_.rules_at_once;
  options.group.external_labels = settings_.external_labels;
  options.group.relabel =
      std::make_shared<const std::vector<relabel::Rule>>(settings_.alert_relabel);
  options.group.external_url = settings_.external_url;
  options.group.parse = settings_.parse;
  options.shared_changed = [this](std::vector<std::string> keys) {
    if (sharing_) sharing_->know(std::move(keys));
  };
  const datasource::DatasourceWorld asking{world_.eval,
                                           world_.datasources ? *world_.datasources : world_.http,
                                           world_.random, world_.metrics};
  datasources_ =
      std::make_unique<datasource::Datasources>(settings_.datasources, asking, engine_, *store_);
  model::AlertSink& sink = alert_sink();
  const ruler::RulerWorld ruler_world{
      world_.eval,   engine_,
      *store_,       *forwarding_,
      sink,          world_.metrics,
      &arrivals_,    [this](const ruler::RuleGroup& group) { return datasources_->make(group); },
      sharing_.get()};
  // Refused rules must not start the daemon; they are read once more by start(), which runs them.
  const ruler::CheckResult check =
      ruler::check_rule_paths(rule_paths_, settings_.rule_files, world_.files);
  if (!check.ok()) return refused(check.diagnostics, check.sources);
  ruler_ = std::make_unique<ruler::Ruler>(ruler_world, options, world_.files);
  if (sharing_) sharing_->attach(*ruler_);
  return base::ok();
}

model::AlertSink& App::alert_sink() const {
  model::AlertSink* const labelled = provenance_sink_.get();
  return labelled ? *labelled : *dispatcher_;
}

// Which of the daemons evaluates which group. The lease of incidents is beside it: who has that one
// tells people of the alerts of all.
void App::share_groups() {
  if (!world_.group_store || !world_.groups) return;
  sharing::KeeperOptions options;
  options.name = lease_->holder();
  options.session = world_.random.hex(8);
  options.term = settings_.state.lease;
  options.poll = options.term / 6;
  options.settle = options.term;
  options.assignment.overdue = 2 * options.poll;
  sharing_ = std::make_unique<SharingLink>(options, *world_.group_store, *world_.groups,
                                           world_.metrics, alert_sink());
}

void App::make_api() {
  rule_view_ = std::make_unique<RuleViewAdapter>(*ruler_, rules_git_.get());
  incident_view_ =
      std::make_unique<IncidentAdapter>(*dispatcher_, world_.state, world_.background, *ruler_);
  oncall_view_ = std::make_unique<OnCallAdapter>(*dispatcher_, world_.background);
  agent_view_ = std::make_unique<AgentAdapter>(*agents_, *ingest_, world_.background, *ruler_);
  channel_view_ = std::make_unique<ChannelAdapter>(*notifier_, *dispatcher_, world_.clock);
  witness_ = std::make_unique<ExplainWitness>(
      WitnessWorld{*ruler_, *store_, engine_, settings_.parse, *notifier_, world_.queries});
  explain_desk_ = std::make_unique<story::Desk>(
      story::DeskWorld{*dispatcher_, world_.state, *witness_, world_.background});
  api::ApiOptions options;
  options.admin_token = settings_.admin_token;
  options.query_timeout = settings_.query_timeout;
  options.queries_max = settings_.queries_max;
  options.engine = settings_.engine;
  options.parse = settings_.parse;
  options.response_bytes_max = settings_.response_bytes_max;
  options.external_labels = settings_.external_labels;
  options.route_prefix = settings_.route_prefix;
  options.open_as_alertmanager = open_as_alertmanager(settings_);
  api_ = std::make_unique<api::Api>(
      std::move(options),
      api::ApiParts{
          .clock = world_.clock,
          .metrics = world_.metrics,
          .workers = world_.queries,
          .source = *store_,
          .rules = *rule_view_,
          .incidents = *incident_view_,
          .commands = *incident_view_,
          .agents = *agent_view_,
          .reloader = *this,
          .test_sender = *this,
          .status = *this,
          .write =
              [this](net::ServerRequest request, net::Respond respond) {
                ingest_->handle(std::move(request), std::move(respond));
              },
          .page = {},
          .extra = extra_routes(),
          .oncall = oncall_view_.get(),
          .metadata = &metadata_,
          .audit = [this](const api::AuditedCall& call) { audit_keeper_->called(call); }});
}

// Other systems' APIs, and what links in messages lead to.
std::vector<api::Route> App::extra_routes() {
  alertmanager_view_ = std::make_unique<AlertmanagerAdapter>(*dispatcher_, world_.background,
                                                             shown_settings(settings_));
  api::AlertmanagerHandlers::Options options;
  options.started_at = started_at_;
  options.severity_default = settings_.rule_files.severity_default;
  alertmanager_ = std::make_unique<api::AlertmanagerHandlers>(*alertmanager_view_, world_.clock,
                                                              world_.metrics, options);
  if (cluster_) alertmanager_view_->show_cluster(*cluster_);
  const bool open = open_as_alertmanager(settings_);
  std::vector<api::Route> routes = link_routes(rule_paths_, world_.files);
  for (api::Route& route : api::channel_routes(*channel_view_)) routes.push_back(std::move(route));
  for (api::Route& route : api::explain_routes(*explain_desk_)) routes.push_back(std::move(route));
  for (api::Route& route : report_routes()) routes.push_back(std::move(route));
  for (api::Route& route : datasource_routes(*datasources_)) routes.push_back(std::move(route));
  for (api::Route& route : task_keeper_->routes()) routes.push_back(std::move(route));
  cardinality_ = std::make_unique<CardinalityAdapter>(*store_, *ingest_, world_.queries);
  for (api::Route& route : api::cardinality_routes(*cardinality_)) {
    routes.push_back(std::move(route));
  }
  for (api::Route& route : backup_routes()) routes.push_back(std::move(route));
  audit_keeper_ = std::make_unique<AuditKeeper>(
      AuditKeeperWorld{world_.state, world_.background, world_.files, world_.metrics,
                       [this] { return configuration_files(); }});
  for (api::Route& route : audit_keeper_->routes()) routes.push_back(std::move(route));
  if (sharing_) {
    for (api::Route& route : sharing_->routes()) routes.push_back(std::move(route));
  }
  for (api::Route& route : alertmanager_->routes(open ? api::Access::Open : api::Access::Read,
                                                 open ? api::Access::Open : api::Access::Write)) {
    routes.push_back(std::move(route));
  }
  if (!ack_signer_) return routes;
  ack_desk_ = std::make_unique<api::AckDesk>(
      api::AckDesk::Parts{*ack_signer_, *incident_view_, world_.clock, world_.metrics});
  ack_pages_ = std::make_unique<api::AckHandlers>(*ack_desk_, *incident_view_);
  chat_buttons_ = std::make_unique<api::ChatButtons>(*ack_desk_, settings_.chat_secrets);
  if (settings_.mail_replies && world_.imap) {
    mail_replies_ = std::make_unique<MailReplies>(*settings_.mail_replies, *ack_desk_, *world_.imap,
                                                  world_.background, world_.metrics);
  }
  for (api::Route& route : ack_pages_->routes()) routes.push_back(std::move(route));
  for (api::Route& route : chat_buttons_->routes()) routes.push_back(std::move(route));
  return routes;
}

std::vector<std::string> App::configuration_files() const {
  std::vector<std::string> paths;
  if (config_path_) paths.push_back(*config_path_);
  if (settings_.alertmanager) paths.push_back(settings_.alertmanager->flags.config_file);
  const ruler::CheckResult rules =
      ruler::check_rule_paths(rule_paths_, settings_.rule_files, world_.files);
  for (const config::Source& source : rules.sources) paths.push_back(source.file);
  return paths;
}

std::vector<api::Route> App::backup_routes() {
  OwnBackupSettings settings;
  settings.data_folder = settings_.data_folder;
  settings.state_in_file = !settings_.state.postgres;
  settings.expected = settings_.backup_expected;
  settings.configuration = [this] { return configuration_files(); };
  own_backup_ = std::make_unique<OwnBackup>(
      OwnBackupWorld{world_.background, world_.queries, world_.files, world_.random, world_.metrics,
                     *store_, world_.state, world_.host_name},
      std::move(settings));
  return own_backup_->routes();
}

// What tells the others: reports, news, statistics, the status page.
std::vector<api::Route> App::report_routes() {
  report_view_ =
      std::make_unique<ReportAdapter>(*dispatcher_, world_.state, world_.background,
                                      ReportConfig{settings_.report, settings_.incident.directory});
  report_keeper_ = std::make_unique<ReportKeeper>(
      ReportKeeperWorld{*dispatcher_, world_.state, world_.background, world_.files,
                        world_.metrics},
      ReportKeeperSettings{settings_.report, settings_.status_page},
      base::join_path(settings_.data_folder, "watched_since"));
  bulletin_desk_ = std::make_unique<BulletinDesk>(
      BulletinWorld{*report_view_, *store_, engine_, settings_.parse, world_.queries});
  report_sender_ = std::make_unique<ReportSender>(
      ReportSenderWorld{*bulletin_desk_, world_.state, world_.background, world_.metrics,
                        [this] { notifier_->poke(); }},
      ReportSenderSettings{settings_.reports_sent, settings_.external_url});
  std::vector<api::Route> routes = api::report_routes(*report_view_, world_.clock);
  for (api::Route& route : api::bulletin_routes(*bulletin_desk_)) {
    routes.push_back(std::move(route));
  }
  for (api::Route& route : report_keeper_->routes()) routes.push_back(std::move(route));
  return routes;
}

void App::send_test(std::string channel, std::string source, api::Done<api::TestOutcome> done) {
  base::log_info("alertd/audit", "test message to {} ({})", channel, source);
  notifier_->send_test(std::move(channel), std::move(source),
                       [done = std::move(done)](base::Result<notify::TestResult> result) {
                         if (!result) return done(result.error());
                         done(api::TestOutcome{result->delivered, result->detail, result->took});
                       });
}

api::StatusInfo App::status() const {
  const tsdb::StoreStatus store = store_->status();
  const ruler::RulerView rules = ruler_->view();
  api::StatusInfo info;
  info.started_at = started_at_;
  info.ready = ready();
  info.parts.push_back({"store", !store.read_only, store.last_error});
  info.parts.push_back({"rules", rules.last_load_ok, rules.last_load_error});
  if (settings_.state.postgres) info.parts.push_back({"lease", true, lease_->describe()});
  if (sharing_) info.parts.push_back({"groups", sharing_->healthy(), sharing_->describe()});
  if (rules_git_) {
    info.parts.push_back(
        {"rules from git", rules_git_->healthy(), rules_git_->describe(world_.clock.wall())});
  }
  std::size_t rule_count = 0;
  std::size_t broken = 0;
  std::size_t firing = 0;
  for (const auto& group : rules.groups) {
    for (const ruler::RuleView& rule : group->rules) {
      ++rule_count;
      if (rule.health == ruler::RuleHealth::Error) ++broken;
      for (const ruler::AlertView& alert : rule.alerts) {
        if (alert.phase == ruler::AlertPhase::Firing) ++firing;
      }
    }
  }
  info.parts.push_back(
      {"evaluation", broken == 0,
       broken == 0 ? "" : fmt::format("{} rules fail; see /api/v1/rules", broken)});
  info.parts.push_back({"reload", reload_ok_.value() == 1,
                        reload_ok_.value() == 1 ? "" : "the last reload was refused; see the log"});
  info.store = {{"series", static_cast<double>(store.series)},
                {"chunk_bytes", static_cast<double>(store.chunk_bytes)},
                {"wal_bytes", static_cast<double>(store.wal_bytes)},
                {"checkpoint_bytes", static_cast<double>(store.checkpoint_bytes)}};
  info.counts = {{"rules", static_cast<double>(rule_count)},
                 {"alerts_firing", static_cast<double>(firing)},
                 {"agents", static_cast<double>(agents_->list().size())}};
  return info;
}

}  // namespace tocsin::alertd
