// The evaluator that computes here, over the series of our store.

#include <utility>

#include "alertd/ruler/rule_evaluator.h"

namespace tocsin::ruler {
namespace {

class LocalEvaluator final : public RuleEvaluator {
 public:
  LocalEvaluator(const promql::Engine& engine, const model::SeriesSource& source,
                 const promql::ParseOptions& parse)
      : engine_(engine), source_(source), parse_(parse), plan_(engine, source) {}

  void add(const Rule& rule) override {
    plan_.add(rule.expr);
    if (rule.input) plan_.add(rule.input);
  }

  void begin_round() override { plan_.begin_round(); }

  void run(RuleRunner& runner, base::WallTime ts, Cancelled cancelled, RunDone done) override {
    done(runner.run(ts, {engine_, source_, &plan_}, cancelled));
  }

  base::Result<promql::Vector> query(const std::string& expr, base::WallTime now) override {
    promql::Parsed parsed = promql::parse(expr, parse_);
    if (!parsed.expr) {
      return base::error(base::ErrorCode::InvalidArgument, parsed.errors.empty()
                                                               ? "the query does not parse"
                                                               : parsed.errors.front().message);
    }
    TC_TRY(auto result, engine_.instant(source_, *parsed.expr, now));
    return to_vector(std::move(result));
  }

  void past(const PastRequest&, PastDone done) override { done(QueryWorld{engine_, source_}); }

 private:
  const promql::Engine& engine_;
  const model::SeriesSource& source_;
  const promql::ParseOptions parse_;
  promql::Plan plan_;  // what the rules' queries remember and share
};

}  // namespace

std::unique_ptr<RuleEvaluator> make_local_evaluator(const promql::Engine& engine,
                                                    const model::SeriesSource& source,
                                                    const promql::ParseOptions& parse) {
  return std::make_unique<LocalEvaluator>(engine, source, parse);
}

}  // namespace tocsin::ruler
