// Overdue action items and the status page, in simulated time.
#include "alertd/app/report_keeper.h"

#include <doctest/doctest.h>

#include <limits>

#include "alertd/app/report_adapter.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/routing/route_config.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::alertd {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const base::WallTime kBegin = base::parse_rfc3339("2026-11-26T10:00:00Z").value();

struct Daemon {
  base::SimClock clock{kBegin};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  sim::SimFileSystem files;
  incident::FakeStateStore store{std::make_shared<incident::FakeStateStore::Disk>()};
  std::unique_ptr<incident::Dispatcher> dispatcher;
  std::unique_ptr<ReportKeeper> keeper;
  std::unique_ptr<ReportAdapter> adapter;

  Daemon() {
    base::set_log_level(base::LogLevel::Error);
    REQUIRE(files.create_folders("/data"));
    REQUIRE(files.create_folders("/public"));
    incident::DispatcherOptions options;
    options.routing.root.receiver = "ops";
    options.routing.root.group_by = {"action", "alertname"};
    options.routing.root.timing = {seconds(0), minutes(1), hours(400)};
    routing::complete_routes(options.routing.root);
    options.settings.receivers = {{"ops", {"mail"}}};
    incident::Communication communication;
    incident::Service web;
    web.name = web.title = "web";
    communication.services.emplace("web", web);
    options.settings.communication =
        std::make_shared<const incident::Communication>(std::move(communication));
    options.settings.dependencies.add({"web", {}, {}});
    options.committed = [this](const incident::StateChange&) {
      if (keeper) keeper->changed();
    };
    dispatcher = std::make_unique<incident::Dispatcher>(options, executor, store, metrics);
    dispatcher->start([](base::Result<void> result) { CHECK(result); });
    ReportKeeperSettings settings;
    settings.page.enabled = true;
    settings.page.path = "/public";
    keeper = std::make_unique<ReportKeeper>(
        ReportKeeperWorld{*dispatcher, store, executor, files, metrics}, settings,
        "/data/watched_since");
    adapter = std::make_unique<ReportAdapter>(*dispatcher, store, executor, ReportConfig{});
    executor.run_ready();
    keeper->start();
    executor.run_ready();
  }

  void fire(const std::string& service) {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", "Down"}, {"host", "db17"}, {"service", service}});
    alert.severity = model::Severity::Critical;
    alert.starts_at = alert.updated_at = clock.wall();
    alert.valid_until = clock.wall() + hours(24 * 30);
    dispatcher->post({alert});
    executor.run_ready();
  }

  std::string change(api::ActionChange request) {
    std::string answer;
    request.by = "ada";
    adapter->change_action(std::move(request), [&answer](base::Result<std::string> id) {
      answer = id ? *id : id.error().message;
    });
    executor.run_ready();
    return answer;
  }

  /// The open incidents' titles and states.
  std::vector<std::string> incidents() {
    std::vector<std::string> lines;
    dispatcher->snapshot(executor, [&lines](const auto& snapshot) {
      for (const incident::IncidentView& view : snapshot->incidents) {
        lines.push_back(std::string(view.incident.title) + " " +
                        std::string(to_string(view.incident.state)) + " " +
                        std::string(model::to_string(view.incident.severity)));
      }
    });
    executor.run_ready();
    return lines;
  }
};

TEST_CASE("action item: overdue it is an incident like any other, done it is over") {
  Daemon daemon;
  daemon.fire("web");
  api::ActionChange add;
  add.incident = "T-1001";
  add.item.text = "alert on inodes";
  add.item.owner = "ben";
  add.item.due = kBegin + hours(48);
  CHECK(daemon.change(add) == "A-1001-1");
  daemon.executor.run_for(hours(47));
  CHECK(daemon.incidents().size() == 1);
  daemon.executor.run_for(hours(2));
  const std::vector<std::string> open = daemon.incidents();
  REQUIRE(open.size() == 2);
  CHECK(open[1] ==
        "action item A-1001-1 of ben is overdue since 2026-11-28: alert on inodes open low");
  // It stays one incident for as long as it is not done.
  daemon.executor.run_for(hours(24));
  CHECK(daemon.incidents().size() == 2);
  api::ActionChange done;
  done.id = "A-1001-1";
  done.done = true;
  CHECK(daemon.change(done) == "A-1001-1");
  daemon.executor.run_for(minutes(10));
  CHECK(daemon.incidents().at(1).find(" resolved ") != std::string::npos);
  daemon.keeper->stop();
  daemon.executor.run_ready();
}

TEST_CASE("action item: what is no item is refused") {
  Daemon daemon;
  api::ActionChange wrong;
  wrong.id = "1001-1";
  CHECK(daemon.change(wrong) == "'1001-1' is no id of an action item; expected one as A-1042-1");
  wrong.id.clear();
  wrong.incident = "T-1001";
  wrong.item.text = "x";
  wrong.item.type = "hope";
  CHECK(daemon.change(wrong) == "'type' is none of prevent, detect, mitigate");
  daemon.keeper->stop();
  daemon.executor.run_ready();
}

TEST_CASE("status page: written when something changes, kept when it cannot be written") {
  Daemon daemon;
  CHECK(daemon.files.content("/data/watched_since") == "2026-11-26T10:00:00Z\n");
  CHECK(daemon.files.content("/public/index.html").find("All services work.") != std::string::npos);
  daemon.fire("web");
  daemon.executor.run_for(seconds(3));
  const std::string page = daemon.files.content("/public/index.html");
  CHECK(page.find("web has not been working since 10:00") != std::string::npos);
  CHECK(page.find("db17") == std::string::npos);
  CHECK(daemon.files.content("/public/status.json").find("\"down\"") != std::string::npos);
  CHECK(daemon.files.content("/public/status.rss").find("<rss version=\"2.0\">") !=
        std::string::npos);
  daemon.files.set_capacity(1);
  daemon.executor.run_for(minutes(2));
  CHECK(daemon.files.content("/public/index.html") == page);
  double failed = 0;
  for (const auto& point : daemon.metrics.points()) {
    if (point.name == "tocsin_alertd_status_page_failures_total") failed = point.value;
  }
  CHECK(failed > 0);
  daemon.files.set_capacity(std::numeric_limits<std::uint64_t>::max());
  daemon.executor.run_for(minutes(2));
  CHECK(daemon.files.content("/public/index.html") != page);
  daemon.keeper->stop();
  daemon.executor.run_ready();
}

TEST_CASE("status page: served to everybody, and only if it is wanted") {
  Daemon daemon;
  std::vector<api::Route> routes = daemon.keeper->routes();
  REQUIRE(routes.size() == 5);
  for (const api::Route& route : routes) CHECK(route.access == api::Access::Public);
  net::ServerResponse answer;
  api::ApiCall call;
  call.respond = [&answer](net::ServerResponse response) { answer = std::move(response); };
  routes[0].handler(call);
  CHECK(answer.status == 200);
  CHECK(answer.content_type == "text/html; charset=utf-8");
  CHECK(answer.headers.at(0).second.starts_with("default-src 'none'"));
  ReportKeeper none(ReportKeeperWorld{*daemon.dispatcher, daemon.store, daemon.executor,
                                      daemon.files, daemon.metrics},
                    {}, "/data/x");
  CHECK(none.routes().empty());
  daemon.keeper->stop();
  daemon.executor.run_ready();
}

}  // namespace
}  // namespace tocsin::alertd
