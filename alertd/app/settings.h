// alertd.toml, read into one value. With no file at all the daemon runs on the defaults below.
//
// Each part of the daemon reads its own table (routing, incident, notify); this file reads the rest
// and puts them together, so that `tocsin check` and the daemon agree on every error.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alertd/api/chat_buttons.h"
#include "alertd/app/alertmanager_flags.h"
#include "alertd/app/mail_replies.h"
#include "alertd/bulletin/send_settings.h"
#include "alertd/datasource/datasource_settings.h"
#include "alertd/forward/forward_settings.h"
#include "alertd/heartbeat/heartbeat.h"
#include "alertd/incident/incident.h"
#include "alertd/ingest/remote_write_handler.h"
#include "alertd/notify/receivers.h"
#include "alertd/promql/engine.h"
#include "alertd/report/report.h"
#include "alertd/report/status_page.h"
#include "alertd/routing/routing.h"
#include "alertd/rulegit/git_settings.h"
#include "alertd/ruler/rule_file.h"
#include "alertd/tasks/clock_watch.h"
#include "alertd/tsdb/store.h"
#include "common/base/log.h"
#include "common/net/http_server.h"
#include "common/postgres/connection.h"
#include "common/relabel/relabel.h"

namespace tocsin::alertd {

/// In Alertmanager's place (alertmanager_settings.h): what its flags say beside its file.
struct AlertmanagerMode {
  AlertmanagerFlags flags;
  base::Secret cluster_secret;
};

/// `[state]`: where incidents and messages are kept.
struct StateSettings {
  bool postgres = false;  ///< Else SQLite, in the data folder.
  postgres::Settings server;
  base::Duration lease{9'000};  ///< How long a daemon that is gone keeps the other waiting.
};

struct Settings {
  net::ServerOptions server;
  std::string route_prefix;                      ///< "/alertd": everything is served below it.
  std::optional<AlertmanagerMode> alertmanager;  ///< Set: we stand in Alertmanager's place.
  base::Secret admin_token;  ///< For the API from other hosts; empty: this host only.
  std::string external_url;  ///< What links in messages start with; no slash at the end.
  base::LogLevel log_level = base::LogLevel::Info;

  tsdb::StoreOptions store;
  std::string data_folder;  ///< Of everything that must survive: the store, state.db, agents.json.
  base::Duration backup_expected{0};  ///< `[backup] expect_every`; 0: nobody waits for one.

  StateSettings state;

  ingest::RemoteWriteOptions ingest;
  tasks::ClockSettings task_clock;

  promql::ParseOptions parse;    ///< `[promql]`: of rules, templates and the API alike.
  promql::EngineOptions engine;  ///< `[promql]`: limits, and when metric names go.
  base::Duration query_timeout{30'000};
  std::size_t queries_max = 100;
  std::size_t response_bytes_max = 256 << 20;

  std::vector<std::string> rule_paths;
  ruler::RuleFileOptions rule_files;
  std::optional<rulegit::GitSettings> rules_git;  ///< Beside rule_paths.
  base::Duration rule_poll_interval{0};
  base::Duration resend_delay{60'000};
  base::Duration no_data_after{300'000};  ///< See ruler::AlertStateOptions.
  base::Duration no_data_forget{86'400'000};
  std::size_t rules_at_once = 4;
  model::Labels external_labels;
  std::vector<relabel::Rule> alert_relabel;
  base::Duration restart_window{90'000};  ///< See ruler::AlertStateOptions::restore_window.

  routing::Routing routing;
  /// Alertmanager's file that `routing` and `notify` come from, without secrets; empty: they are
  /// ours.
  std::string alertmanager_text;
  incident::IncidentSettings incident;
  bool ack_links = true;  ///< `[acknowledge]`
  base::Duration ack_link_valid = std::chrono::hours(24);
  api::ChatSecrets chat_secrets;
  std::optional<MailReplySettings> mail_replies;  ///< `[imap]`
  notify::NotifySettings notify;
  report::ReportSettings report;
  report::StatusPageSettings status_page;
  std::vector<bulletin::SendSettings> reports_sent;  ///< `[[report.send]]`
  std::vector<heartbeat::HeartbeatSettings> heartbeats;
  std::vector<datasource::DatasourceSettings> datasources;
  std::vector<forward::ForwardSettings> forwards;
};

/// Returns whether `[promql]` says the same in both.
bool same_promql(const Settings& a, const Settings& b);

/// Settings and everything that was wrong; use the settings only if has_errors(diagnostics) is
/// false.
struct LoadedSettings {
  Settings settings;
  base::Diagnostics diagnostics;
  config::Source source;  ///< For excerpts.
};

/// All that was wrong, as text with excerpts, as the InvalidArgument that refuses it.
base::Error refused(const base::Diagnostics& diagnostics, std::span<const config::Source> sources);

/// Reads the file; without a path, the embedded default. Relative paths in it are relative to the
/// working directory.
/// Errors: those of config::load_source (the file cannot be read at all).
base::Result<LoadedSettings> load_settings(const std::optional<std::string>& path,
                                           const base::FileSystem& files);

}  // namespace tocsin::alertd
