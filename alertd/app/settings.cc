#include "alertd/app/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "alertd/app/alertmanager_settings.h"
#include "alertd/incident/policy_config.h"
#include "alertd/oncall/directory_config.h"
#include "alertd/routing/route_config.h"
#include "alertd/routing/suppression_config.h"
#include "common/base/process.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/net/mail_format.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr std::string_view kShippedRules = "/etc/tocsin/rules";

// The service's folder, root's usual place, or a place of the user's own.
std::string default_data_folder() {
  const std::string state = base::environment("STATE_DIRECTORY").value_or("");
  if (!state.empty()) return state;
  const std::string home = base::environment("HOME").value_or("");
  if (!home.empty() && home != "/root") {
    return home + "/.local/state/tocsin/alertd";
  }
  return "/var/lib/tocsin/alertd";
}

bool is_loopback(std::string_view listen) {
  return listen.starts_with("127.") || listen.starts_with("[::1]") ||
         listen.starts_with("localhost:");
}

void read_server(config::Table table, Settings& settings) {
  settings.server.listen = table.string("listen", settings.server.listen);
  settings.server.tls_cert_file = table.string("tls_cert_file", "");
  settings.server.tls_key_file = table.string("tls_key_file", "");
  const bool insecure = table.boolean("insecure", false);
  if (const auto token = table.secret("admin_token")) settings.admin_token = *token;
  settings.external_url =
      table.string("external_url", fmt::format("http://{}", settings.server.listen));
  while (settings.external_url.ends_with('/')) settings.external_url.pop_back();
  settings.route_prefix = normal_prefix(table.string("route_prefix", ""));
  const auto level = base::parse_log_level(
      table.one_of("log_level", "info", {"debug", "info", "warning", "error"}));
  if (level) settings.log_level = *level;

  const bool tls = !settings.server.tls_cert_file.empty();
  if (tls != !settings.server.tls_key_file.empty()) {
    table.error(tls ? "tls_cert_file" : "tls_key_file",
                "tls_cert_file and tls_key_file belong together", "give both or neither");
  }
  if (!is_loopback(settings.server.listen) && !tls && !insecure) {
    table.error("listen",
                fmt::format("refusing to listen on {} without TLS: tokens would travel in clear",
                            settings.server.listen),
                "set tls_cert_file and tls_key_file, or insecure = true if something in front does "
                "TLS");
  }
  table.finish();
}

void read_store(config::Table table, Settings& settings) {
  settings.data_folder = table.string("path", default_data_folder());
  tsdb::StoreOptions& store = settings.store;
  store.folder = base::join_path(settings.data_folder, "tsdb");
  store.retention = table.duration("retention", store.retention);
  if (store.retention < std::chrono::hours(1)) {
    table.error("retention", "retention is shorter than an hour",
                "rules look back; use 1d or more");
  }
  store.retention_bytes = table.bytes("retention_bytes", store.retention_bytes);
  store.fsync = table.one_of("fsync", "always", {"always", "interval"}) == "always"
                    ? tsdb::Fsync::Always
                    : tsdb::Fsync::Interval;
  store.fsync_interval = table.duration("fsync_interval", store.fsync_interval);
  store.series_max = static_cast<std::size_t>(
      table.integer("series_max", static_cast<std::int64_t>(store.series_max), 1'000, 100'000'000));
  store.out_of_order_window = table.duration("out_of_order_window", store.out_of_order_window);
  store.checkpoint_wal_bytes = table.bytes("checkpoint_log", store.checkpoint_wal_bytes);
  store.flush_bytes = table.bytes("segment_flush", store.flush_bytes);
  table.finish();
}

void read_backup(config::Table table, Settings& settings) {
  settings.backup_expected = table.duration("expect_every", settings.backup_expected);
  if (table.has("expect_every") && settings.backup_expected < std::chrono::minutes(1)) {
    table.error("expect_every", "a backup each minute is the most that can be waited for",
                "expect_every = \"24h\"");
  }
  table.finish();
}

void read_state(config::Table table, Settings& settings) {
  StateSettings& state = settings.state;
  state.postgres = table.one_of("engine", "sqlite", {"sqlite", "postgresql"}) == "postgresql";
  state.server.dsn = table.string("dsn", "");
  if (const auto password = table.secret("password")) state.server.password = *password;
  state.server.statement_timeout =
      table.duration("statement_timeout", state.server.statement_timeout);
  state.lease = table.duration("lease", state.lease);
  if (!state.postgres) {
    for (const char* key : {"dsn", "password", "password_file", "statement_timeout", "lease"}) {
      if (table.has(key)) {
        table.error(key, "this belongs to PostgreSQL", "add engine = \"postgresql\"");
      }
    }
  } else if (state.server.dsn.empty()) {
    table.error("dsn", "engine = \"postgresql\" needs a dsn",
                "dsn = \"host=db1 dbname=tocsin user=tocsin sslmode=verify-full\"");
  }
  if (state.server.dsn.find("password=") != std::string::npos) {
    table.error("dsn", "the password does not belong into the dsn",
                "put it into a file of its own: password_file = \"/etc/tocsin/state.password\"");
  }
  if (state.lease < std::chrono::seconds(3) || state.lease > std::chrono::minutes(10)) {
    table.error("lease", "a lease lasts 3s to 10m",
                "short ones are lost in a busy moment, long ones keep pages waiting");
  }
  if (state.server.statement_timeout < std::chrono::milliseconds(500) ||
      state.server.statement_timeout * 3 > state.lease * 2) {
    table.error("statement_timeout",
                "statement_timeout is under 500ms, or over two thirds of lease",
                "one slow statement must not cost the lease");
  }
  table.finish();
}

void read_evaluation(config::Table& table, Settings& settings) {
  ruler::RuleFileOptions& options = settings.rule_files;
  if (options.interval_default < std::chrono::seconds(1)) {
    table.error("interval", "an interval must be at least 1s",
                "for less, give a group interval = \"on-data\"");
  }
  const std::string no_data = table.one_of("no_data", "ok", {"ok", "keep", "alert", "by-severity"});
  options.no_data_yaml.fixed = no_data == "keep"    ? std::optional(ruler::NoData::Keep)
                               : no_data == "alert" ? std::optional(ruler::NoData::Alert)
                               : no_data == "ok"    ? std::optional(ruler::NoData::Ok)
                                                    : std::nullopt;
  settings.no_data_after = table.duration("no_data_after", settings.no_data_after);
  if (settings.no_data_after < std::chrono::minutes(1)) {
    table.error("no_data_after", "no_data_after is shorter than a minute",
                "silence is looked for once a minute");
  }
  settings.no_data_forget = table.duration("no_data_forget", settings.no_data_forget);
  if (settings.no_data_forget <= settings.no_data_after) {
    table.error("no_data_forget", "no_data_forget is not longer than no_data_after",
                "silence would be forgotten before it is told of");
  }
  settings.rules_at_once = static_cast<std::size_t>(table.integer("rules_at_once", 4, 1, 1'000));
  model::LabelsBuilder external;
  for (const auto& [name, value] : table.string_map("external_labels")) {
    if (!model::is_legacy_label_name(name) || name == model::kMetricName) {
      table.error("external_labels", "label name '" + name + "' is not [a-zA-Z_][a-zA-Z0-9_]*");
    }
    external.set(name, value);
  }
  settings.external_labels = external.build();
  for (config::Table& rule : table.tables("alert_relabel")) {
    settings.alert_relabel.push_back(relabel::read_rule(rule));
  }
}

// Which groups are evaluated elsewhere.
void read_datasource_choice(config::Table& table, Settings& settings) {
  ruler::DatasourceChoice& choice = settings.rule_files.datasources;
  choice.known.emplace();
  std::string names = "\"local\"";
  for (const datasource::DatasourceSettings& one : settings.datasources) {
    choice.known->push_back(one.name);
    names += fmt::format(", \"{}\"", one.name);
  }
  const auto check = [&](std::string_view key, const std::string& name) {
    const auto& known = *choice.known;
    if (name.empty() || name == datasource::kLocal ||
        std::find(known.begin(), known.end(), name) != known.end()) {
      return;
    }
    table.error(key, fmt::format("there is no datasource '{}'", name),
                fmt::format("[[datasource]] names them; there is {}", names));
  };
  choice.all = table.string("datasource", "");
  check("datasource", choice.all);
  for (const auto& [group, name] : table.string_map("datasource_of")) {
    check("datasource_of", name);
    choice.by_name.emplace(group, name);
  }
}

void read_rules(config::Table table, const base::FileSystem& files, Settings& settings) {
  std::vector<std::string> paths;
  if (files.is_folder(std::string(kShippedRules))) paths.emplace_back(kShippedRules);
  settings.rule_paths = table.strings("paths", paths);
  settings.rules_git = rulegit::read_git_settings(table);
  ruler::RuleFileOptions& options = settings.rule_files;
  options.interval_default = table.duration("interval", std::chrono::seconds(15));
  options.query_offset_default = table.duration("query_offset", base::Duration{0});
  options.runbook_base_url = table.string("runbook_base_url", settings.external_url + "/runbooks/");
  options.runbook_suffix = table.string("runbook_suffix", options.runbook_suffix);
  settings.rule_poll_interval = table.duration("poll_interval", std::chrono::seconds(5));
  settings.resend_delay = table.duration("resend_delay", settings.resend_delay);
  read_evaluation(table, settings);
  read_datasource_choice(table, settings);
  settings.restart_window = table.duration("restart_window", settings.restart_window);
  const std::string severity =
      table.one_of("default_severity", "medium", {"critical", "high", "medium", "low"});
  options.severity_default = model::parse_severity(severity).value_or(model::Severity::Medium);
  table.finish();
}

// The language's parts that are not stable yet, each off as in Prometheus, and the limits of
// queries.
void read_promql(config::Table table, Settings& settings) {
  promql::ParseOptions& parse = settings.parse;
  parse.experimental_functions = table.boolean("experimental_functions", false);
  parse.duration_expressions = table.boolean("duration_expressions", false);
  settings.rule_files.parse = parse;
  promql::EngineOptions& engine = settings.engine;
  engine.delayed_name_removal = table.boolean("delayed_name_removal", false);
  engine.lookback = table.duration("lookback", engine.lookback);
  if (engine.lookback < std::chrono::seconds(1)) {
    table.error("lookback", "lookback is shorter than a second",
                "selectors would see nothing between two samples; the usual is 5m");
  }
  engine.samples_max = static_cast<std::size_t>(table.integer(
      "samples_max", static_cast<std::int64_t>(engine.samples_max), 1'000, 10'000'000'000));
  engine.points_max = static_cast<std::size_t>(
      table.integer("points_max", static_cast<std::int64_t>(engine.points_max), 1, 10'000'000));
  settings.query_timeout = table.duration("query_timeout", settings.query_timeout);
  settings.queries_max = static_cast<std::size_t>(
      table.integer("queries_max", static_cast<std::int64_t>(settings.queries_max), 1, 10'000));
  settings.response_bytes_max = table.bytes("response_max", settings.response_bytes_max);
  table.finish();
}

void read_ingest(config::Table table, Settings& settings) {
  settings.ingest.loopback_without_token = table.boolean("loopback_without_token", true);
  settings.server.body_bytes_max = table.bytes("body_limit", settings.server.body_bytes_max);
  settings.ingest.senders = ingest::read_ingest_limits(table);
  table.finish();
}

// The dead-man clock.
void read_task_clock(config::Table table, Settings& settings) {
  tasks::ClockSettings& clock = settings.task_clock;
  clock.interval = table.duration("interval", clock.interval);
  if (clock.interval < std::chrono::seconds(1) || clock.interval > std::chrono::minutes(4)) {
    table.error("interval", "interval must be from 1s to 4m", "series end after five minutes");
  }
  clock.freeze = table.duration("freeze", clock.freeze);
  if (clock.freeze > std::chrono::hours(1)) table.error("freeze", "freeze is at most 1h");
  table.finish();
}

// Acknowledging without a login: links in messages, buttons in chats.
void read_acknowledge(config::Table table, Settings& settings) {
  settings.ack_links = table.boolean("links", true);
  settings.ack_link_valid = table.duration("link_valid", settings.ack_link_valid);
  if (settings.ack_link_valid < std::chrono::minutes(5) ||
      settings.ack_link_valid > std::chrono::hours(24 * 30)) {
    table.error("link_valid", "link_valid must be from 5m to 30d",
                "a link is a right to whoever holds it: as short as people need");
  }
  if (const auto secret = table.secret("slack_signing_secret")) {
    settings.chat_secrets.slack_signing_secret = *secret;
  }
  settings.chat_secrets.discord_public_key = table.string("discord_public_key", "");
  const std::string& key = settings.chat_secrets.discord_public_key;
  if (!key.empty() &&
      (key.size() != 64 || key.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    table.error("discord_public_key", "discord_public_key is not 64 hexadecimal digits",
                "copy \"Public Key\" of the application's general information");
  }
  if (const auto secret = table.secret("telegram_secret")) {
    settings.chat_secrets.telegram_secret = *secret;
  }
  table.finish();
}

// Whoever gets our mails may answer them.
void know_mail_receivers(const notify::NotifySettings& notify, MailReplySettings& replies) {
  for (const notify::ReceiverSettings& receiver : notify.receivers) {
    for (const notify::ChannelSettings& channel : receiver.channels) {
      const auto* email = std::get_if<notify::EmailSettings>(&channel.kind);
      if (!email) continue;
      for (const std::string& to : email->to) {
        if (const auto address = net::mailbox_address(to)) {
          replies.senders.insert(base::to_lower(*address));
        }
      }
    }
  }
}

// Without [route] everything goes to the one receiver; without any receiver alerts and incidents
// are kept and shown, and nobody is told, which the log says at each start.
routing::Routing route_to_all(config::Table& root, const std::vector<std::string>& receivers) {
  routing::Routing routing;
  routing::read_suppression(root, routing);
  routing.root.receiver = receivers.empty() ? "nobody" : receivers.front();
  routing.root.group_by = {"alertname", "instance"};
  routing::complete_routes(routing.root);
  return routing;
}

// Alertmanager's file in the place of [route] and [[receiver]]; those beside it are unknown keys.
bool read_alertmanager_instead(config::Table& root, const base::FileSystem& files,
                               Settings& settings) {
  config::Table table = root.table("routing");
  const std::string path = table.string("alertmanager_config", "");
  if (!path.empty()) {
    const auto read = read_alertmanager_file(path, files, settings);
    if (!read) table.error("alertmanager_config", read.error().message);
    config::Table incident = root.table("incident");
    auto receivers = std::move(settings.incident.receivers);
    const std::size_t alerts = settings.incident.alerts_per_notification;
    settings.incident = incident::read_incident_settings(incident);
    settings.incident.receivers = std::move(receivers);
    settings.incident.alerts_per_notification = alerts;
    read_acknowledge(root.table("acknowledge"), settings);
    root.finish();
  }
  table.finish();
  return !path.empty();
}

void read_all(config::Table& root, const base::FileSystem& files, Settings& settings) {
  read_server(root.table("server"), settings);
  read_store(root.table("store"), settings);
  read_state(root.table("state"), settings);
  read_backup(root.table("backup"), settings);
  read_ingest(root.table("ingest"), settings);
  read_task_clock(root.table("tasks"), settings);
  settings.heartbeats = heartbeat::read_heartbeat_settings(root);
  settings.datasources = datasource::read_datasources(root);
  settings.forwards = forward::read_forwards(root);
  read_rules(root.table("rules"), files, settings);
  read_promql(root.table("promql"), settings);

  if (read_alertmanager_instead(root, files, settings)) return;
  settings.notify = notify::read_notify_settings(root);
  settings.notify.external_url = settings.external_url;
  config::Table incident = root.table("incident");
  const std::vector<std::string> receivers = notify::receiver_names(settings.notify);
  settings.routing = root.has("route") || receivers.size() > 1
                         ? routing::read_routing(root, incident, receivers)
                         : route_to_all(root, receivers);
  settings.incident = incident::read_incident_settings(incident);
  settings.incident.receivers = notify::channels_by_receiver(settings.notify);
  settings.incident.directory = oncall::read_directory(root, receivers);
  settings.incident.dependencies = incident::read_dependencies(root);
  settings.incident.policies =
      incident::read_policies(root, settings.incident.directory, settings.incident.receivers);
  config::Table report = root.table("report");
  settings.report = report::read_report_settings(report);
  settings.reports_sent = bulletin::read_send_settings(
      report, settings.incident.receivers, notify::quiet_channels_by_receiver(settings.notify));
  report.finish();
  settings.status_page = report::read_status_page(root);
  incident::Communication communication = incident::read_communication(
      root, settings.incident.receivers, notify::quiet_channels_by_receiver(settings.notify),
      settings.incident.dependencies);
  communication.status_url = settings.status_page.url;
  settings.incident.communication =
      std::make_shared<const incident::Communication>(std::move(communication));
  read_acknowledge(root.table("acknowledge"), settings);
  settings.mail_replies = read_mail_reply_settings(root);
  if (settings.mail_replies) know_mail_receivers(settings.notify, *settings.mail_replies);
  root.finish();
}

}  // namespace

bool same_promql(const Settings& a, const Settings& b) {
  const auto all = [](const Settings& s) {
    return std::tuple(s.parse.experimental_functions, s.parse.duration_expressions,
                      s.engine.delayed_name_removal, s.engine.lookback, s.engine.samples_max,
                      s.engine.points_max, s.query_timeout, s.queries_max, s.response_bytes_max);
  };
  return all(a) == all(b);
}

base::Error refused(const base::Diagnostics& diagnostics, std::span<const config::Source> sources) {
  return base::error(base::ErrorCode::InvalidArgument, config::render_all(diagnostics, sources));
}

base::Result<LoadedSettings> load_settings(const std::optional<std::string>& path,
                                           const base::FileSystem& files) {
  LoadedSettings loaded;
  loaded.source.file = path.value_or("(built-in configuration)");
  if (path) {
    TC_TRY(loaded.source, config::load_source(files, *path, kConfigBytesMax));
  }
  const config::Node document = config::parse_toml(loaded.source, loaded.diagnostics);
  config::Context context{loaded.source, loaded.diagnostics, files};
  config::Table root(context, &document);
  if (!base::has_errors(loaded.diagnostics)) read_all(root, files, loaded.settings);
  return loaded;
}

}  // namespace tocsin::alertd
