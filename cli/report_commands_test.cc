#include <doctest/doctest.h>

#include "cli/command_test_fixture.h"
#include "cli/parser.h"
#include "common/base/file_system.h"

namespace tocsin::cli {
namespace {

struct Fixture : CommandFixture {
  Fixture() : CommandFixture("2026-11-26T12:00:00Z") {}
};

template <class Options>
Options parsed(std::vector<std::string> arguments) {
  Defaults defaults;
  defaults.person = "ada";
  const Parsed result = parse_arguments(arguments, defaults);
  REQUIRE_MESSAGE(result.invocation, result.err);
  return std::get<Options>(result.invocation->command);
}

TEST_CASE("report: printed safely, written as it is, and changed") {
  Fixture f;
  const auto files = base::make_real_file_system();
  f.api.answer.data = "# Report\n\x1b[31mred\n";
  CHECK(run_report(parsed<ReportOptions>({"report", "12"}), f.context, *files) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents/T-12/report");
  CHECK(f.api.request.whole);
  CHECK(f.out.str() == "# Report\n\\x1b[31mred\n");
  const auto options =
      parsed<ReportOptions>({"report", "T-12", "--set", "root_cause=the=disk", "--set", "lucky="});
  CHECK(run_report(options, f.context, *files) == kOk);
  CHECK(f.api.request.method == "PUT");
  CHECK(f.api.request.body == R"({"by":"ada","fields":{"root_cause":"the=disk","lucky":""}})");
  const auto missing = parsed<ReportOptions>({"report", "T-12", "--set", "summary=@/no/such/file"});
  CHECK(run_report(missing, f.context, *files) == kUnreachable);
}

TEST_CASE("report: of a time") {
  Fixture f;
  const auto files = base::make_real_file_system();
  f.api.answer.data = "section,table\n";
  CHECK(run_report(parsed<ReportOptions>({"report", "weekly", "--format", "csv", "--from", "-14d",
                                          "--timezone", "Asia/Phnom_Penh"}),
                   f.context, *files) == kOk);
  CHECK(f.api.request.path == "/api/v1/reports/weekly");
  CHECK(f.api.request.whole);
  const std::vector<std::pair<std::string, std::string>> query{
      {"format", "csv"}, {"from", "2026-11-12T12:00:00Z"}, {"timezone", "Asia/Phnom_Penh"}};
  CHECK(f.api.request.query == query);
  CHECK(f.out.str() == "section,table\n");
  // What belongs to the other kind of report is said, not dropped.
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"report", "daily", "--set", "lucky=x"},
        {"report", "daily", "--format", "json"},
        {"report", "daily", "--from", "yesterdayish"},
        {"report", "T-12", "--from", "-1d"}}) {
    CHECK(run_report(parsed<ReportOptions>(wrong), f.context, *files) == kUsage);
  }
}

TEST_CASE("report: what cannot be is a usage error") {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"report"},
                                                {"report", "T-12", "--format", "pdf"},
                                                {"report", "T-12", "--set", "no_text"},
                                                {"action", "add", "T-12"},
                                                {"action", "add", "T-12", "x", "--type", "hope"},
                                                {"news", "T-12", "--state", "confused"}}) {
    const Parsed result = parse_arguments(wrong, {});
    CHECK(!result.invocation);
    CHECK(result.exit_code == kUsage);
  }
}

TEST_CASE("action items: add, change, done, list") {
  Fixture f;
  f.api.answer.data = R"({"id":"A-12-1"})";
  CHECK(run_action(parsed<ActionOptions>({"action", "add", "12", "rotate logs", "--owner", "ben",
                                          "--due", "2026-12-24", "--type", "detect"}),
                   f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/incidents/T-12/actions");
  CHECK(f.api.request.body == R"({"by":"ada","text":"rotate logs","owner":"ben",)"
                              R"("due":"2026-12-24","type":"detect"})");
  CHECK(f.out.str() == "A-12-1\n");
  CHECK(run_action(parsed<ActionOptions>({"action", "done", "A-12-1"}), f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/actions/A-12-1/done");
  CHECK(run_action(parsed<ActionOptions>({"action", "change", "A-12-1"}), f.context) == kUsage);
  Fixture list;
  list.api.answer.data =
      R"({"actions":[{"id":"A-12-1","due":"2026-11-01T23:59:59Z","owner":"ben","type":"detect",)"
      R"("doneAt":null,"text":"rotate logs"}]})";
  CHECK(run_action(parsed<ActionOptions>({"action", "list"}), list.context) == kOk);
  CHECK(list.out.str() ==
        "ID      DUE         OWNER  TYPE    STATE    WHAT\n"
        "A-12-1  2026-11-01  ben    detect  overdue  rotate logs\n");
}

TEST_CASE("news: told with a state, shown without") {
  Fixture f;
  f.api.answer.data = R"({"id":"T-12"})";
  CHECK(run_news(parsed<NewsOptions>({"news", "12", "--state", "identified", "--audience", "dean",
                                      "--audience", "it", "use the desk"}),
                 f.context) == kOk);
  CHECK(f.api.request.body ==
        R"({"by":"ada","state":"identified","text":"use the desk","audience":"dean,it"})");
  CHECK(f.out.str() == "stakeholders of T-12 are told: identified\n");
  CHECK(run_news(parsed<NewsOptions>({"news", "12", "words"}), f.context) == kUsage);
  Fixture shown;
  shown.api.answer.data = R"({"news":[]})";
  CHECK(run_news(parsed<NewsOptions>({"news", "12"}), shown.context) == kOk);
  CHECK(shown.err.str().starts_with("stakeholders were not told"));
}

TEST_CASE("stats: by severity, rule and person") {
  Fixture f;
  f.api.answer.data =
      R"({"all":{"incidents":2,"mttaSeconds":60,"mttrSeconds":null},"severities":{"high":)"
      R"({"incidents":2,"mttaSeconds":60}},"rules":[{"rule":"DiskFull","incidents":2,)"
      R"("verdict":"useful","judged":"keep"}],"persons":[{"person":"ben","pages":3,)"
      R"("outOfHours":1}]})";
  CHECK(run_stats(parsed<StatsOptions>({"stats", "--from", "-7d"}), f.context) == kOk);
  CHECK(f.api.request.query.at(0).second == "2026-11-19T12:00:00Z");
  CHECK(f.out.str().find("high      2          1m    –") != std::string::npos);
  CHECK(f.out.str().find("useful; said: keep") != std::string::npos);
  CHECK(f.out.str().find("ben  3      1") != std::string::npos);
  CHECK(run_stats(parsed<StatsOptions>({"stats", "--from", "whenever"}), f.context) == kUsage);
}

}  // namespace
}  // namespace tocsin::cli
