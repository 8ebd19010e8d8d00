// With a plan and without: the same bits, whatever comes and goes between evaluations.
#include "alertd/promql/plan.h"

#include <doctest/doctest.h>

#include <bit>
#include <limits>

#include "alertd/promql/test_source.h"
#include "common/base/random.h"

namespace tocsin::promql {
namespace {

using base::wall_time;
using model::Labels;

std::string text_of(const base::Result<QueryResult>& result) {
  if (!result) return "error " + result.error().message;
  std::string out;
  if (const auto* vector = std::get_if<Vector>(&result->value)) {
    for (const VectorSample& sample : *vector) {
      out += sample.labels.to_string() + " " +
             std::to_string(std::bit_cast<std::uint64_t>(sample.sample.value)) + "\n";
    }
  } else {
    out =
        std::to_string(std::bit_cast<std::uint64_t>(std::get<Scalar>(result->value).sample.value));
  }
  for (const std::string& warning : result->warnings) out += warning + "\n";
  for (const std::string& info : result->infos) out += info + "\n";
  return out;
}

// Expressions from a small grammar over the metrics a, b (gauges) and c_total (a counter).
class Writer {
 public:
  explicit Writer(base::Random& random) : random_(random) {}

  std::string vector(int depth) {
    if (depth == 0) return selector();
    switch (random_.below(9)) {
      case 0:
        return pick({"rate", "increase", "delta", "irate", "changes", "resets", "deriv"}) + "(" +
               range() + ")";
      case 1:
        return pick({"avg_over_time", "sum_over_time", "max_over_time", "last_over_time",
                     "stddev_over_time", "count_over_time"}) +
               "(" + range() + ")";
      case 2:
        return pick({"sum", "avg", "max", "min", "count", "group", "stddev", "topk", "quantile"},
                    [&](const std::string& op) {
                      const std::string by = pick({"", " by (h)", " by (h, z)", " without (h)"});
                      const bool parameter = op == "topk" || op == "quantile";
                      return op + by + "(" +
                             (op == "topk" ? "2, "
                              : parameter  ? "0.5, "
                                           : "") +
                             vector(depth - 1) + ")";
                    });
      case 3:
      case 4:
        return "(" + vector(depth - 1) + pick({" / ", " + ", " > ", " == bool ", " * "}) +
               pick({"", "on (h) ", "ignoring (z) ", "on (h) group_left (z) "}) +
               vector(depth - 1) + ")";
      case 5:
        return "(" + vector(depth - 1) + pick({" and ", " unless ", " or "}) +
               pick({"", "on (h) ", "ignoring (z) "}) + vector(depth - 1) + ")";
      case 6:
        return "(" + vector(depth - 1) + pick({" > ", " * ", " <= bool ", " - "}) +
               pick({"1", "2.5", "scalar(b{h=\"1\",z=\"0\"})"}) + ")";
      case 7:
        return pick(
            {"abs", "-", "timestamp", "absent", "clamp_min"}, [&](const std::string& function) {
              if (function == "-") return "-" + vector(depth - 1);
              return function + "(" + vector(depth - 1) + (function == "clamp_min" ? ", 1)" : ")");
            });
      default:
        return pick({"max_over_time((", "sum_over_time(("}) + vector(depth - 1) + ")[3m:1m])";
    }
  }

 private:
  std::string pick(std::initializer_list<const char*> from) {
    return from.begin()[random_.below(from.size())];
  }
  template <class Then>
  std::string pick(std::initializer_list<const char*> from, Then then) {
    return then(pick(from));
  }
  std::string selector() {
    return pick({"a", "b", "c_total", "a{h=\"1\"}", "b{h!=\"0\"}", "c_total{z=~\"0|1\"}", "none",
                 "{h=\"2\"}", "a offset 2m", "b @ 600"});
  }
  std::string range() {
    return pick({"a", "b", "c_total", "c_total{h=~\"1|2\"}"}) + pick({"[5m]", "[2m]", "[10m]"}) +
           pick({"", "", " offset 1m"});
  }
  base::Random& random_;
};

// Samples every 15 s with gaps, resets, stale markers; series that begin late or end.
class Fleet {
 public:
  explicit Fleet(base::Random& random) : random_(random) {}

  void step(std::int64_t at_ms) {
    for (const char* name : {"a", "b", "c_total"}) {
      for (std::uint64_t h = 0; h < 4; ++h) {
        for (std::uint64_t z = 0; z < 3; ++z) sample(name, h, z, at_ms);
      }
    }
  }
  const TestSource& source() const { return source_; }
  void forget() { source_.clear(); }

 private:
  void sample(const char* name, std::uint64_t h, std::uint64_t z, std::int64_t at_ms) {
    const bool unborn = h == 3 && at_ms < 900'000 + static_cast<std::int64_t>(z) * 120'000;
    const bool gone = h == 0 && z == 2 && at_ms > 1'200'000;
    if (unborn || gone || random_.below(20) == 0) return;
    double value = static_cast<double>(random_.below(1000)) / 7;
    if (name[0] == 'c') {
      double& counter = counters_[h * 3 + z];
      counter = random_.below(15) == 0 ? 0 : counter + value;
      value = counter;
    } else {
      const double rare[] = {std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), model::stale_marker(), -0.0};
      if (random_.below(12) == 0) value = rare[random_.below(4)];
    }
    source_.add(Labels{{"__name__", name}, {"h", std::to_string(h)}, {"z", std::to_string(z)}},
                {at_ms, value});
  }
  base::Random& random_;
  double counters_[12] = {};
  TestSource source_;
};

ExprPtr parsed(const std::string& text) {
  return parse(text, {.experimental_functions = true}).expr;
}

void compare_runs(std::uint64_t seed, const EngineOptions& options) {
  const auto random = base::make_seeded_random(seed);
  Fleet fleet(*random);
  Writer writer(*random);
  const Engine engine(options);
  Plan plan(engine, fleet.source());
  std::vector<std::pair<std::string, ExprPtr>> rules;
  while (rules.size() < 25) {
    std::string text = writer.vector(static_cast<int>(random->below(4)));
    // Pairs of thresholds share their left side, as rules in use do.
    for (const char* end : {" > 1", " > 3", ""}) {
      const ExprPtr expr = parsed(text + end);
      if (!expr) continue;
      rules.emplace_back(text + end, expr);
      plan.add(expr);
    }
  }
  std::int64_t at_ms = 0;
  for (int round = 0; round < 130; ++round) {
    at_ms += 15'000;
    fleet.step(at_ms);
    if (round < 20 || round % 3 != 0) continue;
    if (round == 99) fleet.forget();  // everything is removed
    const std::int64_t evaluated_ms = round % 7 == 0 ? at_ms - 40'000 : at_ms + 2'000;
    plan.begin_round();
    for (const auto& [text, expr] : rules) {
      INFO(text, " at ", evaluated_ms, " seed ", seed);
      const auto plain = engine.instant(fleet.source(), *expr, wall_time(evaluated_ms));
      const auto planned = plan.instant(*expr, wall_time(evaluated_ms));
      REQUIRE(text_of(plain) == text_of(planned));
    }
  }
}

TEST_CASE("random rules over series that come and go give the same bits with a plan") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) compare_runs(seed, {});
}

TEST_CASE("the same with delayed name removal") {
  for (std::uint64_t seed = 101; seed <= 110; ++seed) {
    compare_runs(seed, {.delayed_name_removal = true});
  }
}

// Counts how often series are read.
class CountingSource final : public model::SeriesSource {
 public:
  explicit CountingSource(const TestSource& inner) : inner_(inner) {}
  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override {
    ++reads;
    return inner_.select(matchers, begin_ms, end_ms, limits);
  }
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override {
    return inner_.label_values(name, matchers);
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override {
    return inner_.label_names(matchers);
  }
  mutable int reads = 0;

 private:
  const TestSource& inner_;
};

TEST_CASE("what rules share is read once in a round, and anew in the next") {
  TestSource inner;
  REQUIRE(inner.load("15s", "a{h=\"1\"} 1 2 3 4\na{h=\"2\"} 5 6 7 8"));
  const CountingSource source(inner);
  const Engine engine;
  Plan plan(engine, source);
  const ExprPtr high = parsed("sum by (h) (a) > 3");
  const ExprPtr higher = parsed("sum by (h) (a) > 7");
  plan.add(high);
  plan.add(higher);
  const auto size = [&](const ExprPtr& expr, std::int64_t at_ms) {
    return std::get<Vector>(plan.instant(*expr, wall_time(at_ms)).value().value).size();
  };
  CHECK(size(high, 45'000) == 2);
  CHECK(size(higher, 45'000) == 1);
  CHECK(source.reads == 1);
  plan.begin_round();
  CHECK(size(higher, 45'000) == 1);
  CHECK(source.reads == 2);
  CHECK(size(high, 30'000) == 1);  // another time is another result: 7 only
  CHECK(source.reads == 3);
  // An expression that was never added is evaluated without memory.
  CHECK(size(parsed("a"), 45'000) == 2);
}

TEST_CASE("an error or an annotation is each rule's own") {
  TestSource source;
  REQUIRE(source.load("15s", "gauge{h=\"1\"} 1 2 3 4 5 6\ngauge{h=\"1\",z=\"1\"} 1 2 3 4 5 6"));
  const Engine engine;
  Plan plan(engine, source);
  const std::vector<std::string> texts{"rate(gauge[1m]) > 0", "1 + rate(gauge[1m])",
                                       "gauge + on (h) gauge", "1 < (gauge + on (h) gauge)"};
  std::vector<ExprPtr> rules;
  for (const std::string& text : texts) {
    rules.push_back(parsed(text));
    plan.add(rules.back());
  }
  for (const ExprPtr& expr : rules) {
    const auto plain = engine.instant(source, *expr, wall_time(75'000));
    CHECK(text_of(plan.instant(*expr, wall_time(75'000))) == text_of(plain));
  }
}

TEST_CASE("limits and cancellation hold with a plan") {
  TestSource source;
  REQUIRE(source.load("15s", "a{h=\"1\"} 1 2 3 4\na{h=\"2\"} 5 6 7 8"));
  const Engine engine({.samples_max = 3});
  Plan plan(engine, source);
  const ExprPtr window = parsed("sum_over_time(a[1m])");
  const ExprPtr both = parsed("a + a");
  plan.add(window);
  plan.add(both);
  CHECK(plan.instant(*window, wall_time(45'000)).error().code == base::ErrorCode::LimitExceeded);
  CHECK(plan.instant(*both, wall_time(45'000)).error().code == base::ErrorCode::LimitExceeded);
  const auto cancelled = plan.instant(*window, wall_time(45'000), [] { return true; });
  CHECK(cancelled.error().code == base::ErrorCode::Cancelled);
}

}  // namespace
}  // namespace tocsin::promql
