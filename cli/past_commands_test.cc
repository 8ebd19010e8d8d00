// backtest and explain as commands: what they print, and how they end.
#include <doctest/doctest.h>

#include <sstream>

#include "cli/backtest/local_api.h"
#include "cli/explain_command.h"
#include "cli/when.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Lends an API to a command, which wants to own it.
class Lent final : public ApiClient {
 public:
  explicit Lent(backtest::LocalApi& api) : api_(api) {}
  ApiAnswer call(const ApiRequest& request) override { return api_.call(request); }

 private:
  backtest::LocalApi& api_;
};

constexpr const char* kInForce = R"({"groups":[{"name":"g","file":"/rules/a.toml","interval":60,
  "rules":[{"type":"alerting","name":"High","query":"x\n  > 5","duration":0,"labels":
  {"severity":"high"},"annotations":{},"source":"/rules/a.toml:5","noData":"ok"}]}]})";

constexpr const char* kRules = R"([[group]]
name = "g"
interval = "1m"
[[group.alert]]
name = "High"
expr = "x > 6"
severity = "high"
no_data = "ok"
)";

struct Fixture {
  backtest::LocalApi api;
  GlobalOptions global;
  base::SimClock clock{base::wall_time(3'600'000)};
  sim::SimFileSystem files;
  std::ostringstream out, err;
  bool bar = false;

  Fixture() {
    api.rules = kInForce;
    REQUIRE(api.source.load("1m",
                            "x{host=\"a\"} 1x9 7x19 1x40\n"
                            "x{host=\"b\"} 1x9 5.5x60\n"));
    REQUIRE(files.create_folders("/rules"));
    files.set_content("/rules/a.toml", kRules);
  }
  CommandWorld world() {
    return {global,
            clock,
            files,
            {},
            bar,
            out,
            err,
            [this](const GlobalOptions&) -> base::Result<std::unique_ptr<ApiClient>> {
              return std::unique_ptr<ApiClient>(std::make_unique<Lent>(api));
            }};
  }
  int backtest(BacktestOptions options) {
    options.rules = {"/rules/a.toml"};
    options.from = "0";
    return run_backtest(options, world());
  }
  int explain(const ExplainOptions& options) { return run_explain(options, world()); }
};

TEST_CASE("backtest: a summary, pages, firings and what is gone") {
  Fixture f;
  CHECK(f.backtest({}) == kOk);
  CHECK(has(f.out.str(), "compared with the rules in force"));
  CHECK(has(f.out.str(), "1 gone"));  // host b: 5.5 is over 5 and not over 6
  CHECK(has(f.out.str(), "1 firings; 0 alerting rules did not fire."));
  CHECK(has(f.out.str(), "2 pages (one for each firing and one for each end"));
  CHECK(has(f.out.str(), "High  {host=\"a\", severity=\"high\"}"));
  CHECK(f.err.str().empty());

  Fixture json;
  json.global.output = OutputFormat::Json;
  CHECK(json.backtest({}) == kOk);
  CHECK(has(json.out.str(), R"("change":"gone")"));

  Fixture alone;
  alone.bar = true;
  BacktestOptions none;
  none.baseline = {"none"};
  CHECK(alone.backtest(none) == kOk);
  CHECK_FALSE(has(alone.out.str(), "compared"));
  CHECK(has(alone.err.str(), "evaluations"));
  CHECK(alone.err.str().ends_with("\r\x1b[K"));  // the bar leaves nothing behind
}

TEST_CASE("backtest: wrong times, wrong files, nobody there, a rule that fails") {
  Fixture f;
  BacktestOptions options;
  options.to = "yesterday";
  CHECK(f.backtest(options) == kUsage);
  options.to = "-2h";
  CHECK(f.backtest(options) == kUsage);
  CHECK(has(f.err.str(), "--to is not after --from"));
  f.api.away = true;
  CHECK(f.backtest({}) == kUnreachable);
  f.api.away = false;
  f.api.failures["x > 6"] = "it hurts";
  CHECK(f.backtest({}) == kNegative);
  CHECK(has(f.err.str(), "evaluations failed"));
  CHECK(has(f.err.str(), "it hurts"));
  f.files.set_content("/rules/a.toml", "[[group]]\nname = 3\n");
  CHECK(f.backtest({}) == kNegative);
  CHECK(has(f.err.str(), "a.toml:2"));
  options = {};
  options.config = "/none.toml";
  CHECK(f.backtest(options) == kUnreachable);
  f.files.set_content("/rules/a.toml", kRules);
  options = {};
  options.baseline = {"/rules/none.toml"};
  CHECK(f.backtest(options) == kUnreachable);
  CHECK(has(f.err.str(), "/rules/none.toml does not exist"));
}

TEST_CASE("explain: reasons first, then the tree with its text on one line") {
  Fixture f;
  f.clock.advance(base::Duration{-3'600'000 + 20 * 60'000});
  CHECK(f.explain({"High", {"host=b"}, "", "", "now"}) == kOk);
  CHECK(has(f.out.str(), "High (group g, /rules/a.toml:5): not firing\n"));
  CHECK(has(f.out.str(), "x > 5\n"));
  CHECK(has(f.out.str(), "5.5  (holds by 0.5)"));
  CHECK(f.explain({"Hihg", {}, "", "", "now"}) == kNegative);
  CHECK(has(f.err.str(), "did you mean 'High'?"));
  CHECK(f.explain({"", {}, "", "", "now"}) == kUsage);
  CHECK(f.explain({"High", {"host"}, "", "", "now"}) == kUsage);
  CHECK(f.explain({"", {}, "x >", "", "now"}) == kNegative);
  CHECK(has(f.err.str(), "--expr:1:"));
  Fixture json;
  json.global.output = OutputFormat::Json;
  CHECK(json.explain({"", {}, "x > 100", "", "1200"}) == kOk);
  CHECK(has(json.out.str(), R"("passes":false)"));
  json.api.away = true;
  CHECK(json.explain({"High", {}, "", "", "now"}) == kUnreachable);
}

TEST_CASE("times: relative, absolute, local") {
  const base::WallTime now = base::wall_time(1'700'000'000'000);
  CHECK(*parse_when("now", now) == now);
  CHECK(*parse_when("-1h30m", now) == now - base::Duration{5'400'000});
  CHECK(*parse_when("now-1d", now) == now - base::Duration{86'400'000});
  CHECK(*parse_when("now+1s", now) == now + base::Duration{1'000});
  CHECK(*parse_when("1600000000.5", now) == base::wall_time(1'600'000'000'500));
  CHECK(*parse_when("2023-11-14T22:13:20Z", now) == now);
  CHECK(*parse_when(format_local(now), now) == now);
  CHECK_FALSE(parse_when("tomorrow", now));
  CHECK_FALSE(parse_when("2023-11-14 25:00", now));
  CHECK_FALSE(local_zone(now).empty());
}

}  // namespace
}  // namespace tocsin::cli
