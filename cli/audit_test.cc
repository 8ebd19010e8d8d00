// tocsin audit: lists, checks and copies a trail whose daemon is played by the test.
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "alertd/incident/state_change.h"
#include "cli/command_test_fixture.h"
#include "common/base/strings.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// Answers as /api/v1/audit does, from lines that the test may change.
class TrailApi final : public ApiClient {
 public:
  ApiAnswer call(const ApiRequest& asked) override {
    requests.push_back(asked);
    std::size_t limit = 0;
    std::int64_t below = 1'000'000;
    for (const auto& [name, value] : asked.query) {
      if (name == "limit") limit = std::min<std::size_t>(*base::parse_u64(value), page_max);
      if (name == "below") below = *base::parse_i64(value);
    }
    json::array lines;
    for (auto row = trail.rbegin(); row != trail.rend() && lines.size() < limit; ++row) {
      if (row->number >= below) continue;
      lines.push_back(json::object{{"n", row->number},
                                   {"at", base::format_rfc3339(row->record.at)},
                                   {"atMs", base::to_ms(row->record.at)},
                                   {"actor", row->record.actor},
                                   {"source", row->record.source},
                                   {"action", row->record.action},
                                   {"object", row->record.object},
                                   {"text", row->record.text},
                                   {"hash", row->hash}});
    }
    ApiAnswer answer;
    answer.data = json::serialize(json::object{{"lines", std::move(lines)}});
    return answer;
  }

  void add(const std::string& action) {
    incident::StoredAudit row{static_cast<std::int64_t>(trail.size()) + 1,
                              {base::wall_time(1'000 * static_cast<std::int64_t>(trail.size())),
                               "ann", "api", action, "T-1", "for \"2h\"\n"},
                              {}};
    row.hash = incident::audit_hash(trail.empty() ? "" : trail.back().hash, row.number, row.record);
    trail.push_back(std::move(row));
  }

  std::vector<incident::StoredAudit> trail;
  std::vector<ApiRequest> requests;
  std::size_t page_max = 10'000;
};

struct TrailFixture {
  TrailFixture() {
    for (int i = 0; i < 5; ++i) api.add("acknowledge");
  }
  int run(AuditOptions::Action action, const std::string& file = "/copy") {
    out.str("");
    err.str("");
    AuditOptions options;
    options.action = action;
    options.file = file;
    return run_audit(options, context, files);
  }
  int copy() { return run(AuditOptions::Action::Export); }
  int verify() { return run(AuditOptions::Action::Verify); }
  std::string text() const { return files.read("/copy", 1 << 20).value(); }

  TrailApi api;
  base::SimClock clock{base::wall_time(1'764'313'200'000)};
  sim::SimFileSystem files;
  std::ostringstream out, err;
  Context context{api, OutputFormat::Table, {}, clock, out, err};
};

}  // namespace

TEST_CASE("audit: a copy is made, checked without the daemon, and goes on") {
  TrailFixture f;
  CHECK(f.copy() == kOk);
  CHECK(f.out.str() == "5 lines, 5 of them new\n");
  CHECK(f.verify() == kOk);
  CHECK(f.out.str().starts_with("the copy is whole: 5 lines"));
  f.api.add("silence.create");
  CHECK(f.copy() == kOk);
  CHECK(f.out.str() == "6 lines, 1 of them new\n");
  CHECK(f.copy() == kOk);
  CHECK(f.out.str() == "6 lines, 0 of them new\n");
  CHECK(f.verify() == kOk);
  CHECK(f.run(AuditOptions::Action::Verify, "/none") == kUnreachable);
}

TEST_CASE("audit: pages are turned") {
  TrailFixture f;
  for (int i = 0; i < 5000; ++i) f.api.add("drill");
  CHECK(f.copy() == kOk);
  CHECK(f.out.str() == "5005 lines, 5005 of them new\n");
  CHECK(f.api.requests.size() == 3);
  CHECK(f.verify() == kOk);
}

TEST_CASE("audit: one byte of a copy, a line that is gone, an end that is torn") {
  TrailFixture f;
  REQUIRE(f.copy() == kOk);
  const std::string whole = f.text();
  const auto broken_as = [&](const std::string& text) {
    REQUIRE(f.files.write_atomic("/copy", text, 0600));
    CHECK(f.verify() == kNegative);
    const std::string verified = f.err.str();
    f.api.add("drill");
    CHECK(f.copy() == kNegative);  // nothing is appended to it
    CHECK(f.text() == text);
    return verified;
  };
  std::string changed = whole;
  changed.replace(changed.find("ann"), 3, "bob");
  CHECK(broken_as(changed) == "tocsin: /copy:1: line 1 was changed, or the one before it\n");
  const std::size_t second = whole.find('\n') + 1;
  std::string shorter = whole;
  shorter.erase(second, whole.find('\n', second) + 1 - second);
  CHECK(broken_as(shorter) == "tocsin: /copy:2: line 2 is missing: line 3 follows line 1\n");
  CHECK(broken_as(whole.substr(0, whole.size() - 1)) == "tocsin: /copy:5: the line has no end\n");
  CHECK(broken_as(whole + "{}\n") == "tocsin: /copy:6: this is no line of an audit trail\n");
}

TEST_CASE("audit: a trail that was written anew, or shortened, does not go on from the copy") {
  TrailFixture f;
  REQUIRE(f.copy() == kOk);
  const std::vector<incident::StoredAudit> before = std::exchange(f.api.trail, {});
  for (int i = 0; i < 9; ++i) f.api.add("nothing");  // a whole chain, and another
  CHECK(f.copy() == kNegative);
  CHECK(f.err.str().find("does not go on from line 5 of the copy") != std::string::npos);
  f.api.trail.assign(before.begin(), before.begin() + 3);
  CHECK(f.copy() == kNegative);
  f.api.trail = before;
  f.api.add("drill");
  f.api.add("drill");
  f.api.trail[5].record.actor = "nobody";  // one of the new lines
  CHECK(f.copy() == kNegative);
  CHECK(f.err.str().find("line 6 was changed") != std::string::npos);
  CHECK(f.verify() == kOk);  // the copy is as it was
}

TEST_CASE("audit: the list says who did what; the daemon's verdict is the exit code") {
  CommandFixture f;
  sim::SimFileSystem files;
  f.api.answer.data =
      R"({"lines":[{"n":2,"at":"2026-11-28T05:00:00Z","actor":"ann","source":"api","action":"drill"}]})";
  AuditOptions options;
  options.actor = "ann";
  options.from = "-1h";
  CHECK(run_audit(options, f.context, files) == kOk);
  CHECK(f.out.str().find("2026-11-28T05:00:00Z  ann  api  drill") != std::string::npos);
  CHECK(f.api.request.query ==
        std::vector<std::pair<std::string, std::string>>{
            {"limit", "100"}, {"from", "2026-11-23T11:00:00Z"}, {"actor", "ann"}});
  options.from = "soon";
  CHECK(run_audit(options, f.context, files) == kUsage);
  CommandFixture broken;
  broken.api.answer.data =
      R"({"intact":false,"lines":3,"firstBroken":4,"text":"line 4 was changed"})";
  AuditOptions verify;
  verify.action = AuditOptions::Action::Verify;
  CHECK(run_audit(verify, broken.context, files) == kNegative);
  CHECK(broken.out.str() == "the audit trail is broken: line 4 was changed\n");
}

}  // namespace tocsin::cli
