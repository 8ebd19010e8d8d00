#include <doctest/doctest.h>

#include "cli/command_test_fixture.h"

namespace tocsin::cli {
namespace {

constexpr const char* kTasks = R"({"tasks":[
  {"host":"db1","task":"backup","mode":"report","owner":"dba","enabled":true,"overdue":false,
   "hung":false,"failed":false,"running":false,"lastSuccess":"2026-11-28T11:00:00Z",
   "nextDue":"2026-11-29T13:00:00Z","lastHeard":"2026-11-28T12:00:00Z",
   "evidence":{"bytes":1048576,"a\u001b[31mb":2}},
  {"host":"db1","task":"drill","mode":"run","owner":"","enabled":true,"overdue":true,
   "hung":false,"failed":false,"running":false,"lastSuccess":null,
   "nextDue":"2026-11-28T10:00:00Z","lastHeard":"2026-11-28T12:00:00Z","evidence":{}},
  {"host":"web1","task":"sync","mode":"heartbeat","owner":"","enabled":true,"overdue":false,
   "hung":false,"failed":true,"running":true,"lastSuccess":"2026-11-28T11:59:00Z",
   "nextDue":null,"lastHeard":"2026-11-28T12:00:00Z","evidence":{}}]})";

struct TasksFixture : CommandFixture {
  TasksFixture() : CommandFixture("2026-11-28T12:00:00Z") { api.answer.data = kTasks; }
};

TEST_CASE("tasks: worst first, when due, what the last run brought; made safe") {
  TasksFixture f;
  CHECK(run_tasks({}, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/tasks");
  CHECK(f.out.str() ==
        "STATE   HOST  TASK    MODE       LAST SUCCESS  DUE      EVIDENCE\n"
        "never   db1   drill   run                      2h ago\n"
        "failed  web1  sync    heartbeat  1m ago\n"
        "ok      db1   backup  report     1h ago        in 1d1h  bytes=1048576 a\\x1b[31mb=2\n");
}

TEST_CASE("tasks: filters and exit code") {
  TasksFixture f;
  CHECK(run_tasks({"db1", true, true}, f.context) == kNegative);
  CHECK(f.out.str().find("drill") != std::string::npos);
  CHECK(f.out.str().find("backup") == std::string::npos);
  TasksFixture calm;
  CHECK(run_tasks({"nobody", true, true}, calm.context) == kOk);
  CHECK(calm.err.str() == "no task is overdue, failed or hung\n");
  TasksFixture json;
  json.context.output = OutputFormat::Json;
  CHECK(run_tasks({"web1", false, true}, json.context) == kNegative);
  CHECK(json.out.str().find("\"sync\"") != std::string::npos);
  CHECK(json.out.str().find("\"drill\"") == std::string::npos);
  TasksFixture down;
  down.api.answer = {kUnreachable, "no answer", "", {}};
  CHECK(run_tasks({}, down.context) == kUnreachable);
}

}  // namespace
}  // namespace tocsin::cli
