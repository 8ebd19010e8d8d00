// Plays a scenario: every group evaluates at each multiple of its interval, and each expectation is
// compared with what the evaluations at or before its time left behind.

#include <cmath>
#include <set>

#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_runner.h"
#include "common/base/strings.h"
#include "tests/runners/ruler/scenario.h"

namespace tocsin::ruler {
namespace {

using Kind = Expectation::Kind;

base::WallTime time_of(base::Duration offset) {
  return base::WallTime(offset);
}

bool contains(const model::Labels& labels, const model::Labels& part) {
  for (const auto& label : part) {
    if (labels.get(label.name) != label.value) return false;
  }
  return true;
}

bool equal_numbers(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

std::string describe(const ActiveAlert& alert) {
  return std::string(to_string(alert.phase)) + " " + alert.labels.to_string() +
         " severity=" + std::string(model::to_string(alert.severity)) +
         " value=" + base::format_double(alert.value);
}

class Player {
 public:
  explicit Player(const Scenario& scenario) : scenario_(scenario) {
    context_.query = [this](const std::string& expr) -> base::Result<promql::Vector> {
      const promql::Parsed parsed = promql::parse(expr);
      if (!parsed.expr) return base::error(base::ErrorCode::InvalidArgument, "does not parse");
      TC_TRY(auto result, engine_.instant(store_, *parsed.expr, context_.now));
      return std::get<promql::Vector>(result.value);
    };
  }

  std::string trace(base::Duration end) {
    std::string text;
    if (!prepare()) return text;
    for (base::Duration at{0}; at <= end; at += std::chrono::minutes(1)) {
      evaluate_to(at);
      for_alerts({}, [&](const ActiveAlert& alert) {
        if (alert.phase != AlertPhase::Firing) return;
        const std::string name(alert.labels.get(model::kAlertName));
        text += std::to_string(at / std::chrono::minutes(1)) + "\t" + name +
                model::LabelsBuilder(alert.labels).remove(model::kAlertName).build().to_string() +
                "\n";
      });
    }
    return text;
  }

  std::vector<std::string> play() {
    if (!prepare()) return failures_;
    for (const Expectation& wanted : scenario_.expectations) {
      evaluate_to(wanted.at);
      check(wanted);
      if (wanted.at != checked_all_at_) {
        checked_all_at_ = wanted.at;
        check_nothing_else(wanted.at);
      }
    }
    for (const Expectation& wanted : scenario_.expectations) {
      if (wanted.kind == Kind::Sample) check_sample(wanted);
    }
    return failures_;
  }

 private:
  struct PlayedRule {
    std::unique_ptr<RuleRunner> runner;
    std::string error;
    std::size_t sent = 0;  ///< At the last evaluation.
  };
  struct PlayedGroup {
    const RuleGroup* spec;
    base::Duration next{0};
    std::vector<PlayedRule> rules;
  };

  bool prepare() {
    for (const Load& load : scenario_.loads) {
      for (const NotedSeries& series : load.series) add(load.step, series);
    }
    return make_runners();
  }

  void add(base::Duration step, const NotedSeries& series) {
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      if (!series.values[i]) continue;
      store_.add(series.labels, {step.count() * static_cast<std::int64_t>(i), *series.values[i]});
    }
  }

  bool make_runners() {
    groups_.clear();
    for (const RuleGroup& spec : scenario_.groups) {
      PlayedGroup group{&spec, base::Duration{0}, {}};
      RunnerSettings settings;
      settings.interval = spec.interval;
      settings.query_offset = spec.query_offset;
      settings.limit = spec.limit;
      for (const Rule& rule : spec.rules) {
        auto runner = RuleRunner::make(rule, settings, context_);
        if (!runner) {
          failures_.push_back(scenario_.file + ": " + runner.error().message);
          return false;
        }
        group.rules.push_back({std::move(*runner), "", 0});
      }
      groups_.push_back(std::move(group));
    }
    return true;
  }

  void evaluate_to(base::Duration end) {
    for (;;) {
      PlayedGroup* next = nullptr;
      for (PlayedGroup& group : groups_) {
        if (!next || group.next < next->next) next = &group;
      }
      if (!next || next->next > end) return;
      if (restarts_ < scenario_.restarts.size() &&
          next->next > scenario_.restarts[restarts_].down) {
        restart(scenario_.restarts[restarts_++]);
        continue;
      }
      evaluate(*next);
      next->next += next->spec->interval;
    }
  }

  void restart(const Restart& restart) {
    std::vector<base::Duration> last;
    for (const PlayedGroup& group : groups_) last.push_back(group.next - group.spec->interval);
    make_runners();
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      PlayedGroup& group = groups_[i];
      while (group.next < restart.up) group.next += group.spec->interval;
      for (PlayedRule& rule : group.rules) {
        const auto restored = rule.runner->restore(time_of(group.next), std::chrono::hours(1),
                                                   {engine_, store_}, {}, time_of(last[i]));
        if (!restored) failures_.push_back(scenario_.file + ": " + restored.error().message);
      }
    }
  }

  void evaluate(PlayedGroup& group) {
    context_.now = time_of(group.next);
    for (PlayedRule& rule : group.rules) {
      const RuleOutcome outcome = rule.runner->run(context_.now, {engine_, store_});
      for (const auto& sample : outcome.samples) store_.add(sample.labels, sample.sample);
      rule.error = outcome.error;
      rule.sent = outcome.alerts.size();
    }
  }

  void fail(const Expectation& wanted, const std::string& got) {
    failures_.push_back(scenario_.file + ":" + std::to_string(wanted.line) + ": expected \"at " +
                        wanted.text + "\", got " + got);
  }

  template <class Function>
  void for_alerts(const std::string& name, Function visit) {
    for (PlayedGroup& group : groups_) {
      for (PlayedRule& rule : group.rules) {
        if (!rule.runner->state() || (!name.empty() && rule.runner->rule().name != name)) continue;
        for (const auto& [labels, alert] : rule.runner->state()->alerts()) visit(alert);
      }
    }
  }

  static AlertPhase phase_of(Kind kind) {
    return kind == Kind::Pending  ? AlertPhase::Pending
           : kind == Kind::Firing ? AlertPhase::Firing
                                  : AlertPhase::Inactive;
  }

  bool matches(const Expectation& wanted, const ActiveAlert& alert) const {
    if (alert.phase != phase_of(wanted.kind) || !contains(alert.labels, wanted.labels))
      return false;
    for (const auto& [name, text] : wanted.fields) {
      if (name == "severity") {
        if (model::to_string(alert.severity) != text) return false;
      } else if (name == "value") {
        if (!equal_numbers(alert.value, base::parse_double(text).value_or(0))) return false;
      } else if (alert.annotations.get(name) != text) {
        return false;
      }
    }
    return true;
  }

  std::string all_of(const std::string& name) {
    std::string text;
    for_alerts(name, [&](const ActiveAlert& alert) {
      text += "\n    " + describe(alert);
      for (const auto& annotation : alert.annotations) {
        text += "\n        " + std::string(annotation.name) + "=\"" +
                std::string(annotation.value) + "\"";
      }
    });
    return text.empty() ? "no alert" : text;
  }

  bool known(const std::string& name) const {
    for (const RuleGroup& group : scenario_.groups) {
      for (const Rule& rule : group.rules) {
        if (rule.name == name) return true;
      }
    }
    return false;
  }

  void check(const Expectation& wanted) {
    if (wanted.kind == Kind::Sample) return;  // at the end: with query_offset it is written later
    if (!wanted.alert.empty() && !known(wanted.alert)) {
      fail(wanted, "no rule of that name");
      return;
    }
    if (wanted.kind == Kind::Error || wanted.kind == Kind::Sent) {
      check_rules(wanted);
      return;
    }
    if (wanted.kind == Kind::None) {
      bool any = false;
      for_alerts(wanted.alert, [&](const ActiveAlert& alert) {
        any = any || (alert.phase != AlertPhase::Inactive && contains(alert.labels, wanted.labels));
      });
      if (any) fail(wanted, all_of(wanted.alert));
      return;
    }
    std::size_t found = 0;
    for_alerts(wanted.alert, [&](const ActiveAlert& alert) { found += matches(wanted, alert); });
    if (found == 0) fail(wanted, all_of(wanted.alert));
  }

  void check_rules(const Expectation& wanted) {
    std::string errors;
    std::size_t sent = 0;
    for (const PlayedGroup& group : groups_) {
      for (const PlayedRule& rule : group.rules) {
        if (!wanted.alert.empty() && rule.runner->rule().name != wanted.alert) continue;
        errors += rule.error;
        sent += rule.sent;
      }
    }
    if (wanted.kind == Kind::Sent) {
      if (static_cast<double>(sent) != *wanted.number) fail(wanted, std::to_string(sent));
    } else if (errors.empty() || errors.find(wanted.message) == std::string::npos) {
      fail(wanted, errors.empty() ? "no error" : errors);
    }
  }

  void check_sample(const Expectation& wanted) {
    std::string got = "none";
    bool good = !wanted.number && wanted.message.empty();
    for (const model::Sample& sample : store_.samples(wanted.labels)) {
      if (sample.timestamp_ms != wanted.at.count()) continue;
      const bool stale = model::is_stale(sample.value);
      got = stale ? "stale" : base::format_double(sample.value);
      good = stale ? wanted.message == "stale"
                   : wanted.number && equal_numbers(sample.value, *wanted.number);
    }
    if (!good) fail(wanted, got);
  }

  /// Alerts of a name that has expectations at this time must all be expected.
  void check_nothing_else(base::Duration at) {
    std::set<std::string> names;
    std::vector<const Expectation*> here;
    for (const Expectation& wanted : scenario_.expectations) {
      const bool about_alerts = wanted.kind == Kind::Pending || wanted.kind == Kind::Firing;
      if (wanted.at != at || !about_alerts) continue;
      here.push_back(&wanted);
      names.insert(wanted.alert);
    }
    for (const std::string& name : names) {
      for_alerts(name, [&](const ActiveAlert& alert) {
        if (alert.phase == AlertPhase::Inactive) return;
        for (const Expectation* wanted : here) {
          if (matches(*wanted, alert)) return;
        }
        for (const Expectation* wanted : here) {
          if (wanted->alert == name) {
            fail(*wanted, "one more: " + describe(alert));
            return;
          }
        }
      });
    }
  }

  const Scenario& scenario_;
  MemoryStore store_;
  promql::Engine engine_;
  TemplateContext context_;
  std::vector<PlayedGroup> groups_;
  std::size_t restarts_ = 0;
  base::Duration checked_all_at_{-1};
  std::vector<std::string> failures_;
};

}  // namespace

std::string trace(const Scenario& scenario, base::Duration end) {
  return Player(scenario).trace(end);
}

std::vector<std::string> play(const Scenario& scenario) {
  return Player(scenario).play();
}

}  // namespace tocsin::ruler
