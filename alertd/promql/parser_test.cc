#include <doctest/doctest.h>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "alertd/promql/lexer.h"
#include "alertd/promql/parser.h"

namespace tocsin::promql {
namespace {

constexpr ParseOptions kAll{.experimental_functions = true, .duration_expressions = true};

// "begin-end: message | hint" of the first error, or "ok".
std::string first_error(std::string_view text, const ParseOptions& options = kAll) {
  const Parsed parsed = parse(text, options);
  CHECK((parsed.expr == nullptr) == !parsed.errors.empty());
  if (parsed.errors.empty()) return "ok";
  const ParseError& error = parsed.errors[0];
  CHECK(error.begin <= error.end);
  CHECK(error.end <= text.size() + 1);
  std::string out = std::to_string(error.begin) + "-" + std::to_string(error.end) + ": ";
  out += error.message;
  return error.hint.empty() ? out : out + " | " + error.hint;
}

std::string printed(std::string_view text) {
  const Parsed parsed = parse(text, kAll);
  return parsed.expr ? print(*parsed.expr) : "error: " + parsed.errors.at(0).message;
}

TEST_CASE("errors say where, what and what to do") {
  CHECK(first_error("") == "0-0: expression is empty | write at least a metric name");
  CHECK(first_error("avg_over_tim(foo[5m])") ==
        "0-12: unknown function 'avg_over_tim' | did you mean 'avg_over_time'?");
  CHECK(first_error("sum(up") ==
        "6-6: unexpected end of expression in the arguments | expected ',' or ')'");
  CHECK(first_error("up{job=5}") ==
        "7-8: unexpected '5' in the selector | expected a quoted string");
  CHECK(first_error("up[5m1h]") ==
        "3-7: bad number or duration '5m1h' | durations are written with the largest unit first, "
        "such as 1h30m");
  CHECK(first_error("1 == 1") ==
        "0-6: comparisons between scalars must use the bool modifier | write '== bool'");
  CHECK(first_error("rate(up)") ==
        "5-7: expected type range vector in call to function 'rate', got instant vector");
  CHECK(first_error("up{x=\"a") == "5-7: string is not closed | a closing \" is missing");
  CHECK(first_error("up{x=~\"(\"}").starts_with("6-9: bad regular expression '('"));
  CHECK(first_error("up{x=\"\\q\"}") == "6-9: bad escape '\\q' in string");
  CHECK(first_error("{x=\"\"}").starts_with("0-6: selector must have at least one matcher"));
  CHECK(first_error("foo[5s/0]") == "7-8: division by zero in a duration");
  CHECK(first_error("foo[0s]") == "4-6: duration must be greater than 0");
  CHECK(first_error("foo offset 9.5e10") == "11-17: duration is out of range | at most 292 years");
  CHECK(first_error("foo offset (-2 * 1e400)").starts_with("17-22: duration is out of range"));
  CHECK(first_error("holt_winters(x[5m], 0.5, 0.5)") ==
        "0-12: unknown function 'holt_winters' | since Prometheus 3 it is called "
        "'double_exponential_smoothing'");
  CHECK(first_error("foo{__name__=~\"b.*\"}") ==
        "4-12: metric name must not be set twice: 'foo' or 'b.*'");
  CHECK(first_error("up \xff") == "3-4: expression is not valid UTF-8");
  CHECK(first_error("up $ 1") == "3-4: unexpected character '$'");
  CHECK(first_error("a on(b) c") ==
        "2-4: unexpected 'on' after the expression | expected an "
        "operator or the end");
}

TEST_CASE("all type errors are reported at once") {
  const Parsed parsed = parse("rate(a) + rate(b) + sum(1)");
  REQUIRE(parsed.errors.size() == 3);
  CHECK(parsed.errors[0].begin == 5);
  CHECK(parsed.errors[1].begin == 15);
  CHECK(parsed.errors[2].begin == 24);
}

TEST_CASE("precedence and associativity") {
  const auto shape = [](std::string_view text) {
    const Parsed parsed = parse(text);
    REQUIRE(parsed.expr != nullptr);
    const auto& top = std::get<Binary>(parsed.expr->node);
    return print(*top.left) + " | " + std::string(to_string(top.op)) + " | " + print(*top.right);
  };
  CHECK(shape("1 + 2 * 3") == "1 | + | 2 * 3");
  CHECK(shape("1 - 2 - 3") == "1 - 2 | - | 3");
  CHECK(shape("2 ^ 3 ^ 2") == "2 | ^ | 3 ^ 2");
  CHECK(shape("-2 ^ 2 * 3") == "-2 ^ 2 | * | 3");
  CHECK(shape("a or b and c") == "a | or | b and c");
  CHECK(shape("a and b == c") == "a | and | b == c");
  CHECK(shape("a % b atan2 c") == "a % b | atan2 | c");
  CHECK(shape("foo offset 5m + 1") == "foo offset 5m | + | 1");
}

TEST_CASE("canonical text survives another round") {
  for (const std::string_view text :
       {"sum by (a, \"b c\") (rate(x{y=~\"z.*\"}[5m:30s] offset -1h @ end()))",
        "topk without (le) (3, a) / on (x) group_left (y) b", "{\"http.requests\", a!=\"1\"}",
        "min_over_time(rate(foo[2s])[5m:] @ 1603775091.5)[4m:3s]", "foo[max_of(step(), 5s + 2m)]",
        "a > bool fill_left(-1) b", "-1 ^ 2", "0x1F + 1_000 + Inf - NaN", "\"\\x01\\n\\\"\"",
        "foo offset -(step() * 2)", "count_values(\"v\", up) by (job)", "5m + 1"}) {
    CAPTURE(text);
    const std::string once = printed(text);
    CHECK_FALSE(once.starts_with("error"));
    CHECK(printed(once) == once);
  }
  CHECK(printed("SUM(x) BY (a)") == "sum by (a) (x)");
  CHECK(printed("x{ a = 'b' , }[300]") == "x{a=\"b\"}[5m]");
}

TEST_CASE("keywords are names where they cannot be anything else") {
  for (const std::string_view text :
       {"min", "sum + sum", "offset", "start{end=\"x\"}", "by", "foo unless on (start) bar",
        "sum by (by) (without)", "fill + fill(0) fill", "anchored{job=\"a\"}", "step"}) {
    CAPTURE(text);
    CHECK(first_error(text) == "ok");
  }
}

TEST_CASE("experimental parts are off unless asked for") {
  const ParseOptions stable;
  CHECK(first_error("mad_over_time(x[5m])", stable).starts_with("0-13: function"));
  CHECK(first_error("limitk(1, x)", stable).starts_with("0-6: aggregation"));
  CHECK(first_error("x[5m + 1m]", stable).starts_with("5-6: calculating with durations"));
  CHECK(first_error("x[5m]", stable).starts_with("ok"));
}

TEST_CASE("limits hold: text, nesting, chains") {
  CHECK(first_error(std::string(70000, ' ')) == "0-70000: expression is 70000 bytes, limit 65536");
  const auto nested = [](std::size_t depth, std::string_view open, std::string_view close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  CHECK(first_error(nested(100, "(", ")")) == "ok");
  CHECK(first_error(nested(20000, "(", ")")).find("nested more than 128") != std::string::npos);
  CHECK(first_error(nested(20000, "-", "")).find("nested more than 128") != std::string::npos);
  CHECK(first_error("x[" + nested(20000, "(", ")") + "]").find("nested more than 128") !=
        std::string::npos);
  std::string chain = "1";
  for (int i = 0; i < 400; ++i) chain += "+1";
  CHECK(first_error(chain) == "ok");
  for (int i = 0; i < 20000; ++i) chain += "+1";
  CHECK(first_error(chain).find("chains more than 512") != std::string::npos);
}

TEST_CASE("a million parentheses are an error, and no tree is too deep to print or to destroy") {
  constexpr std::size_t kMillion = 1'000'000;
  CHECK(first_error(std::string(kMillion, '(')).find("limit 65536") != std::string::npos);
  const std::string deep = std::string(32'000, '(') + "x" + std::string(32'000, ')');
  CHECK(first_error(deep).find("nested more than 128") != std::string::npos);
  CHECK(first_error("x[" + std::string(60'000, '(')).find("nested more") != std::string::npos);
  CHECK(first_error("sum(" + std::string(60'000, '{')).find("unexpected") != std::string::npos);

  // The parser makes no such tree; whoever builds one by hand can still print, walk and drop it.
  auto top = std::make_unique<Expr>();
  top->node = NumberLiteral{1};
  for (std::size_t i = 0; i < kMillion; ++i) {
    auto next = std::make_unique<Expr>();
    next->node = Paren{std::move(top)};
    top = std::move(next);
  }
  const std::string text = print(*top);
  CHECK(text.size() == 2 * kMillion + 1);
  CHECK(text[kMillion] == '1');
  std::size_t nodes = 0;
  walk(*top, [&](const Expr&) { ++nodes; });
  CHECK(nodes == kMillion + 1);
}

TEST_CASE("equal trees: what stands elsewhere is equal, what means something else is not") {
  const auto same = [](std::string_view a, std::string_view b) {
    const Parsed left = parse(a, kAll);
    const Parsed right = parse(b, kAll);
    REQUIRE_MESSAGE(left.expr != nullptr, a);
    REQUIRE_MESSAGE(right.expr != nullptr, b);
    return same_tree(*left.expr, *right.expr);
  };
  CHECK(same("sum(rate(x[5m])) by (a)", " SUM by(a,)( rate(x[300]))"));
  CHECK(same("NaN", "nan"));
  CHECK_FALSE(same("(x)", "x"));
  CHECK_FALSE(same("x @ 1", "x @ 2"));
  CHECK_FALSE(same("x @ start()", "x @ end()"));
  CHECK_FALSE(same("x offset 1m", "x offset -1m"));
  CHECK_FALSE(same("sum by (a) (x)", "sum without (a) (x)"));
  CHECK_FALSE(same("a + on (l) b", "a + ignoring (l) b"));
  CHECK_FALSE(same("a + fill_left(1) b", "a + fill_right(1) b"));
  CHECK_FALSE(same("x[5m:]", "x[5m:1m]"));
  CHECK_FALSE(same("foo[step() * 2]", "foo[step() + 2]"));
  CHECK_FALSE(same("x{a=\"1\"}", "x{a!=\"1\"}"));
  CHECK_FALSE(same("clamp(x, 1, 2)", "clamp(x, 2, 1)"));
}

TEST_CASE("step invariance: constants and what @ pins") {
  const auto invariant = [](std::string_view text) {
    return parse(text, kAll).expr->step_invariant;
  };
  CHECK(invariant("1 + 2"));
  CHECK(invariant("sum(rate(x[5m] @ 10))"));
  CHECK_FALSE(invariant("x"));
  CHECK_FALSE(invariant("x @ 10 + x"));
  CHECK_FALSE(invariant("time()"));
  CHECK_FALSE(invariant("predict_linear(x[5m] @ 10, 1)"));
}

TEST_CASE("strings decode Go's escapes, and only those") {
  std::string problem;
  std::size_t at = 0;
  CHECK(unquote("\"\\x41\\101\\u00e9\\U0001F600\\n\"", problem, at) == "AA\u00e9\U0001F600\n");
  CHECK(unquote("`\\n`", problem, at) == "\\n");
  CHECK(unquote("'\\''", problem, at) == "'");
  CHECK_FALSE(unquote("'\\\"'", problem, at));
  CHECK_FALSE(unquote("\"\\ud800\"", problem, at));
  CHECK_FALSE(unquote("\"\\777\"", problem, at));
}

TEST_CASE("series of test files") {
  std::size_t length = 0;
  const auto labels = parse_series("up{job=\"a b}\", x='1'} 1 2", length);
  REQUIRE(labels);
  CHECK(labels->to_string() == "up{job=\"a b}\", x=\"1\"}");
  CHECK(length == 21);
  CHECK_FALSE(parse_series("up{job=~\"a\"}", length));
  CHECK_FALSE(parse_series("1", length));
}

TEST_CASE("every function of the table can be found and has a sane signature") {
  const std::vector<std::string> names = function_names();
  CHECK(names.size() >= 80);
  for (const std::string& name : names) {
    CAPTURE(name);
    const FunctionInfo* info = find_function(name);
    REQUIRE(info != nullptr);
    CHECK(info->args_min <= info->args_max);
    CHECK_FALSE(info->args.empty());
    const int implementations =
        (info->range != nullptr) + (info->math != nullptr) + (info->special != nullptr);
    CHECK(implementations <= 1);
  }
  CHECK(find_function("nope") == nullptr);
}

TEST_CASE("what cannot be evaluated yet is known before") {
  const auto found =
      not_supported_yet(*parse("1 + histogram_count(rate(x[5m] anchored))", kAll).expr);
  REQUIRE(found.size() == 2);
  CHECK(found[0].begin == 4);
  CHECK(found[0].message == "function 'histogram_count' is not supported yet");
  CHECK(found[1].begin == 25);
  CHECK(found[1].message == "'anchored' and 'smoothed' are not supported yet");
  CHECK(not_supported_yet(*parse("info(x smoothed)", kAll).expr).size() == 1);
  for (const std::string& name : function_names()) {
    if (name.starts_with("histogram_")) continue;
    const FunctionInfo* info = find_function(name);
    CAPTURE(name);
    CHECK((info->range != nullptr || info->math != nullptr || info->special != nullptr));
  }
  CHECK(not_supported_yet(*parse("sum(rate(x[5m])) / anchored", kAll).expr).empty());
}

TEST_CASE("selectors_of finds every selector") {
  const Parsed parsed = parse("a + rate(b[5m]) > bool max_over_time((sum(c))[5m:])");
  REQUIRE(parsed.expr != nullptr);
  const auto found = selectors_of(*parsed.expr);
  REQUIRE(found.size() == 3);
  CHECK(found[0]->name == "a");
  CHECK(found[1]->name == "b");
  CHECK(found[2]->name == "c");
}

}  // namespace
}  // namespace tocsin::promql
