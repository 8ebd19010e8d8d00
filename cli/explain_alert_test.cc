// `tocsin explain --labels`: the cause first, then the evidence.
#include <doctest/doctest.h>

#include <sstream>

#include "cli/explain_command.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

constexpr const char* kStory = R"({"verdict":"Nobody was called because \u001b[31mit is silenced",
  "called":false,"at":"2026-11-23T12:00:00Z","past":true,"labels":{"alertname":"DiskFull"},
  "state":"firing","notes":["of now"],"suppressedBy":"silence 7","rules":[{"name":"DiskFull",
  "source":"a.toml:4","text":"firing"}],
  "walk":[{"route":"root","depth":0,"matched":true,"matchers":[]},{"route":"dba","depth":1,
  "matched":false,"matchers":[{"matcher":"team=\"dba\"","value":"web","matched":false}]}],
  "groups":[{"key":"root:{}","receiver":"ops","exists":true,"firing":1,"resolved":0,
  "groupWait":"30s","groupInterval":"5m","repeatInterval":"4h","toldAt":null,"nextTurn":null,
  "muted":""}],
  "incidents":[{"id":"T-7","title":"DiskFull","state":"open","escalation":"","timeline":
  [{"at":"2026-11-23T11:00:00Z","kind":"opened","actor":"","text":"high"}]}],
  "deliveries":[{"createdAt":"2026-11-23T11:00:00Z","incident":"T-7","receiver":"ops",
  "channel":"sms","kind":"firing","state":"dead","note":"","nextAttempt":null,"attempts":
  [{"startedAt":"2026-11-23T11:00:00Z","attempt":1,"outcome":"dead","reply":"HTTP 401"}]}],
  "decisions":[{"at":"2026-11-23T11:00:00Z","of":"alert","sent":false,"reason":"Silenced",
  "incident":"","text":"silence 7"}],"nearest":[{"alertname":"DiskFull","host":"db2"}]})";

struct Fixture {
  class Api final : public ApiClient {
   public:
    explicit Api(Fixture& fixture) : fixture_(fixture) {}
    ApiAnswer call(const ApiRequest& request) override {
      fixture_.request = request;
      return fixture_.answer;
    }

   private:
    Fixture& fixture_;
  };

  ApiRequest request;
  ApiAnswer answer{kOk, "", kStory, {}};
  GlobalOptions global;
  base::SimClock clock{base::wall_time(1'795'435'200'000)};
  sim::SimFileSystem files;
  std::ostringstream out, err;

  int run(const ExplainOptions& options) {
    const CommandWorld world{
        global,
        clock,
        files,
        {},
        false,
        out,
        err,
        [this](const GlobalOptions&) -> base::Result<std::unique_ptr<ApiClient>> {
          return std::unique_ptr<ApiClient>(std::make_unique<Api>(*this));
        }};
    return run_explain(options, world);
  }
  bool says(std::string_view text) const { return out.str().find(text) != std::string::npos; }
};

}  // namespace

TEST_CASE("explain an alert: the first line is the cause, safe for the terminal") {
  Fixture f;
  ExplainOptions options;
  options.alert = "alertname=\"DiskFull\"";
  options.at = "2026-11-23T12:00:00Z";
  CHECK(f.run(options) == kOk);
  CHECK(f.request.path == "/api/v1/explain");
  CHECK(f.request.query == std::vector<std::pair<std::string, std::string>>{
                               {"labels", options.alert}, {"at", "2026-11-23T12:00:00Z"}});
  CHECK(f.out.str().starts_with("Nobody was called because \\x1b[31mit is silenced\n"));
  CHECK(f.says("note: of now"));
  CHECK(f.says("now held back: silence 7"));
  CHECK(f.says("Routes (of the configuration in force now)"));
  CHECK(f.says("team=\"dba\": is \"web\""));
  CHECK(f.says("group_wait 30s, group_interval 5m, repeat_interval 4h"));
  CHECK(f.says("Incident T-7, open: DiskFull"));
  CHECK(f.says("HTTP 401"));
  CHECK(f.says("Silenced"));
  CHECK(f.says("{alertname=\"DiskFull\", host=\"db2\"}"));
}

TEST_CASE("explain an alert: one question, and what the server says") {
  Fixture f;
  ExplainOptions options;
  options.incident = "1042";
  CHECK(f.run(options) == kOk);
  CHECK(f.request.query ==
        std::vector<std::pair<std::string, std::string>>{{"incident", "T-1042"}});
  options.alert = "a=\"b\"";
  CHECK(f.run(options) == kUsage);
  options.alert.clear();
  options.at = "soon";
  CHECK(f.run(options) == kUsage);
  options.at = "now";
  options.name = "DiskFull";
  CHECK(f.run(options) == kUsage);
  options.name.clear();
  f.answer = {kNegative, "there is no incident 'T-1042'", "", {}};
  CHECK(f.run(options) == kNegative);
  CHECK(f.err.str().find("there is no incident") != std::string::npos);

  Fixture json;
  json.global.output = OutputFormat::Json;
  CHECK(json.run(options) == kOk);
  CHECK(json.out.str() == std::string(kStory) + "\n");
}

}  // namespace tocsin::cli
