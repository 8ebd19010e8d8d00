// The tests of one file, and those that need no more than the rules: groups are evaluated at each
// multiple of their interval since the start, an on-data group also when samples come.

#include "cli/ruletest/scenario_runner.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/ast.h"
#include "cli/ruletest/checks.h"
#include "cli/ruletest/player.h"
#include "cli/ruletest/scenario_reader.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

constexpr std::size_t kExplainMax = 5;

class RulePlay {
 public:
  RulePlay(const TestCase& test, Player& player, CaseResult& result)
      : test_(test), player_(player), result_(result), feed_(make_feed(test.input)) {
    for (const ruler::RuleGroup& group : player.groups()) {
      next_.push_back(base::Duration{0});
      last_.push_back(-group.interval);
    }
  }

  void play() {
    std::size_t alert = 0;
    std::size_t query = 0;
    for (const base::Duration at : times()) {
      advance(at);
      std::size_t end = alert;
      while (end < test_.alerts.size() && test_.alerts[end].at == at) ++end;
      if (end > alert) {
        check_alerts(
            test_.alerts.data() + alert, test_.alerts.data() + end, history_,
            [&](const std::string& name) { return explain(name, at); }, result_.failures);
      }
      alert = end;
      for (; query < test_.queries.size() && test_.queries[query].at == at; ++query) {
        check_query(test_.queries[query],
                    player_.query(*test_.queries[query].expr, test_.clock.start + at),
                    result_.failures);
      }
    }
    for (const TimelineCheck& check : test_.timelines) {
      check_timeline(check, history_, result_.failures);
    }
    for (const auto& [place, alerts] : test_.never_fires) {
      check_never_fires(place, alerts, history_, result_.failures);
    }
    check_errors(test_, errors_, result_.failures);
    result_.traces = history_.take_traces();
  }

 private:
  /// All times at which something is looked at, and the end.
  std::vector<base::Duration> times() const {
    std::vector<base::Duration> all;
    for (const AlertCheck& check : test_.alerts) all.push_back(check.at);
    for (const QueryCheck& check : test_.queries) all.push_back(check.at);
    all.push_back(test_.end);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  /// Everything up to `end`: samples, evaluations and restarts in order of time.
  void advance(base::Duration end) {
    for (;;) {
      std::size_t group = 0;
      base::Duration at = base::Duration::max();
      for (std::size_t i = 0; i < next_.size(); ++i) {
        const base::Duration due = due_of(i);
        if (due < at) {
          at = due;
          group = i;
        }
      }
      if (at > end) break;
      if (restart_before(at)) continue;
      feed_to(at);
      evaluate(group, at);
    }
    feed_to(end);
  }

  /// When a group is next evaluated: its slot, or with the next sample if it is an on-data group.
  base::Duration due_of(std::size_t group) const {
    const ruler::RuleGroup& spec = player_.groups()[group];
    if (!spec.on_data || fed_ == feed_.size()) return next_[group];
    const base::Duration arrives{feed_[fed_].at_ms};
    return std::min(next_[group], std::max(arrives, last_[group] + spec.min_interval));
  }

  void evaluate(std::size_t group, base::Duration at) {
    std::vector<RuleError> errors;
    player_.evaluate(group, test_.clock.start + at, errors, &history_, test_.clock.start);
    for (const RuleError& error : errors) note_error(error, at);
    last_[group] = at;
    while (next_[group] <= at) next_[group] += player_.groups()[group].interval;
  }

  void note_error(const RuleError& error, base::Duration at) {
    const std::string& name = error.rule->name;
    const bool known = std::any_of(errors_.begin(), errors_.end(),
                                   [&](const auto& one) { return one.first == name; });
    if (known) return;
    errors_.emplace_back(
        name, Finding{test_.place,
                      fmt::format("at {}: the rule {} ({}:{}) fails", base::format_duration(at),
                                  name, error.rule->place.file, error.rule->place.line),
                      {},
                      {error.message},
                      {"a failure that is wanted is named: errors = [ { rule = \"...\" } ]"}});
  }

  /// Restarts the process if it went away before `at`; then groups go on when it is back.
  bool restart_before(base::Duration at) {
    for (; events_ < test_.events.size(); ++events_) {
      const TestEvent& event = test_.events[events_];
      if (event.kind != TestEvent::Kind::Restart) continue;
      if (event.at >= at) return false;
      const base::Duration back = event.at + event.length;
      std::vector<base::WallTime> next;
      for (std::size_t i = 0; i < next_.size(); ++i) {
        while (next_[i] < back) next_[i] += player_.groups()[i].interval;
        last_[i] = std::max(last_[i], back);
        next.push_back(test_.clock.start + next_[i]);
      }
      ++events_;
      feed_to(back);
      const auto restored = player_.restart(next);
      if (!restored) {
        result_.failures.push_back(
            {event.place, "the state of the rules cannot be read back", {}, {}, {}});
        result_.failures.back().got.push_back(restored.error().message);
      }
      return true;
    }
    return false;
  }

  void feed_to(base::Duration at) {
    for (; fed_ < feed_.size() && feed_[fed_].at_ms <= at.count(); ++fed_) {
      const FeedSample& sample = feed_[fed_];
      player_.add(test_.input[sample.series].labels,
                  {base::to_ms(test_.clock.start) + sample.at_ms, sample.value});
    }
  }

  /// The value of the rule's expression now; of a comparison, what is compared.
  std::vector<std::string> explain(const std::string& name, base::Duration at) const {
    std::vector<std::string> lines;
    for (const ruler::RuleGroup& group : player_.groups()) {
      for (const ruler::Rule& rule : group.rules) {
        if (rule.kind != ruler::RuleKind::Alerting || rule.name != name) continue;
        const promql::Expr& expr = promql::without_parens(*rule.expr);
        const auto* binary = std::get_if<promql::Binary>(&expr.node);
        if (binary == nullptr || !promql::is_comparison(binary->op)) {
          explain_value(expr, at, lines);
          continue;
        }
        for (const promql::Expr* side : {binary->left.get(), binary->right.get()}) {
          const auto& inner = promql::without_parens(*side);
          if (!std::holds_alternative<promql::NumberLiteral>(inner.node)) {
            explain_value(inner, at, lines);
          }
        }
      }
    }
    return lines;
  }

  void explain_value(const promql::Expr& expr, base::Duration at,
                     std::vector<std::string>& lines) const {
    const auto result = player_.query(expr, test_.clock.start + at);
    std::string text = promql::print(expr);
    if (!result) return;
    if (const auto* scalar = std::get_if<promql::Scalar>(&result->value)) {
      lines.push_back(fmt::format("{} is {}", text, base::format_double(scalar->sample.value)));
      return;
    }
    const auto* vector = std::get_if<promql::Vector>(&result->value);
    if (vector == nullptr) return;
    lines.push_back(text + (vector->empty() ? " is empty" : " is"));
    for (std::size_t i = 0; i < std::min(vector->size(), kExplainMax); ++i) {
      lines.push_back(fmt::format("  {} {}", (*vector)[i].labels.to_string(),
                                  base::format_double((*vector)[i].sample.value)));
    }
    if (vector->size() > kExplainMax) {
      lines.push_back(fmt::format("  and {} more", vector->size() - kExplainMax));
    }
  }

  const TestCase& test_;
  Player& player_;
  CaseResult& result_;
  std::vector<FeedSample> feed_;
  std::size_t fed_ = 0;
  std::size_t events_ = 0;
  std::vector<base::Duration> next_;  ///< By group: its next slot.
  std::vector<base::Duration> last_;  ///< By group: its last evaluation.
  History history_;
  std::vector<std::pair<std::string, Finding>> errors_;  ///< By rule, the first of each.
};

CaseResult run_case(const TestFile& file, const TestCase& test, const RunWorld& world) {
  CaseResult result;
  result.name = test.name;
  result.at = test.place;
  result.assertions = test.assertions();
  note_asserted(test, result);
  const base::MonotonicTime begin = world.clock.monotonic();
  if (test.live()) {
    const auto played = play_daemon(file, test, world, result);
    if (!played) {
      result.failures.push_back(
          {test.place, "alertd does not run with this", {}, {played.error().message}, {}});
    }
  } else {
    play_rules(test, world.rules.load(test.rule_paths, file.interval_default).groups, result);
  }
  result.took = std::chrono::duration_cast<base::Duration>(world.clock.monotonic() - begin);
  return result;
}

}  // namespace

void note_asserted(const TestCase& test, CaseResult& result) {
  for (const AlertCheck& check : test.alerts) {
    if (check.kind != AlertCheck::Kind::None) result.asserted.insert(check.alert.name());
  }
  for (const TimelineCheck& check : test.timelines) result.asserted.insert(check.alert.name());
  for (const IncidentCheck& check : test.incidents) {
    if (!check.none) result.asserted.insert(check.alert.name());
  }
  for (const NotificationCheck& check : test.notifications) {
    if (check.alert && check.count > 0) result.asserted.insert(check.alert->name());
  }
}

void play_rules(const TestCase& test, const std::vector<ruler::RuleGroup>& groups,
                CaseResult& result) {
  PlayerOptions options;
  options.external_labels = test.external_labels;
  options.external_url = test.external_url;
  const auto player = Player::make(groups, options);
  if (!player) {
    result.failures.push_back(
        {test.place, "the rules cannot run", {}, {player.error().message}, {}});
    return;
  }
  check_names(test, groups, result.failures);
  RulePlay(test, **player, result).play();
}

FileResult run_test_file(config::Source source, const RunWorld& world) {
  FileResult result;
  result.file = source.file;
  const auto file = read_test_file(std::move(source), world.files, result.diagnostics);
  result.sources.push_back(file->source);
  if (base::has_errors(result.diagnostics)) return result;
  std::vector<std::string> broken;
  for (const TestCase& test : file->cases) {
    if (!wanted(world.options, test.name)) {
      ++result.left_out;
      continue;
    }
    const ruler::RuleSet& set = world.rules.load(test.rule_paths, file->interval_default);
    const std::string key = base::join(test.rule_paths, "\n");
    if (std::find(broken.begin(), broken.end(), key) != broken.end()) continue;
    if (!take_diagnostics(set, result)) {
      broken.push_back(key);
      continue;
    }
    result.cases.push_back(run_case(*file, test, world));
  }
  return result;
}

}  // namespace tocsin::ruletest
