// A backup of alertd with the real stores on a real disk, one task after the other: whole, given up
// at every moment, and forgotten.
#include "alertd/app/own_backup.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/state/sqlite_state_store.h"
#include "common/base/log.h"
#include "common/base/sim_executor.h"
#include "common/sim/test_folder.h"

namespace tocsin::alertd {
namespace {

namespace json = boost::json;

struct Answer : net::ServerResponse {
  Answer() { status = 0; }  ///< There is none yet.
};

struct BackupSite {
  BackupSite() {
    base::set_log_level(base::LogLevel::Error);
    folder.write("ack.key", "secret");
    folder.write("alertd.toml", "listen = 1");
    tsdb::StoreOptions options;
    options.folder = folder.file("tsdb");
    auto opened = tsdb::Store::open(options, *folder.files, executor, metrics);
    REQUIRE(opened);
    store = std::move(*opened);
    auto state_opened = state::open_sqlite_state_store(
        {.path = folder.file("state.db"), .worker = &executor}, executor.clock());
    REQUIRE(state_opened);
    state = std::move(*state_opened);
    OwnBackupSettings settings;
    settings.data_folder = folder.path();
    settings.configuration = [this] { return std::vector{folder.file("alertd.toml")}; };
    backup = std::make_unique<OwnBackup>(
        OwnBackupWorld{executor, executor, *folder.files, *random, metrics, *store, *state, "db1"},
        std::move(settings));
    backup->start();
    executor.run_ready();
  }
  ~BackupSite() {
    store.reset();
    executor.run_ready();
  }

  bool staging() const { return folder.files->exists(folder.file("backup-staging")); }
  double metric(const std::string& name) const {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name == name) return point.value;
    }
    return -1;
  }

  /// Calls without waiting for the answer, which comes into `answer`.
  void call(const std::string& method, const std::string& pattern, std::vector<std::string> path,
            Answer& answer) {
    for (const api::Route& route : backup->routes()) {
      if (route.method != method || route.pattern != pattern) continue;
      api::ApiCall call;
      call.path = std::move(path);
      call.source = "test";
      call.respond = [&answer](net::ServerResponse response) {
        static_cast<net::ServerResponse&>(answer) = std::move(response);
      };
      return route.handler(std::move(call));
    }
    FAIL("no such route");
  }
  Answer answer(const std::string& method, const std::string& pattern,
                std::vector<std::string> path) {
    Answer result;
    call(method, pattern, std::move(path), result);
    executor.run_ready();
    return result;
  }
  std::string begin() {
    const Answer begun = answer("POST", "/api/v1/backup", {});
    REQUIRE_MESSAGE(begun.status == 200, begun.body);
    return json::value_to<std::string>(json::parse(begun.body).at("data").at("id"));
  }
  /// A round runs what waits, not what that posts.
  void after_rounds(std::size_t rounds, std::function<void()> task) {
    executor.post([this, rounds, task = std::move(task)] {
      if (rounds == 0) return task();
      after_rounds(rounds - 1, task);
    });
  }

  sim::TestFolder folder;
  base::SimClock clock{base::wall_time(1'764'313'200'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::unique_ptr<base::Random> random = base::make_seeded_random(1);
  std::unique_ptr<tsdb::Store> store;
  std::unique_ptr<incident::StateStore> state;
  std::unique_ptr<OwnBackup> backup;
};

constexpr const char* kOne = "/api/v1/backup/<id>";

}  // namespace

TEST_CASE("own backup: all of it is there, and goes once it is fetched") {
  BackupSite site;
  const std::string id = site.begin();
  const auto ready = site.answer("GET", kOne, {id});
  REQUIRE(ready.status == 200);
  const json::value manifest = json::parse(ready.body).at("data").at("manifest");
  std::vector<std::string> names;
  for (const json::value& file : manifest.at("files").as_array()) {
    names.push_back(json::value_to<std::string>(file.at("path")));
  }
  CHECK(std::count(names.begin(), names.end(), "data/state.db") == 1);
  CHECK(std::count(names.begin(), names.end(), "data/ack.key") == 1);
  CHECK(std::count(names.begin(), names.end(), "configuration" + site.folder.file("alertd.toml")) ==
        1);
  CHECK(site.answer("POST", "/api/v1/backup", {}).status == 503);  // one at a time
  CHECK(site.answer("POST", "/api/v1/backup/<id>/done", {id}).status == 200);
  CHECK(!site.staging());
  CHECK(site.answer("GET", kOne, {id}).status == 404);
  CHECK(site.metric("tocsin_alertd_own_backup_last_success_timestamp_seconds") == 1'764'313'200);
}

TEST_CASE(
    "own backup: given up at any moment, it goes without a trace, and the next one is whole") {
  BackupSite site;
  bool was_ready = false;
  for (std::size_t rounds = 0; !was_ready; ++rounds) {
    REQUIRE(rounds < 1000);
    CAPTURE(rounds);
    Answer begun;
    Answer waited;
    Answer ended;
    Answer after;
    site.call("POST", "/api/v1/backup", {}, begun);
    site.after_rounds(1, [&] {
      REQUIRE(begun.status == 200);
      const std::string id =
          json::value_to<std::string>(json::parse(begun.body).at("data").at("id"));
      site.call("GET", kOne, {id}, waited);
      site.after_rounds(rounds, [&, id] {
        site.call("DELETE", kOne, {id}, ended);
        site.call("GET", kOne, {id}, after);
      });
    });
    site.executor.run_ready();
    was_ready = waited.status == 200;
    CHECK((was_ready || waited.body.find("given up") != std::string::npos));
    CHECK(ended.status == 200);
    CHECK(after.status == 404);
    CHECK(!site.staging());
  }
  CHECK(site.metric("tocsin_alertd_own_backup_failures_total") == 0);
  const std::string id = site.begin();
  CHECK(site.answer("POST", "/api/v1/backup/<id>/done", {id}).status == 200);
  CHECK(!site.staging());
}

TEST_CASE("own backup: what nobody fetches is cleared away, and what fails says why once") {
  BackupSite site;
  const std::string id = site.begin();
  site.executor.run_for(std::chrono::minutes(14));
  CHECK(site.answer("GET", kOne, {id}).status == 200);  // somebody still wants it
  site.executor.run_for(std::chrono::minutes(14));
  CHECK(site.staging());
  site.executor.run_for(std::chrono::minutes(1));
  CHECK(!site.staging());
  CHECK(site.answer("GET", kOne, {id}).status == 404);
  CHECK(site.metric("tocsin_alertd_own_backup_failures_total") == 0);

  REQUIRE(site.folder.files->remove(site.folder.file("alertd.toml")));
  const std::string failing = site.begin();
  const auto why = site.answer("GET", kOne, {failing});
  CHECK(why.status >= 400);
  CHECK(why.body.find("alertd.toml") != std::string::npos);
  CHECK(site.answer("GET", kOne, {failing}).body.find("alertd.toml") == std::string::npos);
  CHECK(!site.staging());
  CHECK(site.metric("tocsin_alertd_own_backup_failures_total") == 1);
}

}  // namespace tocsin::alertd
