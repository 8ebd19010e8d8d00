// Reading everything again, whole or not at all.
#include <fmt/core.h>

#include <utility>

#include "alertd/app/alertmanager_settings.h"
#include "alertd/app/app.h"
#include "common/base/log.h"

namespace tocsin::alertd {
namespace {

constexpr std::string_view kComponent = "alertd/app";

/// The excerpts that follow the first line may show a secret of the file.
std::string without_excerpts(const std::string& message) {
  return message.substr(0, message.find('\n'));
}

bool same_datasource_choice(const Settings& a, const Settings& b) {
  const ruler::DatasourceChoice& one = a.rule_files.datasources;
  const ruler::DatasourceChoice& other = b.rule_files.datasources;
  return one.all == other.all && one.by_name == other.by_name;
}

bool same_repository(const std::optional<rulegit::GitSettings>& a,
                     const std::optional<rulegit::GitSettings>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->url == b->url && a->branch == b->branch && a->path == b->path;
}

}  // namespace

void App::reload(std::string source, api::Done<api::ReloadOutcome> done) {
  if (!ready()) {
    done(base::error(base::ErrorCode::Unavailable,
                     "alertd is starting or ending; it has read what there was at its start"));
    return;
  }
  base::Task all = [this, source = std::move(source), done = std::move(done)] {
    reload_all(source, done);
  };
  // A reload also looks at the repository; that it cannot be reached does not refuse the reload.
  if (rules_git_) {
    rules_git_->fetch_now(std::move(all));
  } else {
    world_.background.post(std::move(all));
  }
}

void App::reload_all(const std::string& source, const api::Done<api::ReloadOutcome>& done) {
  auto outcome = reload_now(source);
  reload_ok_.set(outcome ? 1 : 0);
  audit_keeper_->note(
      "", source, outcome ? "reload.taken" : "reload.refused", world_.host_name,
      outcome ? fmt::format("generation {}, {} rules", outcome->generation, outcome->rules)
              : without_excerpts(outcome.error().message));
  audit_keeper_->look();
  if (!outcome) {
    reloads_failed_.increment();
    base::log_error(kComponent, "reload by {} refused, the running generation stays:\n{}", source,
                    outcome.error().message);
  } else if (rules_git_ && !rules_git_->healthy()) {
    outcome->warnings.push_back("rules from git: " + rules_git_->describe(world_.clock.wall()));
  }
  if (!outcome) return done(outcome.error());
  // Whoever waited for the answer sees the new rules.
  ruler_->when_in_force([this, done, taken = std::move(*outcome)] {
    world_.background.post([done, taken] { done(taken); });
  });
}

// Whole or not at all: everything is read and checked before anything changes.
base::Result<api::ReloadOutcome> App::reload_now(const std::string& source) {
  TC_TRY(LoadedSettings loaded,
         settings_.alertmanager
             ? load_alertmanager_settings(settings_.alertmanager->flags, world_.files)
             : load_settings(config_path_, world_.files));
  const std::vector<config::Source> sources{loaded.source};
  if (base::has_errors(loaded.diagnostics)) return refused(loaded.diagnostics, sources);

  TC_TRY(agents_->load());
  // The rules come last of what can be refused: their load() changes all or nothing.
  const ruler::LoadOutcome rules = ruler_->load(loaded.settings.alert_relabel);
  if (!rules.ok) return refused(rules.diagnostics, rules.sources);
  ingest_->registry_changed();
  ingest_->take_limits(loaded.settings.ingest.senders);
  notifier_->reload(loaded.settings.notify);
  dispatcher_->reload(loaded.settings.routing, loaded.settings.incident);
  alertmanager_view_->reload(shown_settings(loaded.settings));
  report_view_->reload({loaded.settings.report, loaded.settings.incident.directory});
  report_keeper_->reload({loaded.settings.report, loaded.settings.status_page});
  report_sender_->reload({loaded.settings.reports_sent, loaded.settings.external_url});
  task_keeper_->reload(loaded.settings.task_clock);
  heartbeats_->reload(loaded.settings.heartbeats);
  own_backup_->reload(loaded.settings.backup_expected);
  base::set_log_level(loaded.settings.log_level);
  if (rules_git_ && loaded.settings.rules_git) rules_git_->renew(*loaded.settings.rules_git);

  if (after_reload_) after_reload_();

  api::ReloadOutcome outcome;
  outcome.generation = ++generation_;
  outcome.rules = rules.rules;
  const Settings& now = loaded.settings;
  if (now.server.listen != settings_.server.listen || now.data_folder != settings_.data_folder ||
      now.rule_paths != settings_.rule_paths) {
    outcome.warnings.emplace_back(
        "[server] listen, [store] path and [rules] paths take effect at the next start");
  }
  if (!same_promql(now, settings_)) {
    outcome.warnings.emplace_back("[promql] takes effect at the next start");
  }
  if (!forwarding_->reload(now.forwards)) {
    outcome.warnings.emplace_back("names of [[forward]] take effect at the next start");
  }
  if (!datasources_->reload(now.datasources) || !same_datasource_choice(now, settings_)) {
    outcome.warnings.emplace_back(
        "names of [[datasource]] and what [rules] says of them take effect at the next start");
  }
  if (!same_repository(now.rules_git, settings_.rules_git)) {
    outcome.warnings.emplace_back(
        "url, branch and path of [rules.git] take effect at the next start");
  }
  base::log_info(kComponent, "generation {} runs: {} rules, reload by {}", outcome.generation,
                 outcome.rules, source);
  return outcome;
}

}  // namespace tocsin::alertd
