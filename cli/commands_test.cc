// What each command asks of the API and what it prints.
#include "cli/commands.h"

#include <doctest/doctest.h>

#include "cli/command_test_fixture.h"
#include "common/sim/test_folder.h"

namespace tocsin::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

using Fixture = CommandFixture;

TEST_CASE("query: vector, matrix, scalar, nothing") {
  Fixture f;
  f.api.answer.data =
      R"({"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\n"},"value":[1.5,"1"]}]})";
  f.api.answer.warnings = {"PromQL info: x"};
  CHECK(run_query({"up", "12"}, f.context) == kOk);
  CHECK(f.out.str() == "SERIES         VALUE\nup{job=\"a\\n\"}  1\n");
  CHECK(f.err.str() == "tocsin: PromQL info: x\n");
  CHECK(f.api.request.path == "/api/v1/query");
  CHECK(f.api.request.query ==
        std::vector<std::pair<std::string, std::string>>{{"query", "up"}, {"time", "12"}});

  Fixture matrix;
  matrix.api.answer.data =
      R"({"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"],[2.5,"NaN"]]}]})";
  CHECK(run_query({"up[1m]", ""}, matrix.context) == kOk);
  CHECK(has(matrix.out.str(), "2 @1.000  NaN @2.500"));

  Fixture scalar;
  scalar.api.answer.data = R"({"resultType":"scalar","result":[1,"42"]})";
  CHECK(run_query({"42", ""}, scalar.context) == kOk);
  CHECK(scalar.out.str() == "42\n");

  Fixture nothing;
  nothing.api.answer.data = R"({"resultType":"vector","result":[]})";
  CHECK(run_query({"none", ""}, nothing.context) == kOk);
  CHECK(nothing.out.str().empty());
  CHECK(has(nothing.err.str(), "no series"));

  Fixture json;
  json.context.output = OutputFormat::Json;
  json.api.answer.data = R"({"resultType":"vector","result":[]})";
  CHECK(run_query({"none", ""}, json.context) == kOk);
  CHECK(json.out.str() == json.api.answer.data + "\n");
}

TEST_CASE("query: a range, and CSV") {
  Fixture f;
  f.api.answer.data =
      R"({"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a,\"b\""},"values":)"
      R"([[1700000000,"1"],[1700000000.5,"-2"]]},{"metric":{"host":"=x"},"values":[[0,"NaN"]]}]})";
  QueryOptions options{"up", ""};
  options.start = "-1h";
  options.csv = true;
  CHECK(run_query(options, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/query_range");
  CHECK(f.api.request.query ==
        std::vector<std::pair<std::string, std::string>>{
            {"query", "up"}, {"start", "1795431600"}, {"end", "1795435200"}, {"step", "15000ms"}});
  CHECK(f.out.str() ==
        "time,value,__name__,host,job\n"
        "2023-11-14T22:13:20Z,1,up,,\"a,\"\"b\"\"\"\n"
        "2023-11-14T22:13:20.500Z,-2,up,,\"a,\"\"b\"\"\"\n"
        "1970-01-01T00:00:00Z,NaN,,'=x,\n");
  options = {"up", "", "2026-11-23T11:00:00Z", "2026-11-23T11:30:00Z", "5m"};
  CHECK(run_query(options, f.context) == kOk);
  CHECK(f.api.request.query.back().second == "300000ms");

  Fixture scalar;
  scalar.api.answer.data = R"({"resultType":"scalar","result":[1700000000,"42"]})";
  options = {"42", ""};
  options.csv = true;
  CHECK(run_query(options, scalar.context) == kOk);
  CHECK(scalar.out.str() == "time,value\n2023-11-14T22:13:20Z,42\n");
  CHECK(run_query({"42", "soon"}, scalar.context) == kUsage);
}

TEST_CASE("errors go to stderr, made safe, with their exit code") {
  Fixture f;
  f.api.answer = {kUnreachable, "no answer\x1b[2J\nIs it running?", "", {}};
  CHECK(run_query({"up", ""}, f.context) == kUnreachable);
  CHECK(f.err.str() == "tocsin: no answer\\x1b[2J\n  Is it running?\n");
  CHECK(run_alerts({}, f.context) == kUnreachable);
  CHECK(run_incidents({}, f.context) == kUnreachable);
  CHECK(run_status(f.context) == kUnreachable);
  CHECK(run_send_test({"mail"}, f.context) == kUnreachable);
  CHECK(run_agent({}, f.context) == kUnreachable);
  CHECK(f.out.str().empty());
}

constexpr const char* kAlerts = R"({"alerts":[
  {"labels":{"alertname":"Low","severity":"low","host":"a"},"annotations":{},"state":"pending",
   "activeAt":"2026-11-23T11:59:00Z"},
  {"labels":{"alertname":"Disk","severity":"critical","host":"b"},
   "annotations":{"summary":"full"},"state":"firing","activeAt":"2026-11-23T10:00:00Z"}]})";

TEST_CASE("alerts: worst first, filters, exit code") {
  Fixture f;
  f.api.answer.data = kAlerts;
  CHECK(run_alerts({}, f.context) == kOk);
  CHECK(f.out.str() ==
        "SEVERITY  STATE    AGE  ALERT  LABELS      SUMMARY\n"
        "critical  firing   2h   Disk   {host=\"b\"}  full\n"
        "low       pending  1m   Low    {host=\"a\"}\n");
  CHECK(run_alerts({"", {}, true}, f.context) == kNegative);
  CHECK(run_alerts({"low", {}, true}, f.context) == kOk);
  Fixture none;
  none.api.answer.data = kAlerts;
  CHECK(run_alerts({"", {"host=c"}, true}, none.context) == kOk);
  CHECK(none.out.str().empty());
  CHECK(none.err.str() == "no alerts\n");
  Fixture json;
  json.context.output = OutputFormat::Json;
  json.api.answer.data = kAlerts;
  CHECK(run_alerts({"low", {}, false}, json.context) == kOk);
  CHECK(has(json.out.str(), "Low"));
  CHECK_FALSE(has(json.out.str(), "Disk"));
}

TEST_CASE("incidents: list, ids, one") {
  Fixture f;
  f.api.answer.data =
      R"({"incidents":[{"id":"T-1042","title":"disk","state":"open","severity":"high",)"
      R"("openedAt":"2026-11-23T11:30:00Z","alertsFiring":2,"acknowledgedBy":""}]})";
  CHECK(run_incidents({}, f.context) == kOk);
  CHECK(has(f.out.str(), "T-1042  high      open   30m  2            disk\n"));
  CHECK(f.api.request.query.front().second == "unresolved");
  f.out.str("");
  CHECK(run_incidents({"", true, true}, f.context) == kOk);
  CHECK(f.out.str() == "T-1042\n");
  CHECK(f.api.request.query.empty());

  f.api.answer.data =
      R"({"id":"T-1042","title":"disk","state":"acknowledged","severity":"high",)"
      R"("openedAt":"2026-11-23T11:30:00Z","acknowledgedBy":"ann","timeline":)"
      R"([{"at":"2026-11-23T11:30:00Z","kind":"opened","actor":"","text":"alert fired"}],)"
      R"("alerts":[{"labels":{"alertname":"D"},"firing":true,"suppressedBy":["silence 4"]}],)"
      R"("deliveries":[{"channel":"mail","kind":"firing","state":"dead","attempts":3,"detail":"550"}]})";
  f.out.str("");
  CHECK(run_incidents({"1042", false, false}, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents/T-1042");
  CHECK(has(f.out.str(), "acknowledged: ann"));
  CHECK(has(f.out.str(), "alert fired"));
  CHECK(has(f.out.str(), "silence 4"));
  CHECK(has(f.out.str(), "mail     firing  dead   3      550"));
}

TEST_CASE("ack and resolve") {
  Fixture f;
  f.api.answer.data =
      R"({"id":"T-7","state":"acknowledged","acknowledgedUntil":"2026-11-23T14:00:00Z"})";
  CHECK(run_ack({"7", "ann", "say \"hi\"", "2h"}, f.context) == kOk);
  CHECK(f.api.request.method == "POST");
  CHECK(f.api.request.path == "/api/v1/incidents/T-7/ack");
  CHECK(f.api.request.body == R"({"by":"ann","comment":"say \"hi\"","for":"2h"})");
  CHECK(f.out.str() == "T-7 is acknowledged until 2026-11-23T14:00:00Z\n");
  CHECK(run_resolve({"x/../y", "ann", ""}, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents/x%2F..%2Fy/resolve");
  CHECK(f.api.request.body == R"({"by":"ann"})");
}

TEST_CASE("incident: what a person does beyond acknowledging") {
  Fixture f;
  f.api.answer.data = R"({"id":"T-7","state":"open"})";
  IncidentActionOptions options;
  options.action = "merge";
  options.id = "7";
  options.by = "ann";
  options.value = "8";
  CHECK(run_incident_action(options, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents/T-7/merge");
  CHECK(f.api.request.body == R"({"by":"ann","into":"T-8"})");
  options = {};
  options.action = "create";
  options.by = "ann";
  options.title = "phones";
  options.value = "critical";
  options.labels = {"service=pbx"};
  CHECK(run_incident_action(options, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents");
  CHECK(f.api.request.body ==
        R"({"by":"ann","title":"phones","severity":"critical","labels":{"service":"pbx"}})");
  CHECK(f.out.str() == "T-7 is open\nT-7 is open\n");
}

TEST_CASE("oncall and change") {
  Fixture f;
  f.api.answer.data =
      R"({"schedules":[{"schedule":"primary","persons":["ada"],"until":"2026-01-12T08:00:00Z",)"
      R"("next":["ben"],"layer":"week"},{"schedule":"second","persons":[],"until":null,)"
      R"("next":[],"layer":""}]})";
  CHECK(run_oncall({}, f.context) == kOk);
  CHECK(f.out.str().find("primary   ada      2026-01-12T08:00:00Z  ben   week") !=
        std::string::npos);
  CHECK(f.out.str().find("second    nobody") != std::string::npos);
  f.api.answer.data = R"({"id":"O-1"})";
  OnCallOptions put;
  put.action = OnCallOptions::Action::Override;
  put.schedule = "primary";
  put.person = "ben";
  put.hold = "2h";
  put.by = "ada";
  CHECK(run_oncall(put, f.context) == kOk);
  CHECK(f.api.request.body == R"({"by":"ada","schedule":"primary","person":"ben","for":"2h"})");
  CHECK(f.out.str().find("override O-1\n") != std::string::npos);
  ChangeOptions change;
  change.by = "ci";
  change.service = "shop";
  change.text = "deploy";
  CHECK(run_change(change, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/changes");
  CHECK(f.api.request.body == R"({"by":"ci","service":"shop","text":"deploy"})");
}

TEST_CASE("agents") {
  Fixture f;
  f.api.answer.data = R"({"name":"db1","token":"tk"})";
  CHECK(run_agent({AgentOptions::Action::Add, "db1", {"env=prod"}}, f.context) == kOk);
  CHECK(f.api.request.body == R"({"name":"db1","labels":{"env":"prod"}})");
  CHECK(f.out.str() == "tk\n");
  f.out.str("");
  f.api.answer.data =
      R"({"agents":[{"name":"db1","labels":{"env":"prod"},"lastSeen":null,"version":""}]})";
  CHECK(run_agent({}, f.context) == kOk);
  CHECK(has(f.out.str(), "db1   never               {env=\"prod\"}"));
  CHECK(run_agent({AgentOptions::Action::Remove, "db1", {}}, f.context) == kOk);
  CHECK(f.api.request.method == "DELETE");
  CHECK(f.api.request.path == "/api/v1/agents/db1");
}

TEST_CASE("status and send-test exit codes") {
  Fixture f;
  f.api.answer.data =
      R"({"health":"healthy","build":{"version":"0.1.0"},"uptime":"1h","store":{"series":3}})";
  CHECK(run_status(f.context) == kOk);
  CHECK(has(f.out.str(), "healthy  tocsin-alertd 0.1.0  up 1h\n"));
  CHECK(has(f.out.str(), "store.series  3\n"));
  f.api.answer.data =
      R"({"health":"degraded","parts":[{"name":"mail","ok":false,"detail":"refused"}]})";
  CHECK(run_status(f.context) == kNegative);
  CHECK(has(f.out.str(), "mail  failed  refused\n"));
  f.context.output = OutputFormat::Json;
  CHECK(run_status(f.context) == kNegative);

  Fixture test;
  test.api.answer.data = R"({"delivered":true,"detail":"250 ok","seconds":1.5})";
  CHECK(run_send_test({"mail"}, test.context) == kOk);
  CHECK(test.out.str() == "delivered through 'mail' in 1.5 s: 250 ok\n");
  test.api.answer.data = R"({"delivered":false,"detail":"550 no"})";
  CHECK(run_send_test({"mail"}, test.context) == kNegative);
}

TEST_CASE("channels: how they are doing, and the exit code for scripts") {
  Fixture f;
  f.api.answer.data =
      R"({"channels":[{"name":"ops/mail","state":"ok","waiting":0,"lastProven":"2026-11-23T11:57:00Z",
          "lastFailed":null,"lastError":"","failover":""}]})";
  CHECK(run_channel({}, f.context, *base::make_real_file_system()) == kOk);
  CHECK(f.api.request.path == "/api/v1/channels");
  CHECK(has(f.out.str(), "ops/mail  ok     0        3m ago       never"));
  Fixture bad;
  bad.api.answer.data =
      R"({"channels":[{"name":"ops/mail","state":"open","waiting":7,"lastError":"HTTP 503\u001b["}]})";
  CHECK(run_channel({}, bad.context, *base::make_real_file_system()) == kNegative);
  CHECK(has(bad.out.str(), "HTTP 503\\x1b["));
}

TEST_CASE("channel preview: what it would say, and what is wrong with its template") {
  Fixture f;
  const auto files = base::make_real_file_system();
  f.api.answer.data =
      R"({"of":"T-7, firing","title":"[HIGH] x","text":"a line of some length\ntwo","failure":""})";
  ChannelOptions options{ChannelOptions::Action::Preview, "ops/mail", "7", {}};
  CHECK(run_channel(options, f.context, *files) == kOk);
  CHECK(f.api.request.path == "/api/v1/notify/preview");
  CHECK(f.api.request.body == R"({"channel":"ops/mail","incident":"T-7"})");
  CHECK(f.out.str() == "of:    T-7, firing\ntitle: [HIGH] x\n\na line of some length\ntwo\n");
  f.api.answer.data = R"({"of":"a","title":"b","text":"c","failure":"template 'text' failed"})";
  CHECK(run_channel(options, f.context, *files) == kNegative);
  CHECK(has(f.err.str(), "template 'text' failed; the built-in words stand in"));
  options.template_file = "/no/such/file";
  CHECK(run_channel(options, f.context, *files) == kUsage);
}

TEST_CASE("drill: severity and labels are sent, the alert's labels shown") {
  Fixture f;
  f.api.answer.data = R"({"labels":{"alertname":"FireDrill","drill":"true"}})";
  CHECK(run_drill({"critical", {"team=dba"}}, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/drill");
  CHECK(f.api.request.body == R"({"severity":"critical","labels":{"team":"dba"}})");
  CHECK(has(f.out.str(), "drill started: {alertname=\"FireDrill\", drill=\"true\"}"));
}

TEST_CASE("answers of the API and of something else") {
  const auto read = [](int status, std::string body) {
    net::HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    return read_answer(response, "http://h");
  };
  CHECK(read(200, R"({"status":"success","data":{"a":1},"warnings":["w"]})").data == R"({"a":1})");
  CHECK(read(200, R"({"status":"success","data":1,"infos":["i"]})").warnings.front() == "i");
  CHECK(read(404, R"({"status":"error","error":"no such thing"})").error == "no such thing");
  CHECK(has(read(401, R"({"status":"error","error":"no"})").error, "--token-file"));
  CHECK(has(read(200, "<html>").error, "is the address right?"));
  CHECK(read(502, "").exit_code == kNegative);
}

TEST_CASE("the token file must be private and hold one word") {
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  const sim::TestFolder folder;
  const std::string path = folder.file("token");
  GlobalOptions options;
  options.token_file = path;
  std::string warning;
  const auto refusal = [&](std::string_view content, mode_t mode) -> std::string {
    REQUIRE(files->write_atomic(path, content, mode));
    auto api = make_api_client(options, clock, *files, warning);
    return api ? "" : api.error().message;
  };
  CHECK(refusal("abc\n", 0600).empty());
  CHECK(warning.empty());
  CHECK(has(refusal("abc", 0644), "chmod 600"));
  CHECK(has(refusal(" \n", 0600), "empty"));
  CHECK(has(refusal("a\nb", 0600), "more than one word"));
  options.server = "http://192.0.2.1:9464";
  CHECK(refusal("abc", 0600).empty());
  CHECK(has(warning, "unencrypted"));
  options.server = "ftp://x";
  CHECK(has(refusal("abc", 0600), "http://"));
}

TEST_CASE("an unreachable server is named, and how long was waited") {
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  GlobalOptions options;
  options.server = "http://127.0.0.1:1/";
  std::string warning;
  auto api = make_api_client(options, clock, *files, warning);
  REQUIRE(api);
  const ApiAnswer answer = (*api)->call({"GET", "/api/v1/status", {}, ""});
  CHECK(answer.exit_code == kUnreachable);
  CHECK(has(answer.error, "http://127.0.0.1:1"));
  CHECK(has(answer.error, "TOCSIN_SERVER"));
}

}  // namespace
}  // namespace tocsin::cli
