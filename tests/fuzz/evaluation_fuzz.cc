// Expressions built from bytes, so that most of them are valid, evaluated over a few series.
//
// What must hold whatever the expression: evaluation ends in a result or an error within its
// limits; a vector has no two elements with the same labels, a matrix is sorted and its samples lie
// on the grid; no stale marker comes out; and a range query says at each of its steps what the
// instant query says at that moment.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <string>

#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "alertd/promql/test_source.h"
#include "tests/fuzz/byte_reader.h"

namespace {

using namespace tocsin;

constexpr std::int64_t kBeginMs = 60'000;
constexpr std::int64_t kStepMs = 45'000;
constexpr int kSteps = 4;

class Writer {
 public:
  explicit Writer(fuzz::ByteReader& bytes) : bytes_(bytes) {}

  std::string vector(int depth) {
    if (depth <= 0) return selector() + shift();
    switch (bytes_.below(8)) {
      case 0:
        return call(depth);
      case 1:
        return fmt::format("({}) {} ({})", vector(depth - 1), operation(), vector(depth - 1));
      case 2:
        return fmt::format("({}) {} ({})", vector(depth - 1), operation(), scalar(depth - 1));
      case 3:
        return fmt::format("{}({})",
                           bytes_.pick({"sum by (x) ", "avg ", "count without (x) ",
                                        "max by (y, le) ", "stddev ", "group by (x) "}),
                           vector(depth - 1));
      case 4:
        return fmt::format("{}({}, {})",
                           bytes_.pick({"topk", "bottomk", "quantile", "limitk", "limit_ratio"}),
                           scalar(depth - 1), vector(depth - 1));
      case 5:
        return fmt::format(
            "({}) {} ({})", vector(depth - 1),
            bytes_.pick({"and", "or", "unless", "and on (x)", "or ignoring (x)", "unless on ()"}),
            vector(depth - 1));
      case 6:
        return fmt::format("label_replace({}, \"{}\", \"$1\", \"{}\", \"(.*)\")", vector(depth - 1),
                           bytes_.pick({"x", "z", "__name__"}), bytes_.pick({"x", "y", "le"}));
      default:
        return fmt::format("-({})", vector(depth - 1));
    }
  }

 private:
  std::string selector() {
    return std::string(bytes_.pick({"a", "b", "c_total", "h_bucket", "{x=\"1\"}", "a{x=~\".*\"}",
                                    "{__name__=~\"a|b\"}", "nothing", "b{y!=\"\"}"}));
  }

  // `@` before the offset; times near the samples, and far away.
  std::string shift() {
    std::string text;
    if (bytes_.below(6) == 0) text += bytes_.pick({" @ 100", " @ 0", " @ -5", " @ 9e9"});
    if (bytes_.below(6) == 0) text += bytes_.pick({" offset 30s", " offset -1m", " offset 300y"});
    return text;
  }

  std::string range(int depth) {
    const auto window = bytes_.pick({"1m", "15s", "1s", "5m", "40s", "1y"});
    if (depth > 0 && bytes_.below(2) == 0) {
      return fmt::format("({})[{}:{}]{}", vector(depth - 1), bytes_.pick({"1m", "40s", "5m"}),
                         bytes_.pick({"", "15s", "7s", "1m"}), shift());
    }
    return fmt::format("{}[{}]{}", selector(), window, shift());
  }

  std::string scalar(int depth) {
    if (depth > 0 && bytes_.below(4) == 0) return fmt::format("scalar({})", vector(depth - 1));
    return std::string(bytes_.pick({"0", "1", "2", "-1", "0.5", "Inf", "-Inf", "NaN", "1e300",
                                    "1e-300", "time()", "pi()", "-0"}));
  }

  std::string operation() {
    return std::string(bytes_.pick({"+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "< bool",
                                    ">", "<=", ">= bool", "+ on (x)", "* on (x) group_left (y)",
                                    "- ignoring (x, y)", "> on (x) group_right"}));
  }

  // Any function of the table, with arguments of its types.
  std::string call(int depth) {
    const auto names = promql::function_names();
    const auto* function = promql::find_function(names[bytes_.below(names.size())]);
    const std::size_t count =
        function->args_min +
        bytes_.below(static_cast<std::size_t>(
            std::min<int>(function->args_max, function->args_min + 2) - function->args_min + 1));
    std::string text = std::string(function->name) + "(";
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) text += ", ";
      switch (function->args[std::min(i, function->args.size() - 1)]) {
        case promql::ValueType::Scalar:
          text += scalar(depth - 1);
          break;
        case promql::ValueType::InstantVector:
          text += vector(depth - 1);
          break;
        case promql::ValueType::RangeVector:
          text += range(depth - 1);
          break;
        case promql::ValueType::String:
          text += bytes_.pick({"\"x\"", "\"y\"", "\"\"", "\"$1\"", "\"(.*)\"", "\"__name__\""});
          break;
      }
    }
    return text + ")";
  }

  fuzz::ByteReader& bytes_;
};

const promql::TestSource& source() {
  static const promql::TestSource built = [] {
    promql::TestSource made;
    (void)made.load("15s",
                    "a{x=\"1\",y=\"p\"} 0+1x20\n"
                    "a{x=\"2\",y=\"q\"} 5 stale 3 NaN Inf -Inf 0 _ _ 7x9\n"
                    "b{x=\"1\",y=\"p\"} -5+1x20\n"
                    "b{x=\"2\"} _x10 4 4 4 1e300 -1e300\n"
                    "c_total{x=\"1\"} 10 20 5 30 2 _x3 9 9 100\n"
                    "h_bucket{x=\"1\",le=\"1\"} 1 2 3 4 5 6 7\n"
                    "h_bucket{x=\"1\",le=\"5\"} 2 4 6 8 9 11 14\n"
                    "h_bucket{x=\"1\",le=\"+Inf\"} 2 4 6 9 12 15 18\n"
                    "h_bucket{x=\"2\",le=\"bad\"} 1 1 1 1 1 1 1");
    return made;
  }();
  return built;
}

void require(bool condition) {
  if (!condition) std::abort();
}

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b));
}

using Values = std::map<model::Labels, double>;

Values values_of(const promql::QueryResult& result) {
  Values values;
  if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
    values.emplace(model::Labels{}, scalar->sample.value);
  } else if (const auto* vector = std::get_if<promql::Vector>(&result.value)) {
    for (const auto& element : *vector) {
      require(!model::is_stale(element.sample.value));
      require(values.emplace(element.labels, element.sample.value).second);
    }
  }
  return values;
}

std::map<std::int64_t, Values> steps_of(const promql::Matrix& matrix) {
  std::map<std::int64_t, Values> steps;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    require(i == 0 || matrix[i - 1].labels < matrix[i].labels);
    for (const model::Sample& sample : matrix[i].samples) {
      require(!model::is_stale(sample.value));
      const std::int64_t offset = sample.timestamp_ms - kBeginMs;
      require(offset >= 0 && offset % kStepMs == 0 && offset <= (kSteps - 1) * kStepMs);
      steps[sample.timestamp_ms].emplace(matrix[i].labels, sample.value);
    }
  }
  return steps;
}

void print(const Values& values) {
  for (const auto& [labels, value] : values) {
    std::fprintf(stderr, "  %s %.17g\n", labels.to_string().c_str(), value);
  }
  std::fprintf(stderr, "  (%zu)\n", values.size());
}

bool has_one_of(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return text.find(word) != std::string::npos; });
}

// Left out: what depends on the query's own bounds; and what chooses by the order in which elements
// come, because sort(), topk() and bottomk() make one in instant queries only (sort() says so).
bool same_for_instants(const std::string& text) {
  if (has_one_of(text, {"start(", "end(", "step(", "range("})) return false;
  if (has_one_of(text, {"sort"}) && has_one_of(text, {"limitk", "topk", "bottomk"})) return false;
  return !(has_one_of(text, {"topk", "bottomk"}) && has_one_of(text, {"limitk"}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteReader bytes(data, size);
  const std::string text = Writer(bytes).vector(3);
  const promql::ParseOptions options{.experimental_functions = true, .duration_expressions = true};
  const promql::Parsed parsed = promql::parse(text, options);
  if (!parsed.expr) return 0;
  promql::EngineOptions limits;
  limits.samples_max = 100'000;
  const promql::Engine engine(limits);
  const auto range =
      engine.range(source(), *parsed.expr, base::wall_time(kBeginMs),
                   base::wall_time(kBeginMs + (kSteps - 1) * kStepMs), base::Duration{kStepMs});
  std::map<std::int64_t, Values> steps;
  if (range) steps = steps_of(std::get<promql::Matrix>(range->value));
  for (int i = 0; i < kSteps; ++i) {
    const std::int64_t at = kBeginMs + i * kStepMs;
    const auto instant = engine.instant(source(), *parsed.expr, base::wall_time(at));
    if (!instant) continue;
    const Values values = values_of(*instant);
    if (!range || !same_for_instants(text)) continue;
    const Values& expected = steps[at];
    const bool equal = std::equal(values.begin(), values.end(), expected.begin(), expected.end(),
                                  [](const auto& a, const auto& b) {
                                    return a.first == b.first && same(a.second, b.second);
                                  });
    if (equal) continue;
    std::fprintf(stderr, "%s\nat %lld, alone and as a step:\n", text.c_str(),
                 static_cast<long long>(at));
    print(values);
    print(expected);
    std::abort();
  }
  return 0;
}
