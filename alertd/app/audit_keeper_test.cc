// The daemon's own audit trail, in simulated time: what is noted is kept once, in order, and
// checked.
#include "alertd/app/audit_keeper.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/incident/fake_state_store.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::alertd {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct AuditSite {
  explicit AuditSite(std::shared_ptr<incident::FakeStateStore::Disk> before =
                         std::make_shared<incident::FakeStateStore::Disk>())
      : disk(std::move(before)), store(disk) {
    base::set_log_level(base::LogLevel::Error);
    write("/etc/alertd.toml", "one");
  }
  ~AuditSite() {
    keeper.stop();
    executor.run_for(seconds(10));
  }

  void write(const std::string& path, const std::string& text) {
    REQUIRE(files.write_atomic(path, text, 0600));
    if (std::find(watched.begin(), watched.end(), path) == watched.end()) watched.push_back(path);
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const incident::StoredAudit& row : disk->audit) {
      all.push_back(row.record.action + " " + row.record.object + ": " + row.record.text);
    }
    return all;
  }
  double metric(const std::string& name) const {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name == name) return point.value;
    }
    return -1;
  }

  base::SimClock clock{base::wall_time(1'764'313'200'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  sim::SimFileSystem files;
  std::vector<std::string> watched;
  std::shared_ptr<incident::FakeStateStore::Disk> disk;
  incident::FakeStateStore store;
  AuditKeeper keeper{{store, executor, files, metrics, [this] { return watched; }}};
};

api::AuditedCall refusal(const char* address) {
  return {std::string("api ") + address + " refused", "api.bad_token", "POST /-/reload", 401, true};
}

}  // namespace

TEST_CASE("audit: what is noted before the lease waits, and is kept in order") {
  AuditSite site;
  site.keeper.note("", "start", "daemon.start", "db1", "version 1");
  site.executor.run_for(seconds(60));
  CHECK(site.lines().empty());
  CHECK(site.metric("tocsin_alertd_audit_intact") == -1);
  site.keeper.start();
  site.executor.run_for(seconds(1));
  site.keeper.called({"api 192.0.2.7 token", "agent.enroll", "POST /api/v1/agents", 201, false});
  site.executor.run_for(seconds(1));
  const auto lines = site.lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "daemon.start db1: version 1");
  CHECK(lines[1] == "configuration.first : 1 files");
  CHECK(lines[2].starts_with("configuration.added /etc/alertd.toml: sha256 "));
  CHECK(lines[3] == "agent.enroll POST /api/v1/agents: HTTP 201");
}

TEST_CASE("audit: a changed file is told once, also if it changed while nobody ran") {
  AuditSite site;
  site.keeper.start();
  site.executor.run_for(minutes(20));
  CHECK(site.lines().size() == 2);
  site.write("/etc/alertd.toml", "two");
  site.write("/etc/rules/a.toml", "rule");
  site.executor.run_for(minutes(6));
  REQUIRE(site.lines().size() == 4);
  CHECK(site.lines()[2].starts_with("configuration.changed /etc/alertd.toml: sha256 "));
  CHECK(site.lines()[3].starts_with("configuration.added /etc/rules/a.toml"));
  site.keeper.stop();
  site.executor.run_for(seconds(1));
  AuditSite next(site.disk);
  next.write("/etc/alertd.toml", "two");
  next.keeper.start();
  next.executor.run_for(minutes(1));
  REQUIRE(next.lines().size() == 5);
  CHECK(next.lines()[4].starts_with("configuration.removed /etc/rules/a.toml"));
}

TEST_CASE("audit: refused calls are told once a minute for each address, with their number") {
  AuditSite site;
  site.keeper.start();
  site.executor.run_for(seconds(1));
  const std::size_t before = site.lines().size();
  for (int i = 0; i < 500; ++i) site.keeper.called(refusal("203.0.113.9"));
  site.keeper.called(refusal("203.0.113.10"));
  site.executor.run_for(seconds(1));
  REQUIRE(site.lines().size() == before + 2);
  CHECK(site.lines()[before] == "api.bad_token POST /-/reload: HTTP 401");
  site.executor.run_for(minutes(2));
  site.keeper.called(refusal("203.0.113.9"));
  site.executor.run_for(seconds(1));
  REQUIRE(site.lines().size() == before + 3);
  CHECK(site.lines().back() ==
        "api.bad_token POST /-/reload: HTTP 401; 499 more since the last line");
}

TEST_CASE("audit: the chain is checked at the start and each hour; a changed line shows") {
  AuditSite site;
  site.keeper.note("", "start", "daemon.start", "db1", "version 1");
  site.keeper.start();
  site.executor.run_for(minutes(61));
  CHECK(site.metric("tocsin_alertd_audit_intact") == 1);
  CHECK(site.metric("tocsin_alertd_audit_lines") == 3);
  site.disk->audit[1].record.text += " ";
  site.executor.run_for(minutes(61));
  CHECK(site.metric("tocsin_alertd_audit_intact") == 0);
  CHECK(site.metric("tocsin_alertd_audit_lines") == 1);
}

TEST_CASE("audit: a full queue is counted") {
  AuditSite site;
  for (std::size_t i = 0; i < AuditKeeper::kQueueMax + 7; ++i) {
    site.keeper.note("", "", "drill", "", "");
  }
  site.executor.run_for(seconds(1));
  CHECK(site.metric("tocsin_alertd_audit_dropped_total") == 7);
}

}  // namespace tocsin::alertd
