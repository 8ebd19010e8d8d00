// Reads rules, configuration and what is in force; runs the backtest; reports.

#include "cli/backtest_command.h"

#include <fmt/core.h>

#include <algorithm>
#include <ostream>

#include "alertd/app/settings.h"
#include "alertd/ruler/rule_loader.h"
#include "cli/backtest/rules_in_force.h"
#include "cli/backtest_report.h"
#include "cli/when.h"
#include "common/config/source.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

using Groups = std::vector<ruler::RuleGroup>;

/// One range query of a long time is more work than anything else the command line asks for.
constexpr base::Duration kTimeoutMin{120'000};
/// A rule with a longer `for` may need --warm-up.
constexpr base::Duration kWarmUpMax = std::chrono::hours(24);

/// A line on the terminal that says how far the work is; nothing elsewhere.
class ProgressBar {
 public:
  ProgressBar(const CommandWorld& world) : world_(world), began_(world.clock.monotonic()) {}
  ~ProgressBar() {
    if (shown_) world_.err << "\r\x1b[K" << std::flush;
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::size_t done, std::size_t total) {
    if (!world_.err_is_terminal || total == 0) return;
    const auto now = world_.clock.monotonic();
    if (shown_ && now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    shown_ = true;
    constexpr std::size_t kWidth = 30;
    const double share = static_cast<double>(done) / static_cast<double>(total);
    const auto filled = std::min(static_cast<std::size_t>(share * kWidth), kWidth);
    const double spent = std::chrono::duration<double>(now - began_).count();
    const double left = share > 0.01 ? spent / share - spent : 0;
    world_.err << fmt::format("\r\x1b[K[{}{}] {:3.0f} %  {} of {} evaluations{}",
                              std::string(filled, '#'), std::string(kWidth - filled, '.'),
                              share * 100, done, total,
                              left >= 1 ? fmt::format(", {:.0f} s left", left) : "")
               << std::flush;
  }

 private:
  const CommandWorld& world_;
  const base::MonotonicTime began_;
  base::MonotonicTime last_{};
  bool shown_ = false;
};

class BacktestCommand {
 public:
  BacktestCommand(const BacktestOptions& options, const CommandWorld& world)
      : options_(options), world_(world) {
    // What a server evaluates, it understands: whatever is switched on there.
    settings_.parse.experimental_functions = true;
    settings_.parse.duration_expressions = true;
  }

  int run() {
    if (const int code = read_times(); code != kOk) return code;
    if (const int code = read_config(); code != kOk) return code;
    if (const int code = load(options_.rules, groups_); code != kOk) return code;
    if (const int code = connect(); code != kOk) return code;
    if (const int code = read_baseline(); code != kOk) return code;
    return replay();
  }

 private:
  int fail(int code, const std::string& message) const {
    world_.err << "tocsin backtest: " << printable(message) << '\n';
    return code;
  }

  int read_times() {
    const base::WallTime now = world_.clock.wall();
    const auto from = parse_when(options_.from, now);
    const auto to = parse_when(options_.to, now);
    if (!from) return fail(kUsage, "--from " + from.error().message);
    if (!to) return fail(kUsage, "--to " + to.error().message);
    if (*to <= *from) return fail(kUsage, "--to is not after --from");
    settings_.from = *from;
    settings_.to = *to;
    return kOk;
  }

  int read_config() {
    if (options_.config.empty()) return kOk;
    auto loaded = alertd::load_settings(options_.config, world_.files);
    if (!loaded) return fail(kUnreachable, loaded.error().message);
    if (base::has_errors(loaded->diagnostics)) {
      world_.err << config::render_all(loaded->diagnostics, {&loaded->source, 1});
      return kNegative;
    }
    config_ = std::move(loaded->settings);
    settings_.severity_default = config_->rule_files.severity_default;
    settings_.resend_delay = config_->resend_delay;
    settings_.external_url = config_->external_url;
    return kOk;
  }

  int load(const std::vector<std::string>& paths, Groups& groups) {
    for (const std::string& path : paths) {
      if (!world_.files.exists(path)) return fail(kUnreachable, path + " does not exist");
    }
    const ruler::RuleFileOptions files = config_ ? config_->rule_files : ruler::RuleFileOptions{};
    ruler::RuleSet set = ruler::load_rules(paths, files, world_.files);
    const std::string text = config::render_all(set.diagnostics, set.sources);
    if (base::has_errors(set.diagnostics)) {
      world_.err << text;
      return kNegative;
    }
    groups = std::move(set.groups);
    return kOk;
  }

  base::Result<std::unique_ptr<ApiClient>> client_of(const std::string& url) const {
    GlobalOptions global = world_.global;
    global.timeout = std::max(global.timeout, kTimeoutMin);
    if (url != global.server) {
      global.server = url;
      global.token_file = options_.against_token_file;
    }
    return world_.connect(global);
  }

  int connect() {
    const std::string& url = options_.against.empty() ? world_.global.server : options_.against;
    auto client = client_of(url);
    if (!client) return fail(kUsage, client.error().message);
    past_ = std::move(*client);
    api_ = std::make_unique<backtest::QueryApi>(*past_);
    history_ = backtest::make_remote_history(*api_, net::url_origin(url));
    if (options_.against.empty()) note_datasources();
    return kOk;
  }

  // Their samples may be in the engine only: then nothing would fire here, and that would be wrong.
  void note_datasources() {
    for (const ruler::RuleGroup& group : groups_) {
      if (group.datasource.empty() || group.datasource == "local") continue;
      notes_.push_back(fmt::format(
          "group '{}' is evaluated by datasource '{}', and this is the history of {}; for the "
          "engine's own give its address with --against",
          group.name, group.datasource, net::url_origin(world_.global.server)));
    }
  }

  static bool is_url(const std::string& text) {
    return text.starts_with("http://") || text.starts_with("https://");
  }

  int read_baseline() {
    const auto& baseline = options_.baseline;
    if (baseline.size() == 1 && baseline.front() == "none") return kOk;
    if (!baseline.empty() && !is_url(baseline.front())) {
      baseline_name_ = "the rules of " + baseline.front();
      if (const int code = load(baseline, before_); code != kOk) return code;
      backtest::take_slots_of(before_, groups_);
      return kOk;
    }
    const std::string url = baseline.empty() ? world_.global.server : baseline.front();
    const bool asked_for = !baseline.empty() || options_.against.empty();
    auto client = client_of(url);
    if (!client) return fail(kUsage, client.error().message);
    ApiRequest request;
    request.path = "/api/v1/rules";
    request.query = {{"exclude_alerts", "true"}};
    const ApiAnswer answer = (*client)->call(request);
    if (answer.exit_code != kOk) {
      if (asked_for) return fail(answer.exit_code, answer.error);
      notes_.push_back("not compared with the rules in force: " +
                       answer.error.substr(0, answer.error.find('\n')));
      return kOk;
    }
    auto in_force = backtest::read_rules_in_force(answer.data, settings_.parse);
    if (!in_force) {
      notes_.push_back("not compared with the rules in force: " + in_force.error().message);
      return kOk;
    }
    before_ = std::move(*in_force);
    baseline_name_ = "the rules in force at " + net::url_origin(url);
    backtest::take_slots_of(before_, groups_);
    return kOk;
  }

  void apply_step() {
    if (!options_.step) return;
    for (Groups* groups : {&groups_, &before_}) {
      for (ruler::RuleGroup& group : *groups) group.interval = *options_.step;
    }
  }

  int replay() {
    apply_step();
    const base::Duration hold =
        std::max(backtest::longest_hold(groups_), backtest::longest_hold(before_));
    settings_.warm_up = options_.warm_up.value_or(std::min(hold, kWarmUpMax));
    const auto began = world_.clock.monotonic();
    std::vector<Groups> sets{groups_};
    if (!baseline_name_.empty()) sets.push_back(before_);
    base::Result<std::vector<backtest::SetResult>> results = [&] {
      ProgressBar bar(world_);
      return backtest::run_backtest(
          sets, *history_, settings_,
          [&](std::size_t done, std::size_t total) { bar.show(done, total); });
    }();
    if (!results) {
      const bool away = results.error().code == base::ErrorCode::Unavailable;
      return fail(away ? kUnreachable : kNegative, results.error().message);
    }
    const auto took = world_.clock.monotonic() - began;
    return report(*results, std::chrono::duration<double>(took).count());
  }

  backtest::Pages count_pages(const backtest::SetResult& result) const {
    return config_ ? backtest::count_routed(result, settings_.from, settings_.to, config_->routing,
                                            config_->incident)
                   : backtest::count_simple(result, settings_.from, settings_.to);
  }

  int report(const std::vector<backtest::SetResult>& results, double seconds) {
    BacktestReport report;
    report.from = settings_.from;
    report.to = settings_.to;
    report.history = history_->name();
    report.routed = config_.has_value();
    report.result = &results.front();
    report.pages = count_pages(results.front());
    report.seconds = seconds;
    report.notes = notes_;
    report.notes.insert(report.notes.end(), results.front().notes.begin(),
                        results.front().notes.end());
    if (results.size() > 1) {
      report.before = &results.back();
      report.baseline = baseline_name_;
      report.pages_before = count_pages(results.back());
      report.diff = backtest::compare(results.front(), results.back(), settings_.to, tolerance());
    }
    if (world_.global.output == OutputFormat::Json) {
      world_.out << report_json(report) << '\n';
    } else {
      print_report(report, options_.limit, world_.terminal, world_.out);
    }
    return say_failures(results.front());
  }

  /// Groups that are not evaluated at the same moments see the same thing so far apart.
  base::Duration tolerance() const {
    base::Duration longest{0};
    for (const Groups* groups : {&groups_, &before_}) {
      for (const ruler::RuleGroup& group : *groups) longest = std::max(longest, group.interval);
    }
    return options_.baseline.empty() ? base::Duration{0} : longest;
  }

  int say_failures(const backtest::SetResult& result) const {
    int code = kOk;
    for (const backtest::RuleResult& rule : result.rules) {
      if (rule.failures == 0) continue;
      world_.err << printable(fmt::format("{}: {} '{}': {} of {} evaluations failed, the first at "
                                          "{}: {}",
                                          rule.source, rule.alerting ? "alert" : "record",
                                          rule.name, rule.failures, rule.evaluations,
                                          format_local(rule.first_error_at), rule.first_error))
                 << '\n';
      if (!rule.gave_up.empty()) world_.err << "  given up: " << printable(rule.gave_up) << '\n';
      if (!rule.gave_up.empty() || rule.failures == rule.evaluations) code = kNegative;
    }
    return code;
  }

  const BacktestOptions& options_;
  const CommandWorld& world_;
  backtest::Settings settings_;
  std::optional<alertd::Settings> config_;
  Groups groups_;
  Groups before_;
  std::string baseline_name_;  // empty: nothing to compare with
  std::vector<std::string> notes_;
  std::unique_ptr<ApiClient> past_;
  std::unique_ptr<backtest::QueryApi> api_;
  std::unique_ptr<backtest::History> history_;
};

}  // namespace

int run_backtest(const BacktestOptions& options, const CommandWorld& world) {
  return BacktestCommand(options, world).run();
}

}  // namespace tocsin::cli
