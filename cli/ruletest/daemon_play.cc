// Tests that need the whole daemon: alertd's App in simulated time, fed by remote write, watched
// through the rules' snapshot and the state store, spoken to through its API.
//
// The rule files are copied to the simulated disk under "/rules", so that the phase of each group
// within its interval does not depend on where the files lie on the tester's.

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "alertd/incident/record_codec.h"
#include "alertd/sim/sim_alertd.h"
#include "cli/ruletest/checks.h"
#include "cli/ruletest/deliveries.h"
#include "cli/ruletest/scenario_runner.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "proto/codec.h"

namespace tocsin::ruletest {
namespace {

constexpr std::string_view kRulesFolder = "/rules";
constexpr std::string_view kConfigPath = "/alertd.toml";
constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr base::Duration kPollMin{500};
constexpr base::Duration kDefaultPoll{5'000};

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class DaemonPlay {
 public:
  DaemonPlay(const TestFile& file, const TestCase& test, const RunWorld& world, CaseResult& result)
      : file_(file),
        test_(test),
        world_(world),
        result_(result),
        daemon_(test.clock.start),
        feed_(make_feed(test.input)) {}

  base::Result<void> play() {
    TC_TRY(settings_, load_config());
    TC_TRY(copy_rules());
    TC_TRY(daemon_.start(settings_));
    for (const base::Duration at : times()) {
      TC_TRY(advance(at));
      check_at(at);
    }
    for (const TimelineCheck& check : test_.timelines) {
      check_timeline(check, history_, result_.failures);
    }
    for (const auto& [place, alerts] : test_.never_fires) {
      check_never_fires(place, alerts, history_, result_.failures);
    }
    check_notifications(test_, deliveries(daemon_.state(), test_.clock.start), result_.failures);
    check_errors(test_, errors_, result_.failures);
    result_.traces = history_.take_traces();
    return base::ok();
  }

 private:
  base::Result<alertd::Settings> load_config() {
    base::Result<alertd::LoadedSettings> loaded = alertd::LoadedSettings{};
    if (test_.alertd_text != nullptr) {
      daemon_.files().set_content(std::string(kConfigPath), test_.alertd_text->text);
      loaded = alertd::load_settings(std::string(kConfigPath), daemon_.files());
    } else if (test_.alertd_path) {
      loaded = alertd::load_settings(test_.alertd_path, world_.files);
    } else {
      daemon_.files().set_content(std::string(kConfigPath), "");
      loaded = alertd::load_settings(std::string(kConfigPath), daemon_.files());
    }
    if (!loaded) return loaded.error();
    if (base::has_errors(loaded->diagnostics)) return invalid(config_errors(*loaded));
    alertd::Settings settings = std::move(loaded->settings);
    settings.data_folder = "/alertd";
    settings.store.folder = "/alertd/tsdb";
    settings.admin_token = {};
    settings.rule_poll_interval = base::Duration{0};
    if (test_.alertd_path == std::nullopt)
      settings.rule_files.interval_default = file_.interval_default;
    if (!test_.external_url.empty()) settings.external_url = test_.external_url;
    if (!test_.external_labels.empty()) settings.external_labels = test_.external_labels;
    original_rules_ = test_.rule_paths.empty() ? settings.rule_paths : test_.rule_paths;
    return settings;
  }

  /// The text's own lines, moved to where they stand in the test file.
  std::string config_errors(const alertd::LoadedSettings& loaded) const {
    if (test_.alertd_text == nullptr) {
      return config::render_all(loaded.diagnostics, {&loaded.source, 1});
    }
    base::Diagnostics moved;
    for (base::Diagnostic diagnostic : loaded.diagnostics) {
      if (diagnostic.severity != base::DiagnosticSeverity::Error) continue;
      const std::size_t offset = config::offset_of(
          loaded.source.text,
          {std::max<std::size_t>(diagnostic.line, 1), std::max<std::size_t>(diagnostic.column, 1)});
      const base::Position at = config::position_in(*test_.alertd_text, offset, file_.source);
      diagnostic.file = file_.source.file;
      diagnostic.line = at.line;
      diagnostic.column = at.column;
      moved.push_back(std::move(diagnostic));
    }
    return config::render_all(moved, {&file_.source, 1});
  }

  base::Result<void> copy_rules() {
    const ruler::RuleSet& set = world_.rules.load(original_rules_, file_.interval_default);
    if (base::has_errors(set.diagnostics)) {
      return invalid(config::render_all(set.diagnostics, set.sources));
    }
    check_names(test_, set.groups, result_.failures);
    sim::SimFileSystem& disk = daemon_.files();
    TC_TRY(disk.create_folders(std::string(kRulesFolder)));
    settings_.rule_paths.clear();
    for (const config::Source& source : set.sources) {
      std::string path = base::join_path(kRulesFolder, name_of(source.file));
      for (int again = 2; originals_.contains(path); ++again) {
        path = fmt::format("{}/{}/{}", kRulesFolder, again, name_of(source.file));
      }
      TC_TRY(disk.create_folders(folder_of(path)));
      disk.set_content(path, source.text);
      originals_[path] = source.file;
      settings_.rule_paths.push_back(path);
      copy_runbooks(folder_of(source.file), folder_of(path));
    }
    for (const ruler::RuleGroup& group : set.groups) {
      const base::Duration shortest = group.on_data ? group.min_interval : group.interval;
      poll_ = std::min(poll_, std::max(shortest / 2, kPollMin));
    }
    return base::ok();
  }

  /// A rule's runbook must exist beside it; what it says is not of interest here.
  void copy_runbooks(const std::string& from, const std::string& to) {
    const auto names = world_.files.list(base::join_path(from, "runbooks"));
    if (!names) return;
    const std::string folder = base::join_path(to, "runbooks");
    if (!daemon_.files().create_folders(folder)) return;
    for (const std::string& name : *names) {
      daemon_.files().set_content(base::join_path(folder, name), "");
    }
  }

  std::vector<base::Duration> times() const {
    std::vector<base::Duration> all{test_.end};
    for (const AlertCheck& check : test_.alerts) all.push_back(check.at);
    for (const QueryCheck& check : test_.queries) all.push_back(check.at);
    for (const IncidentCheck& check : test_.incidents) all.push_back(check.at);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  base::Duration now() const { return daemon_.now() - test_.clock.start; }

  base::Result<void> advance(base::Duration end) {
    for (;;) {
      TC_TRY(do_events());
      TC_TRY(feed());
      base::Duration next = std::min(end, now() + poll_);
      if (fed_ < feed_.size()) next = std::min(next, base::Duration{feed_[fed_].at_ms});
      for (std::size_t i = event_; i < test_.events.size(); ++i) {
        if (test_.events[i].at > now()) next = std::min(next, test_.events[i].at);
      }
      if (back_at_ && *back_at_ > now()) next = std::min(next, *back_at_);
      if (next <= now()) break;
      daemon_.executor().run_for(next - now());
      observe();
    }
    daemon_.executor().run_ready();
    observe();
    return base::ok();
  }

  /// Sends the samples of this moment as an agent does; while alertd is away they wait, as they do
  /// in the agent's spool.
  base::Result<void> feed() {
    if (!daemon_.up()) {
      // Passing over them in time: they are sent when it is back.
      while (fed_ < feed_.size() && feed_[fed_].at_ms <= now().count()) ++fed_;
      return base::ok();
    }
    while (sent_ < feed_.size() && feed_[sent_].at_ms <= now().count()) {
      model::WriteBatch batch;
      std::size_t end = sent_;
      for (; end < feed_.size() && feed_[end].at_ms <= now().count() && end - sent_ < kBatchMax;
           ++end) {
        batch.add(test_.input[feed_[end].series].labels,
                  {base::to_ms(test_.clock.start) + feed_[end].at_ms, feed_[end].value});
      }
      TC_TRY(send(batch));
      sent_ = end;
    }
    fed_ = sent_;
    return base::ok();
  }

  base::Result<void> send(const model::WriteBatch& batch) {
    net::ServerRequest request;
    request.method = "POST";
    request.path = "/api/v1/write";
    for (const auto& [name, value] : proto::request_headers(proto::Version::V1)) {
      request.headers.emplace_back(base::to_lower(name), value);
    }
    request.body = proto::encode_v1(batch);
    TC_TRY(const auto answer, daemon_.ask(std::move(request)));
    if (answer.status < 300) return base::ok();
    return invalid(fmt::format("at {}: the samples are refused with {}: {}",
                               base::format_duration(now()), answer.status, answer.body));
  }

  base::Result<void> do_events() {
    if (back_at_ && *back_at_ <= now()) {
      back_at_.reset();
      TC_TRY(daemon_.start(settings_));
    }
    for (; event_ < test_.events.size() && test_.events[event_].at <= now(); ++event_) {
      const TestEvent& event = test_.events[event_];
      if (event.kind == TestEvent::Kind::Gap) continue;
      if (event.kind != TestEvent::Kind::Restart) {
        command(event);
        continue;
      }
      daemon_.crash();
      if (event.length > base::Duration{0}) {
        back_at_ = now() + event.length;
      } else {
        TC_TRY(daemon_.start(settings_));
      }
    }
    return base::ok();
  }

  /// Acknowledges or resolves what is open about the alert, through the API.
  void command(const TestEvent& event) {
    const bool ack = event.kind == TestEvent::Kind::Acknowledge;
    std::size_t found = 0;
    for (const SeenIncident& incident : incidents(daemon_.state())) {
      if (incident.incident.resolved() || !incident.about(event.alert)) continue;
      ++found;
      boost::json::object body{{"by", event.by}, {"comment", event.comment}};
      if (!event.hold.empty()) body["for"] = event.hold;
      net::ServerRequest request;
      request.method = "POST";
      request.path =
          fmt::format("/api/v1/incidents/{}/{}", incident.incident.id(), ack ? "ack" : "resolve");
      request.headers.emplace_back("content-type", "application/json");
      request.body = boost::json::serialize(body);
      const auto answer = daemon_.ask(std::move(request));
      if (answer && answer->status == 200) continue;
      result_.failures.push_back(
          {event.place,
           fmt::format("at {}: {} is refused", base::format_duration(event.at),
                       ack ? "the acknowledgement" : "to resolve it"),
           {},
           {answer ? answer->body : answer.error().message},
           {}});
    }
    if (found > 0) return;
    result_.failures.push_back({event.place,
                                fmt::format("at {}: no incident about {} is open",
                                            base::format_duration(event.at), event.alert.text()),
                                {},
                                describe(incidents(daemon_.state()), test_.clock.start),
                                {}});
  }

  /// Takes what the rules said at their last evaluations.
  void observe() {
    if (!daemon_.up()) return;
    for (const auto& group : daemon_.app().rules().groups) {
      std::shared_ptr<const ruler::GroupView>& seen = seen_[group->file + "\n" + group->name];
      if (seen == group) continue;
      seen = group;
      for (const ruler::RuleView& rule : group->rules) observe(*group, rule);
    }
  }

  void observe(const ruler::GroupView& group, const ruler::RuleView& rule) {
    if (!rule.last_evaluation) return;
    const base::Duration at = *rule.last_evaluation - test_.clock.start;
    const auto original = originals_.find(rule.place.file);
    const std::string& file = original == originals_.end() ? rule.place.file : original->second;
    const std::string key = rule_key(file, rule.place.line);
    if (rule.health == ruler::RuleHealth::Error) note_error(rule, file, at);
    if (rule.kind == ruler::RuleKind::Recording) return history_.recorded(key);
    std::vector<SeenAlert> alerts;
    for (const ruler::AlertView& alert : rule.alerts) {
      alerts.push_back({alert.labels, alert.annotations, alert.phase, alert.severity, alert.value});
    }
    history_.observe(key, at, group.interval, std::move(alerts));
  }

  void note_error(const ruler::RuleView& rule, const std::string& file, base::Duration at) {
    const bool known = std::any_of(errors_.begin(), errors_.end(),
                                   [&](const auto& one) { return one.first == rule.name; });
    if (known) return;
    errors_.emplace_back(
        rule.name, Finding{test_.place,
                           fmt::format("at {}: the rule {} ({}:{}) fails",
                                       base::format_duration(at), rule.name, file, rule.place.line),
                           {},
                           {rule.last_error},
                           {}});
  }

  void check_at(base::Duration at) {
    const auto here = [&](const auto& list) {
      return std::equal_range(list.begin(), list.end(), at, ByTime());
    };
    const auto [alert, alert_end] = here(test_.alerts);
    if (alert != alert_end) {
      check_alerts(&*alert, &*alert + (alert_end - alert), history_, {}, result_.failures);
    }
    const auto [incident, incident_end] = here(test_.incidents);
    for (auto check = incident; check != incident_end; ++check) {
      check_incident(*check, incidents(daemon_.state()), test_.clock.start, result_.failures);
    }
    const auto [query, query_end] = here(test_.queries);
    for (auto check = query; check != query_end; ++check) {
      check_query(*check, ask_query(*check, at), result_.failures);
    }
  }

  struct ByTime {
    template <class T>
    bool operator()(const T& check, base::Duration at) const {
      return check.at < at;
    }
    template <class T>
    bool operator()(base::Duration at, const T& check) const {
      return at < check.at;
    }
  };

  base::Result<promql::QueryResult> ask_query(const QueryCheck& check, base::Duration at) {
    net::ServerRequest request;
    request.method = "GET";
    request.path = "/api/v1/query";
    request.query.emplace("query", check.text);
    request.query.emplace("time", base::format_rfc3339(test_.clock.start + at));
    TC_TRY(const auto answer, daemon_.ask(std::move(request)));
    return read_query_answer(answer.body);
  }

  static constexpr std::size_t kBatchMax = 5'000;

  const TestFile& file_;
  const TestCase& test_;
  const RunWorld& world_;
  CaseResult& result_;
  alertd::Settings settings_;
  std::vector<std::string> original_rules_;
  std::map<std::string, std::string> originals_;  ///< Path on the simulated disk -> as given.
  sim::SimAlertd daemon_;
  std::vector<FeedSample> feed_;
  std::size_t fed_ = 0;   ///< Samples whose time has come.
  std::size_t sent_ = 0;  ///< Samples that alertd has.
  std::size_t event_ = 0;
  std::optional<base::Duration> back_at_;
  base::Duration poll_ = kDefaultPoll;
  History history_;
  std::map<std::string, std::shared_ptr<const ruler::GroupView>> seen_;
  std::vector<std::pair<std::string, Finding>> errors_;
};

}  // namespace

base::Result<void> play_daemon(const TestFile& file, const TestCase& test, const RunWorld& world,
                               CaseResult& result) {
  return DaemonPlay(file, test, world, result).play();
}

}  // namespace tocsin::ruletest
