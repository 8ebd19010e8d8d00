#include "agent/collectors/nagios/nagios_source.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <set>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/nagios/perfdata.h"
#include "common/base/log.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr int kUnknown = 3;
constexpr std::size_t kOutputBytesMax = 64 << 10;
constexpr std::size_t kShownBytes = 300;
constexpr std::array<std::string_view, 4> kStatusNames{"ok", "warning", "critical", "unknown"};

constexpr MetricInfo kStatus{"nagios_check_status",
                             "Exit status: 0 ok, 1 warning, 2 critical, 3 unknown."};
constexpr MetricInfo kLastRun{"nagios_check_last_run_timestamp_seconds",
                              "When the check began last, in Unix time."};
constexpr MetricInfo kEvery{"nagios_check_interval_seconds", "How often the check is run."};
constexpr MetricInfo kSeconds{"nagios_check_duration_seconds", "How long the last run took."};
constexpr MetricInfo kTimedOut{"nagios_check_timed_out", "1 if the last run was killed."};
constexpr MetricInfo kUnreadable{"nagios_check_perfdata_unreadable",
                                 "Numbers of the last run that are none, or too many."};
constexpr MetricInfo kThreshold{"nagios_perfdata_threshold",
                                "Ends of the ranges that the plugin itself uses."};

/// The last run.
struct Outcome {
  int status = kUnknown;
  double began_seconds = 0;
  double took_seconds = 0;
  bool timed_out = false;
  NagiosOutput output;
  std::optional<base::Error> not_run;  ///< The program could not be started.
};

void add_threshold(RoundSink& sink, const std::string& check, const NagiosNumber& number,
                   std::string_view level, const std::optional<NagiosRange>& range) {
  if (!range) return;
  const auto end = [&](std::string_view bound, const std::optional<double>& value) {
    if (!value) return;
    sink.add(kThreshold,
             {{"check", check}, {"label", number.label}, {"level", level}, {"bound", bound}},
             *value);
  };
  end("low", range->low);
  end("high", range->high);
}

void add_outcome(RoundSink& sink, const std::string& check, const Outcome& outcome) {
  const model::LabelView label{"check", check};
  sink.add(kStatus, {label}, outcome.status);
  sink.add(kLastRun, {label}, outcome.began_seconds);
  sink.add(kSeconds, {label}, outcome.took_seconds);
  sink.add(kTimedOut, {label}, outcome.timed_out ? 1 : 0);
  sink.add(kUnreadable, {label}, static_cast<double>(outcome.output.unreadable));
  std::set<std::string> seen;
  for (const NagiosNumber& number : outcome.output.numbers) {
    if (!seen.insert(number.label).second) continue;
    const std::string name = "nagios_perfdata_" + number.unit;
    const MetricType type = number.unit == "total" ? MetricType::Counter : MetricType::Gauge;
    sink.add(MetricInfo{name, "A number of the plugin, in base units.", type},
             {label, {"label", number.label}}, number.value);
    add_threshold(sink, check, number, "warning", number.warning);
    add_threshold(sink, check, number, "critical", number.critical);
    if (number.max) {
      sink.add(kThreshold, {label, {"label", number.label}, {"level", "max"}, {"bound", "high"}},
               *number.max);
    }
  }
}

class NagiosSource final : public AsyncSource {
 public:
  NagiosSource(NagiosCheckSettings settings, base::Duration patience, NagiosWorld world)
      : settings_(std::move(settings)),
        patience_(patience),
        world_(std::move(world)),
        key_(settings_.key()) {}

  const std::string& key() const override { return key_; }

  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override {
    done_ = std::move(done);
    const base::MonotonicTime now = world_.executor.clock().monotonic();
    if (!running_ && (!last_ || now - *last_ >= settings_.every - patience_ / 8)) {
      run(timestamp, now);
    }
    const auto tell_later = [this, alive = std::weak_ptr<int>(alive_), number = ++round_] {
      if (!alive.expired() && number == round_) tell();
    };
    if (running_) {
      timer_ = world_.executor.post_after(patience_, tell_later);
    } else {
      world_.executor.post(tell_later);
    }
  }

 private:
  void run(base::WallTime timestamp, base::MonotonicTime now) {
    running_ = true;
    last_ = now;
    base::Command command;
    command.arguments = settings_.command;
    command.environment = settings_.environment;
    command.timeout = settings_.timeout;
    command.output_bytes_max = kOutputBytesMax;
    world_.runner->run(std::move(command), world_.executor,
                       [this, timestamp, now, alive = std::weak_ptr<int>(alive_)](
                           const base::Result<base::CommandResult>& result) {
                         if (!alive.expired()) ended(timestamp, now, result);
                       });
  }

  void ended(base::WallTime timestamp, base::MonotonicTime began,
             const base::Result<base::CommandResult>& result) {
    running_ = false;
    Outcome outcome;
    outcome.began_seconds = base::to_seconds(timestamp);
    outcome.took_seconds =
        std::chrono::duration<double>(world_.executor.clock().monotonic() - began).count();
    if (!result) {
      outcome.not_run = result.error();
    } else {
      outcome.timed_out = result->timed_out;
      const bool said =
          !result->timed_out && result->signal == 0 && result->exit_status <= kUnknown;
      outcome.status = said ? result->exit_status : kUnknown;
      outcome.output = parse_nagios_output(result->output, settings_.numbers_max);
    }
    log(outcome, result);
    outcome_ = std::move(outcome);
    world_.executor.cancel(std::exchange(timer_, 0));
    tell();
  }

  // Said when the status changes: the text often has numbers in it that change each time.
  void log(const Outcome& outcome, const base::Result<base::CommandResult>& result) {
    if (outcome.status == said_status_) return;
    const bool first_and_good = outcome.status == 0 && said_status_ < 0;
    said_status_ = outcome.status;
    if (first_and_good) return;
    std::string why = outcome.output.first_line.substr(0, kShownBytes);
    if (outcome.not_run) {
      why = outcome.not_run->message;
    } else if (outcome.timed_out) {
      why = fmt::format("killed: no end within {}", base::format_duration(settings_.timeout));
    } else if (result->signal != 0) {
      why = fmt::format("ended by signal {}", result->signal);
    }
    const std::string_view status = kStatusNames[static_cast<std::size_t>(outcome.status)];
    if (outcome.status == 0) {
      base::log_info("agent/check", "{} is {}: {}", settings_.name, status, why);
    } else {
      base::log_warning("agent/check", "{} is {}: {}", settings_.name, status, why);
    }
  }

  void tell() {
    if (!done_) return;
    std::exchange(done_, nullptr)([this](RoundSink& sink) {
      sink.add(kEvery, {{"check", settings_.name}},
               std::chrono::duration<double>(settings_.every).count());
      if (!outcome_) return;
      add_outcome(sink, settings_.name, *outcome_);
      if (outcome_->not_run) {
        add_check_failed(sink, settings_.name, "nagios_check", *outcome_->not_run);
      }
    });
  }

  NagiosCheckSettings settings_;
  base::Duration patience_;
  NagiosWorld world_;
  std::string key_;
  std::function<void(const Fill&)> done_;
  base::TimerId timer_ = 0;
  std::uint64_t round_ = 0;
  bool running_ = false;
  int said_status_ = -1;
  std::optional<base::MonotonicTime> last_;
  std::optional<Outcome> outcome_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace

std::unique_ptr<AsyncSource> make_nagios_source(NagiosCheckSettings settings,
                                                base::Duration patience, NagiosWorld world) {
  return std::make_unique<NagiosSource>(std::move(settings), patience, std::move(world));
}

}  // namespace tocsin::agent
