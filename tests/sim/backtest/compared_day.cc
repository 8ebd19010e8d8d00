#include "tests/sim/backtest/compared_day.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "alertd/ruler/group.h"
#include "alertd/ruler/rule_loader.h"
#include "alertd/tsdb/store.h"
#include "common/base/process.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::sim {
namespace {

using base::WallTime;

/// Where the daemon's groups hand their alerts over.
class LogSink final : public model::AlertSink {
 public:
  void post(std::vector<model::Alert> alerts) override {
    for (const model::Alert& alert : alerts) log_.take(alert);
  }
  backtest::FiringLog& log() { return log_; }

 private:
  backtest::FiringLog log_;
};

class Day {
 public:
  Day(const FleetOptions& options, std::vector<ruler::RuleGroup> groups)
      : options_(options), groups_(std::move(groups)), clock_(options.begin), fleet_(options) {}
  ~Day() {
    for (auto& group : running_) group->abandon();
    executor_.run_ready();
    store_.reset();
    executor_.run_ready();
  }
  Day(const Day&) = delete;
  Day& operator=(const Day&) = delete;

  base::Result<void> live(ComparedDay& day, Live live,
                          const std::function<void(const std::string&)>& say) {
    tsdb::StoreOptions options;
    options.folder = "/data";
    options.fsync = tsdb::Fsync::Interval;  // the simulated disk copies a file when it syncs it
    options.fsync_interval = std::chrono::hours(1);
    TC_TRY(store_, tsdb::Store::open(options, files_, executor_, metrics_));
    const ruler::RulerWorld world{executor_, engine_, *store_, *store_, sink_, metrics_};
    for (const ruler::RuleGroup& group : groups_) {
      TC_TRY(auto made, ruler::Group::make(group, world, {}));
      running_.push_back(std::move(made));
      if (live == Live::Yes) running_.back()->start(ruler::Group::Restore::No);
    }
    const double began = base::process_cpu_seconds();
    const WallTime end = options_.begin + options_.length;
    std::size_t rounds = 0;
    for (WallTime round = options_.begin; round < end; round += options_.spacing) {
      for (std::size_t turn = 0; turn < Fleet::kTurns; ++turn) {
        run_to(round + fleet_.phase(turn));
        auto batch = std::make_shared<model::WriteBatch>();
        fleet_.send(turn, clock_.wall(), *batch);
        if (turn == 0) fleet_.send_daemon(clock_.wall(), *batch);
        append(batch, day);
      }
      if (++rounds % 240 == 0) {
        say(fmt::format("lived {} of {}", base::format_duration(round - options_.begin),
                        base::format_duration(options_.length)));
      }
    }
    run_to(end);
    day.lived_seconds = base::process_cpu_seconds() - began;
    day.lived = sink_.log().sorted();
    day.series = fleet_.series_count();
    day.incidents = fleet_.incident_count();
    return base::ok();
  }

  base::Result<void> backtest(ComparedDay& day) {
    const auto history = backtest::make_local_history(engine_, *store_, "the store");
    backtest::Settings settings;
    settings.from = options_.begin;
    settings.to = options_.begin + options_.length;
    const base::RealClock real;
    const auto began = real.monotonic();
    const double began_cpu = base::process_cpu_seconds();
    TC_TRY(auto results, backtest::run_backtest({groups_}, *history, settings, {}));
    day.backtest_seconds = std::chrono::duration<double>(real.monotonic() - began).count();
    day.backtest_cpu_seconds = base::process_cpu_seconds() - began_cpu;
    day.evaluations = results.front().evaluations();
    for (backtest::RuleResult& rule : results.front().rules) {
      day.backtested.insert(day.backtested.end(), rule.firings.begin(), rule.firings.end());
      day.rules.push_back(std::move(rule));
    }
    return base::ok();
  }

 private:
  void run_to(WallTime at) { executor_.run_for(at - clock_.wall()); }

  void append(const std::shared_ptr<model::WriteBatch>& batch, ComparedDay& day) {
    store_->append(batch, [&day](base::Result<model::AppendOutcome> outcome) {
      if (!outcome) return;
      day.samples += outcome->samples_appended;
      day.samples_refused += outcome->samples_conflicting + outcome->samples_out_of_order +
                             outcome->samples_too_old + outcome->samples_too_new +
                             outcome->series_refused;
    });
    executor_.run_ready();
  }

  const FleetOptions options_;
  const std::vector<ruler::RuleGroup> groups_;
  base::SimClock clock_;
  base::SimExecutor executor_{clock_};
  base::Metrics metrics_;
  SimFileSystem files_;
  promql::Engine engine_;
  LogSink sink_;
  Fleet fleet_;
  std::unique_ptr<tsdb::Store> store_;
  std::vector<std::shared_ptr<ruler::Group>> running_;
};

}  // namespace

base::Result<ComparedDay> compare_day(const FleetOptions& options, const std::string& rule_path,
                                      Live live,
                                      const std::function<void(const std::string&)>& say) {
  const auto files = base::make_real_file_system();
  ruler::RuleSet rules = ruler::load_rules({rule_path}, {}, *files);
  if (base::has_errors(rules.diagnostics)) {
    return base::error(base::ErrorCode::InvalidArgument,
                       config::render_all(rules.diagnostics, rules.sources));
  }
  ComparedDay result;
  Day day(options, std::move(rules.groups));
  TC_TRY(day.live(result, live, say));
  say("backtesting");
  TC_TRY(day.backtest(result));
  return result;
}

std::string describe(const backtest::Firing& firing) {
  std::string severities;
  for (const backtest::SeverityStep& step : firing.severities) {
    severities += fmt::format(" {}@{}", model::to_string(step.severity), base::to_ms(step.at));
  }
  return fmt::format("{} {} {}..{}{}", firing.rule_source, firing.labels.to_string(),
                     base::format_rfc3339(firing.begin),
                     firing.end ? base::format_rfc3339(*firing.end) : "", severities);
}

std::vector<std::string> differences(const ComparedDay& day) {
  std::multiset<std::string> lived;
  for (const backtest::Firing& firing : day.lived) lived.insert(describe(firing));
  std::vector<std::string> lines;
  for (const backtest::Firing& firing : day.backtested) {
    const std::string line = describe(firing);
    const auto found = lived.find(line);
    if (found == lived.end()) {
      lines.push_back("only backtested: " + line);
    } else {
      lived.erase(found);
    }
  }
  for (const std::string& line : lived) lines.push_back("only lived: " + line);
  return lines;
}

}  // namespace tocsin::sim
