#include <doctest/doctest.h>

#include <bit>
#include <limits>

#include "alertd/promql/engine.h"
#include "alertd/promql/go_compatible.h"
#include "alertd/promql/kahan.h"
#include "alertd/promql/quantile.h"
#include "alertd/promql/table.h"
#include "alertd/promql/test_source.h"
#include "common/base/hash.h"

namespace tocsin::promql {
namespace {

using base::wall_time;

ExprPtr parsed(std::string_view text) {
  const Parsed result = parse(text, {.experimental_functions = true, .duration_expressions = true});
  REQUIRE_MESSAGE(result.expr != nullptr, text);
  return result.expr;
}

TestSource loaded(std::string_view step, std::string_view lines) {
  TestSource source;
  REQUIRE(source.load(step, lines));
  return source;
}

// "labels value" of each sample, in order, separated by "; "; or the error.
std::string at(const TestSource& source, std::string_view query, std::int64_t at_ms,
               const EngineOptions& options = {}) {
  const auto result = Engine(options).instant(source, *parsed(query), wall_time(at_ms));
  if (!result) return "error: " + result.error().message;
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (const auto* vector = std::get_if<Vector>(&result->value)) {
    for (const VectorSample& sample : *vector) {
      add(sample.labels.to_string() + " " + std::to_string(sample.sample.value));
      CHECK(sample.sample.timestamp_ms == at_ms);
    }
  } else if (const auto* scalar = std::get_if<Scalar>(&result->value)) {
    add(std::to_string(scalar->sample.value));
  } else if (const auto* string = std::get_if<String>(&result->value)) {
    add(string->value);
  } else {
    for (const MatrixSeries& series : std::get<Matrix>(result->value)) {
      add(series.labels.to_string() + " [" + std::to_string(series.samples.size()) + "]");
    }
  }
  return out;
}

TEST_CASE("extremes from step to step are those of each window, to the bit") {
  // Ties, both zeros, NaN and gaps; a window is 6 samples wide and a step 2 samples.
  const TestSource source = loaded(
      "10s",
      "x 3 1 1 NaN 2 0 -0 _ 5 NaN NaN NaN NaN NaN NaN NaN NaN 4 4 -Inf Inf 7 _ _ _ _ _ _ 1 2");
  for (const std::string_view query :
       {"min_over_time(x[1m])", "max_over_time(x[1m])", "min_over_time(x[1m] @ 60)",
        "max_over_time(x[1m] offset -20s)"}) {
    const ExprPtr expr = parsed(query);
    const auto range =
        Engine().range(source, *expr, wall_time(0), wall_time(320'000), base::Duration(20'000));
    REQUIRE(range);
    std::size_t points = 0;
    for (std::int64_t ms = 0; ms <= 320'000; ms += 20'000) {
      const auto one = Engine().instant(source, *expr, wall_time(ms));
      REQUIRE(one);
      const Vector& vector = std::get<Vector>(one->value);
      if (vector.empty()) continue;
      const Matrix& matrix = std::get<Matrix>(range->value);
      REQUIRE(matrix.size() == 1);
      REQUIRE(points < matrix[0].samples.size());
      const model::Sample& step = matrix[0].samples[points++];
      CHECK(step.timestamp_ms == ms);
      CHECK(std::bit_cast<std::uint64_t>(step.value) ==
            std::bit_cast<std::uint64_t>(vector[0].sample.value));
    }
    CHECK(points > 10);
    CHECK(points == std::get<Matrix>(range->value)[0].samples.size());
  }
}

TEST_CASE("instant results by type") {
  const TestSource source = loaded("1m", "x{a=\"1\"} 1 2 3\nx{a=\"2\"} 10 20 30");
  CHECK(at(source, "x", 120'000) == "x{a=\"1\"} 3.000000; x{a=\"2\"} 30.000000");
  CHECK(at(source, "1 + 1", 0) == "2.000000");
  CHECK(at(source, "\"text\"", 0) == "text");
  CHECK(at(source, "x[2m]", 120'000) == "x{a=\"1\"} [2]; x{a=\"2\"} [2]");
  CHECK(at(source, "sum(x)", 120'000) == "{} 33.000000");
}

TEST_CASE("windows and lookback are open on the left") {
  const TestSource source = loaded("1m", "x 1 2");
  // The last sample is at 60 s; with a lookback of 5 min it is seen until just before 360 s.
  CHECK(at(source, "x", 359'999) == "x 2.000000");
  CHECK(at(source, "x", 360'000) == "");
  CHECK(at(source, "count_over_time(x[1m])", 60'000) == "{} 1.000000");
}

TEST_CASE("a stale marker ends the series at once") {
  const TestSource source = loaded("1m", "x 1 stale 3");
  CHECK(at(source, "x", 60'000) == "");
  CHECK(at(source, "count_over_time(x[5m])", 120'000) == "{} 2.000000");
}

TEST_CASE("names dropped at once: what follows does not see them") {
  const TestSource source = loaded("1m", "a_total{x=\"1\"} 0 60\nb_total{x=\"1\"} 0 120");
  const std::string both = "increase({__name__=~\"[ab]_total\"}[2m])";
  // Both rows lose their name in increase() and are then alike, whatever would follow.
  for (const std::string& query :
       {both, "sum(" + both + ")", "sum by (__name__) (" + both + ")",
        "label_replace(" + both + ", \"of\", \"$1\", \"__name__\", \"(.+)\")"}) {
    CAPTURE(query);
    CHECK(at(source, query, 60'000).find("same labelset") != std::string::npos);
  }
  // (-1 m, 1 m] holds 0 and 60, which does not grow below zero: 60.
  CHECK(at(source, "label_join(increase(a_total[2m]), \"of\", \"-\", \"__name__\", \"x\")",
           60'000) == "{of=\"-1\", x=\"1\"} 60.000000");
  CHECK(at(source, "sum by (__name__) (increase(a_total[2m]))", 60'000) == "{} 60.000000");
  CHECK(at(source, "last_over_time(a_total[2m])", 60'000) == "a_total{x=\"1\"} 60.000000");
  CHECK(at(source, "-a_total", 60'000) == "{x=\"1\"} -60.000000");
  CHECK(at(source, "sum by (__name__) (-a_total)", 60'000) == "{} -60.000000");
  CHECK(at(source, "absent(-gone{x=\"1\"})", 60'000) == "{} 1.000000");
  CHECK(at(source, "max_over_time((-{__name__=~\"[ab]_total\"})[1m:1m])", 60'000)
            .find("same labelset") != std::string::npos);
}

TEST_CASE("names: dropped at once, or at the end") {
  const TestSource source = loaded("1m", "a{l=\"1\"} 1\nb{l=\"1\"} 2");
  const std::string query = "sum(-{__name__=~\"a|b\"})";
  CHECK(at(source, query, 0).find("same labelset") != std::string::npos);
  EngineOptions delayed;
  delayed.delayed_name_removal = true;
  CHECK(at(source, query, 0, delayed) == "{} -3.000000");
  CHECK(at(source, "-a", 0, delayed) == "{l=\"1\"} -1.000000");
  CHECK(at(source, "a + on (l) b", 0) == "{l=\"1\"} 3.000000");
  CHECK(at(source, "a < b", 0) == "a{l=\"1\"} 1.000000");
  CHECK(at(source, "a < on (l) b", 0) == "{l=\"1\"} 1.000000");
}

TEST_CASE("many-to-many matching is an error with both series") {
  const TestSource source = loaded("1m", "one 1\ndup{l=\"a\"} 1\ndup{l=\"b\"} 2");
  const std::string error = at(source, "one > on() dup", 0);
  CHECK(error.find("duplicate series for the match group {} on the right") != std::string::npos);
  CHECK(error.find("l=\"a\"") != std::string::npos);
  CHECK(at(source, "dup * on() group_left one", 0) == "{l=\"a\"} 1.000000; {l=\"b\"} 2.000000");
}

TEST_CASE("range queries: steps, order, gaps") {
  const TestSource source = loaded("1m", "b 1 2 3\na _ 5 stale 7");
  const Engine engine;
  const auto result = engine.range(source, *parsed("{__name__=~\"a|b\"}"), wall_time(0),
                                   wall_time(180'000), base::Duration{60'000});
  REQUIRE(result);
  const auto& matrix = std::get<Matrix>(result->value);
  REQUIRE(matrix.size() == 2);
  CHECK(matrix[0].labels.metric_name() == "a");
  CHECK(matrix[0].samples == std::vector<model::Sample>{{60'000, 5}, {180'000, 7}});
  CHECK(matrix[1].samples ==
        std::vector<model::Sample>{{0, 1}, {60'000, 2}, {120'000, 3}, {180'000, 3}});
}

TEST_CASE("limits: samples, points, cancellation, bad ranges") {
  const TestSource source = loaded("1s", "x 1x2000\ny 1x2000");
  EngineOptions small;
  small.samples_max = 1000;
  CHECK(at(source, "sum_over_time(x[1h])", 2'000'000, small) ==
        "error: query needs more than 1000 samples in memory");
  CHECK(at(source, "sum_over_time(vector(1)[1h:1s])", 0, small).find("limit") != std::string::npos);
  CHECK(at(source, "x", 1'000, small) == "x 1.000000");

  const Engine engine;
  const auto expr = parsed("x");
  const auto code = [](const base::Result<QueryResult>& result) { return result.error().code; };
  const base::Duration second{1000};
  CHECK(code(engine.range(source, *expr, wall_time(0), wall_time(11'001'000), second)) ==
        base::ErrorCode::LimitExceeded);
  CHECK(code(engine.range(source, *expr, wall_time(0), wall_time(1), base::Duration{0})) ==
        base::ErrorCode::InvalidArgument);
  CHECK(code(engine.range(source, *expr, wall_time(5), wall_time(1), second)) ==
        base::ErrorCode::InvalidArgument);
  CHECK(code(engine.range(source, *parsed("x[5m]"), wall_time(0), wall_time(1), second)) ==
        base::ErrorCode::InvalidArgument);
  int asked = 0;
  CHECK(code(engine.instant(source, *parsed("x + y"), wall_time(0), [&] { return ++asked > 2; })) ==
        base::ErrorCode::Cancelled);
}

TEST_CASE("the budget is given back: many small tables do not add up") {
  const TestSource source = loaded("1m", "x 1x10");
  EngineOptions small;
  small.samples_max = 100;
  std::string query = "x";
  for (int i = 0; i < 200; ++i) query += " + x";
  CHECK(at(source, query, 60'000, small) == "{} 201.000000");
}

TEST_CASE("what is not there yet says so, with a position") {
  const TestSource source = loaded("1m", "x 1");
  CHECK(at(source, "1 + histogram_count(x)", 0) ==
        "error: function 'histogram_count' is not supported yet (1:5)");
  CHECK(at(source, "rate(x[5m] anchored)", 0).find("not supported yet (1:6)") != std::string::npos);
}

TEST_CASE("annotations carry line and column") {
  const TestSource source = loaded("1m", "x 1 2 3\nh{le=\"a\"} 1");
  const auto result = Engine().instant(source, *parsed("1 +\n  rate(x[5m])"), wall_time(120'000));
  REQUIRE(result);
  REQUIRE(result->infos.size() == 1);
  CHECK(result->infos[0] ==
        "PromQL info: metric might not be a counter, name does not end in "
        "_total/_sum/_count/_bucket: \"x\" (2:8)");
  CHECK(result->warnings.empty());
}

TEST_CASE("an empty source and an empty result") {
  const TestSource source;
  CHECK(at(source, "x", 0) == "");
  CHECK(at(source, "sum(x) + y", 0) == "");
  CHECK(at(source, "absent(x{a=\"b\", c=~\"d\"})", 0) == "{a=\"b\"} 1.000000");
}

TEST_CASE("compensated sums keep what plain sums lose") {
  // 1e100 swallows the ones in plain addition; the true sum is 2.
  KahanSum sum;
  for (const double value : {1.0, 1e100, 1.0, -1e100}) sum.add(value);
  CHECK(sum.value() == 2.0);
  // The sum of these overflows, their mean does not.
  KahanMean mean;
  for (int i = 0; i < 4; ++i) mean.add(1e308);
  CHECK(mean.value() == doctest::Approx(1e308));
}

TEST_CASE("numbers and label hashes are those of Prometheus") {
  CHECK(plain_number(1e21) == "1000000000000000000000");
  CHECK(plain_number(1e-9) == "0.000000001");
  CHECK(plain_number(0.1) == "0.1");
  CHECK(plain_number(-0.0) == "-0");
  CHECK(plain_number(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(plain_number(std::numeric_limits<double>::denorm_min()).size() == 326);
  // XXH64 of nothing, as its specification says.
  CHECK(base::xxh64("") == 0xef46db3751d8e999);
  const model::Labels none;
  CHECK(ratio_offset({&none, NameState::Keep}, false) ==
        doctest::Approx(static_cast<double>(0xef46db3751d8e999) / 0x1p64));
  // A hidden name does not count, a marked one does.
  const model::Labels named{{"__name__", "a"}, {"l", "1"}};
  const model::Labels bare{{"l", "1"}};
  CHECK(ratio_offset({&named, NameState::Drop}, false) ==
        ratio_offset({&bare, NameState::Keep}, false));
  CHECK(ratio_offset({&named, NameState::Drop}, true) !=
        ratio_offset({&bare, NameState::Keep}, true));
}

TEST_CASE("quantiles of buckets") {
  // 10 observations: 2 up to 1, 6 up to 2, 10 up to +Inf. Rank 5 is 3 of 4 into (1, 2]: 1.75.
  std::vector<Bucket> buckets{{2, 6}, {1, 2}, {std::numeric_limits<double>::infinity(), 10}};
  BucketRepair repair;
  CHECK(bucket_quantile(0.5, buckets, repair) == doctest::Approx(1.75));
  CHECK_FALSE(repair.forced_monotonic);
  // The +Inf bucket has no width: its quantiles are its lower bound.
  CHECK(bucket_quantile(0.99, buckets, repair) == 2);
  // (1.5 .. 2] holds half of 4 observations: 2 of 10.
  CHECK(bucket_fraction(1.5, 2, buckets) == doctest::Approx(0.2));
  std::vector<Bucket> broken{{1, 5}, {2, 3}, {std::numeric_limits<double>::infinity(), 5}};
  (void)bucket_quantile(0.5, broken, repair);
  CHECK(repair.forced_monotonic);
}

TEST_CASE("merging rows of equal labels refuses two values at one step") {
  const model::Labels a{{"__name__", "a"}, {"l", "1"}};
  const model::Labels b{{"__name__", "b"}, {"l", "1"}};
  Table table;
  table.steps = 2;
  table.add_row({&a, NameState::Drop})[0] = 1;
  table.add_row({&b, NameState::Drop})[1] = 2;
  REQUIRE(merge_equal_series(table, false, false));
  REQUIRE(table.series.size() == 1);
  CHECK(table.cells == std::vector<double>{1, 2});
  table.add_row({&b, NameState::Drop})[1] = 3;
  CHECK_FALSE(merge_equal_series(table, false, false));
}

TEST_CASE("notation of values") {
  const auto values = parse_values("_ 1 0+2x2 _x2 5m stale -1-1x1");
  REQUIRE(values);
  REQUIRE(values->size() == 11);
  CHECK_FALSE((*values)[0]);
  CHECK((*values)[4] == 4.0);
  CHECK_FALSE((*values)[6]);
  CHECK((*values)[7] == 300.0);
  CHECK(model::is_stale(*(*values)[8]));
  CHECK((*values)[10] == -2.0);
  for (const std::string_view bad : {"1+1", "_a4", "1x", "stalex2", "3+3x4-4", "1x99999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_values(bad));
  }
}

}  // namespace
}  // namespace tocsin::promql
