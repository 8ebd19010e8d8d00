#include "alertd/datasource/remote_evaluator.h"

#include <re2/re2.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>

#include "common/base/log.h"

namespace tocsin::datasource {
namespace {

using base::WallTime;
using ruler::Rule;
using ruler::RuleKind;

// A template may ask with what an earlier question of it gave.
constexpr int kTextRoundsMax = 6;
constexpr base::Duration kRoundMin{1'000};
constexpr std::string_view kStateMetrics[] = {"ALERTS", "ALERTS_FOR_STATE"};

bool asks(const std::vector<ruler::NamedText>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const ruler::NamedText& text) {
    return text.text.find("query") != std::string::npos;
  });
}

/// Quotes text for a regular expression within a PromQL string.
std::string quoted(const std::string& name) {
  std::string out;
  for (const char c : RE2::QuoteMeta(name)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

/// Returns the query for what is written about the alerts of these rules; "" if there are none.
std::string state_query(const std::vector<const Rule*>& rules, base::Duration window) {
  std::string names;
  std::set<std::string> known;
  for (const Rule* rule : rules) {
    if (rule->kind != RuleKind::Alerting || !known.insert(rule->name).second) continue;
    names += (names.empty() ? "" : "|") + quoted(rule->name);
  }
  if (names.empty()) return {};
  const std::int64_t seconds = std::max<std::int64_t>(1, window.count() / 1000);
  return "{__name__=~\"ALERTS|ALERTS_FOR_STATE\",alertname=~\"" + names + "\"}[" +
         std::to_string(seconds) + "s]";
}

base::Result<promql::Vector> vector_of(const base::Result<QueryAnswer>& answer) {
  if (!answer) return answer.error();
  if (answer->type != "vector" && answer->type != "scalar") {
    return base::error(base::ErrorCode::InvalidArgument,
                       "the result is neither an instant vector nor a scalar");
  }
  return answer->vector();
}

/// Where nothing was written any more although the group went on, the alert had ended: engines do
/// not hand out the stale marker that says so.
void end_what_ended(const promql::Matrix& series, base::Duration interval,
                    ruler::MemoryStore& into) {
  std::int64_t newest_ms = 0;
  for (const auto& one : series) {
    if (!one.samples.empty()) newest_ms = std::max(newest_ms, one.samples.back().timestamp_ms);
  }
  for (const auto& one : series) {
    if (one.samples.empty()) continue;
    const std::int64_t last_ms = one.samples.back().timestamp_ms;
    if (newest_ms - last_ms < 2 * interval.count()) continue;
    into.add(one.labels, {last_ms + interval.count(), model::stale_marker()});
  }
}

}  // namespace

struct RemoteEvaluator::Run {
  ruler::RuleRunner& runner;
  WallTime ts;
  Cancelled cancelled;
  RunDone done;
  base::Result<promql::Vector> result = promql::Vector{};
  std::vector<std::string> warnings;
  int text_rounds = 0;

  void end(const ruler::InputQuery& input = {}) {
    ruler::RuleOutcome outcome = runner.run_on(ts, std::move(result), input);
    std::move(warnings.begin(), warnings.end(), std::back_inserter(outcome.warnings));
    done(std::move(outcome));
  }
};

struct RemoteEvaluator::Past {
  ruler::PastRequest request;
  PastDone done;
  std::string state_expr;
  Answer state;
  /// By expression: what it gave when the rules were last evaluated.
  std::vector<std::pair<const promql::Expr*, Answer>> inputs;
  std::atomic<std::size_t> left{0};
};

RemoteEvaluator::RemoteEvaluator(const ruler::RuleGroup& group,
                                 std::shared_ptr<Datasource> datasource,
                                 const promql::Engine& engine, const model::SeriesSource& local)
    : interval_(group.interval),
      query_offset_(group.query_offset),
      datasource_(std::move(datasource)),
      engine_(engine),
      local_(local) {}

void RemoteEvaluator::begin_round() {
  base::MutexLock lock(mutex_);
  asked_.clear();
  wanted_.clear();
}

// A round ends before the next is due, whatever the engine does.
base::MonotonicTime RemoteEvaluator::deadline_of(WallTime round) {
  base::MutexLock lock(mutex_);
  if (round != round_) {
    round_ = round;
    deadline_ = datasource_->clock().monotonic() + std::max(kRoundMin, interval_ * 4 / 5);
  }
  return deadline_;
}

void RemoteEvaluator::fetch(const std::string& expr, WallTime at, const Cancelled& cancelled,
                            Then then) {
  const bool cache = datasource_->settings()->cache;
  std::shared_ptr<Asked> asked;
  Answer known;
  base::MonotonicTime deadline;
  {
    base::MutexLock lock(mutex_);
    deadline = deadline_;
    auto& entry = asked_[{expr, at}];
    const bool first = !entry || (!cache && !wanted_.contains(expr));
    if (first) {
      asked = entry = std::make_shared<Asked>();
      entry->waiting.push_back(std::move(then));
    } else if (entry->answer) {
      known = entry->answer;
    } else {
      entry->waiting.push_back(std::move(then));
    }
  }
  if (known) return then(known);
  if (!asked) return;
  datasource_->ask({expr, at, deadline, cancelled}, [this, asked](base::Result<QueryAnswer> got) {
    const auto answer = std::make_shared<const base::Result<QueryAnswer>>(std::move(got));
    std::vector<Then> waiting;
    {
      base::MutexLock lock(mutex_);
      asked->answer = answer;
      waiting.swap(asked->waiting);
    }
    // Each of them keeps the group alive, and with it this object.
    for (const Then& next : waiting) next(answer);
  });
}

void RemoteEvaluator::run(ruler::RuleRunner& runner, WallTime ts, Cancelled cancelled,
                          RunDone done) {
  deadline_of(ts);
  auto run = std::make_shared<Run>(Run{runner, ts, std::move(cancelled), std::move(done)});
  fetch(runner.rule().expr_text, ts - query_offset_, run->cancelled,
        [this, run](const Answer& answer) { evaluated(run, answer); });
}

void RemoteEvaluator::evaluated(const std::shared_ptr<Run>& run, const Answer& answer) {
  run->result = vector_of(*answer);
  if (*answer) run->warnings = (*answer)->warnings;
  const Rule& rule = run->runner.rule();
  if (!run->result || rule.kind != RuleKind::Alerting) return run->end();
  if (asks(rule.labels) || asks(rule.annotations)) return expand_texts(run);
  look_at_input(run);
}

std::vector<std::string> RemoteEvaluator::texts_wanted(WallTime at) {
  std::vector<std::string> missing;
  base::MutexLock lock(mutex_);
  for (const std::string& expr : wanted_) {
    const auto found = asked_.find({expr, at});
    if (found == asked_.end() || !found->second->answer) missing.push_back(expr);
  }
  return missing;
}

// Templates ask synchronously: they are expanded for nothing until all that they ask is there.
void RemoteEvaluator::expand_texts(const std::shared_ptr<Run>& run) {
  run->runner.try_texts(*run->result);
  const std::vector<std::string> missing = texts_wanted(run->ts);
  if (missing.empty() || ++run->text_rounds > kTextRoundsMax) return look_at_input(run);
  auto left = std::make_shared<std::atomic<std::size_t>>(missing.size());
  for (const std::string& expr : missing) {
    fetch(expr, run->ts, run->cancelled, [this, run, left](const Answer&) {
      if (--*left == 0) expand_texts(run);
    });
  }
}

void RemoteEvaluator::look_at_input(const std::shared_ptr<Run>& run) {
  if (!run->runner.wants_input(run->ts, *run->result)) return run->end();
  fetch(promql::print(*run->runner.rule().input), run->ts - query_offset_, run->cancelled,
        [run](const Answer& answer) { run->end([&] { return vector_of(*answer); }); });
}

base::Result<promql::Vector> RemoteEvaluator::query(const std::string& expr, WallTime now) {
  Answer answer;
  {
    base::MutexLock lock(mutex_);
    wanted_.insert(expr);
    const auto found = asked_.find({expr, now});
    if (found != asked_.end()) answer = found->second->answer;
  }
  if (answer) return vector_of(*answer);
  return base::error(base::ErrorCode::Unavailable, "the datasource has not been asked this yet");
}

void RemoteEvaluator::past(const ruler::PastRequest& request, PastDone done) {
  deadline_of(request.end);
  auto past = std::make_shared<Past>();
  past->request = request;
  past->done = std::move(done);
  past->state_expr = state_query(request.rules, request.end - request.begin);
  for (const Rule* rule : request.rules) {
    if (rule->kind != RuleKind::Alerting || rule->no_data != ruler::NoData::Alert) continue;
    const promql::ExprPtr& input = rule->levelled ? rule->expr : rule->input;
    if (input) past->inputs.emplace_back(input.get(), nullptr);
  }
  ask_past(past);
}

void RemoteEvaluator::ask_past(const std::shared_ptr<Past>& past) {
  if (past->state_expr.empty()) return past->done(ruler::QueryWorld{engine_, local_});
  past->left = 1 + past->inputs.size();
  const auto arrived = [this, past] {
    if (--past->left == 0) past_known(*past);
  };
  for (auto& [expr, slot] : past->inputs) {
    fetch(promql::print(*expr), past->request.seen_at - query_offset_, {},
          [arrived, into = &slot](const Answer& answer) {
            *into = answer;
            arrived();
          });
  }
  fetch(past->state_expr, past->request.end, {}, [arrived, past](const Answer& answer) {
    past->state = answer;
    arrived();
  });
}

void RemoteEvaluator::past_known(Past& past) {
  const auto down = [](const Answer& answer) {
    return !*answer && base::is_retryable(answer->error().code);
  };
  if (down(past.state)) return past.done(past.state->error());
  for (const auto& [expr, answer] : past.inputs) {
    if (down(answer)) return past.done(answer->error());
  }
  ruler::MemoryStore merged;
  if (const auto read = read_local(past.request, merged); !read) return past.done(read.error());
  if (*past.state) {
    for (const promql::MatrixSeries& one : (*past.state)->series) {
      for (const model::Sample& sample : one.samples) merged.add(one.labels, sample);
    }
    end_what_ended((*past.state)->series, interval_, merged);
  } else {
    base::log_warning("alertd/datasource",
                      "alerts go on from what is stored here only, because the engine was asked in "
                      "vain: {}",
                      past.state->error().message);
  }
  ruler::QueryWorld world{engine_, merged};
  world.elsewhere = [&past](const promql::Expr& expr,
                            WallTime) -> base::Result<promql::QueryResult> {
    for (const auto& [known, answer] : past.inputs) {
      if (known != &expr) continue;
      TC_TRY(auto vector, vector_of(*answer));
      return promql::QueryResult{std::move(vector), {}, {}};
    }
    return base::error(base::ErrorCode::NotFound, "the expression was not asked");
  };
  past.done(world);
}

base::Result<std::size_t> RemoteEvaluator::read_local(const ruler::PastRequest& request,
                                                      ruler::MemoryStore& into) const {
  const std::int64_t begin_ms = base::to_ms(request.begin);
  const std::int64_t end_ms = base::to_ms(request.end);
  std::size_t series = 0;
  std::vector<model::Sample> samples;
  for (const Rule* rule : request.rules) {
    if (rule->kind != RuleKind::Alerting) continue;
    for (const std::string_view metric : kStateMetrics) {
      const std::vector<model::Matcher> matchers{
          model::Matcher::equal(std::string(model::kMetricName), std::string(metric)),
          model::Matcher::equal(std::string(model::kAlertName), rule->name)};
      TC_TRY(const auto set, local_.select(matchers, begin_ms, end_ms, {}));
      for (std::size_t i = 0; i < set->size(); ++i, ++series) {
        samples.clear();
        TC_TRY(set->samples(i, begin_ms, end_ms, samples));
        for (const model::Sample& sample : samples) into.add(set->labels(i), sample);
      }
    }
  }
  return series;
}

}  // namespace tocsin::datasource
