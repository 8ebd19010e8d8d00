// Reports by the calendar, in simulated time: once each, over restarts, failures and clock changes.
#include "alertd/app/report_sender.h"

#include <doctest/doctest.h>

#include "alertd/incident/fake_state_store.h"
#include "alertd/routing/route_config.h"
#include "common/base/sim_executor.h"

namespace tocsin::alertd {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const base::WallTime kBegin = base::parse_rfc3339("2026-11-26T05:00:00Z").value();

/// A store without any series.
class NoSeries final : public model::SeriesSource {
  class Nothing final : public model::SeriesSet {
   public:
    std::size_t size() const override { return 0; }
    const model::Labels& labels(std::size_t) const override { return labels_; }
    base::Result<void> samples(std::size_t, std::int64_t, std::int64_t,
                               std::vector<model::Sample>&) const override {
      return base::ok();
    }

   private:
    model::Labels labels_;
  };

 public:
  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher>, std::int64_t, std::int64_t,
      const model::SelectLimits&) const override {
    return std::unique_ptr<model::SeriesSet>(std::make_unique<Nothing>());
  }
  base::Result<std::vector<std::string>> label_values(
      std::string_view, std::span<const model::Matcher>) const override {
    return std::vector<std::string>();
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher>) const override {
    return std::vector<std::string>();
  }
};

bulletin::SendSettings daily(const char* schedule = "daily 07:30") {
  bulletin::SendSettings report;
  report.name = "morning";
  report.schedule = bulletin::Schedule::parse(schedule).value();
  report.zone = timezone::Zone::find("Europe/Berlin").value();
  report.schedule_text = std::string(schedule) + " Europe/Berlin";
  report.receiver = "ops";
  report.channels = {"mail", "chat"};
  return report;
}

/// What outlives the daemon: the clock, and what was committed.
struct Site {
  base::SimClock clock{kBegin};
  std::shared_ptr<incident::FakeStateStore::Disk> disk =
      std::make_shared<incident::FakeStateStore::Disk>();

  std::vector<const incident::Notification*> sent() const {
    std::vector<const incident::Notification*> all;
    for (const auto& [id, row] : disk->rows) all.push_back(&row.notification);
    return all;
  }
};

struct Daemon {
  base::SimExecutor executor;
  base::Metrics metrics;
  incident::FakeStateStore store;
  NoSeries series;
  promql::Engine engine;
  incident::Dispatcher dispatcher;
  ReportAdapter adapter;
  BulletinDesk desk;
  int pokes = 0;
  ReportSender sender;

  explicit Daemon(Site& site, std::vector<bulletin::SendSettings> reports = {daily()})
      : executor(site.clock),
        store(site.disk),
        dispatcher(options(), executor, store, metrics),
        adapter(dispatcher, store, executor, ReportConfig{}),
        desk(BulletinWorld{adapter, series, engine, {}, executor}),
        sender(ReportSenderWorld{desk, store, executor, metrics, [this] { ++pokes; }},
               {std::move(reports), "https://alerts.example.org"}) {
    base::set_log_level(base::LogLevel::Error);
    dispatcher.start([](base::Result<void> result) { CHECK(result); });
    executor.run_ready();
    sender.start();
    executor.run_ready();
  }
  ~Daemon() {
    sender.stop();
    dispatcher.stop({});
    executor.run_ready();
  }

  static incident::DispatcherOptions options() {
    incident::DispatcherOptions options;
    options.routing.root.receiver = "ops";
    options.settings.receivers = {{"ops", {"mail", "chat"}}};
    routing::complete_routes(options.routing.root);
    return options;
  }

  double metric(const std::string& name) const {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name == name) return point.value;
    }
    return -1;
  }
};

TEST_CASE("a report leaves when it is due, to each channel once") {
  Site site;
  Daemon daemon(site);
  daemon.executor.run_for(minutes(89));  // 07:29 in Berlin
  CHECK(site.sent().empty());
  daemon.executor.run_for(minutes(2));
  REQUIRE(site.sent().size() == 2);
  CHECK(daemon.pokes == 1);
  const incident::Notification& mail = *site.sent()[0];
  CHECK(mail.kind == incident::NotificationKind::Report);
  CHECK(mail.channel == "mail");
  CHECK(mail.key != site.sent()[1]->key);
  CHECK(mail.incident.title == "Daily report of 2026-11-26 07:30 Europe/Berlin: NO EVIDENCE");
  CHECK(mail.html.starts_with("<!doctype html>"));
  CHECK(mail.words.find("NO EVIDENCE: Backups: no backup reported") != std::string::npos);
  CHECK(mail.words.find(
            "https://alerts.example.org/api/v1/reports/daily?"
            "from=2026-11-25T06:30:00Z&to=2026-11-26T06:30:00Z&timezone=Europe%2FBerlin") !=
        std::string::npos);
  daemon.executor.run_for(hours(23));
  CHECK(site.sent().size() == 2);
  daemon.executor.run_for(hours(1));
  CHECK(site.sent().size() == 4);
  // What was sent can be proven later.
  REQUIRE(site.disk->audit.size() == 2);
  CHECK(site.disk->audit[0].record.action == "report.sent");
  CHECK(site.disk->audit[0].record.text.find("sha256 ") != std::string::npos);
}

TEST_CASE("a restart neither repeats a report nor forgets one") {
  Site site;
  { Daemon first(site); }
  site.clock.advance(hours(4));  // it was due meanwhile
  {
    Daemon again(site);
    again.executor.run_for(minutes(1));
    CHECK(site.sent().size() == 2);
  }
  {
    Daemon again(site);
    again.executor.run_for(hours(1));
    CHECK(site.sent().size() == 2);
  }
  site.clock.advance(hours(24 * 5));
  Daemon late(site);
  late.executor.run_for(minutes(1));
  CHECK(site.sent().size() == 4);  // of five days the last
}

TEST_CASE("what was due before it was configured, or at another time, is not sent") {
  Site site;
  site.clock.advance(hours(4));
  {
    Daemon first(site);
    first.executor.run_for(hours(1));
    CHECK(site.sent().empty());
  }
  Daemon changed(site, {daily("daily 10:30")});  // it is 11:00 in Berlin
  changed.executor.run_for(hours(1));
  CHECK(site.sent().empty());
  changed.executor.run_for(hours(23));
  CHECK(site.sent().size() == 2);
}

TEST_CASE("a store that fails, before or after it wrote, makes one report") {
  for (const auto fate :
       {incident::FakeStateStore::Fate::FailsBefore, incident::FakeStateStore::Fate::FailsAfter}) {
    Site site;
    Daemon daemon(site);
    int failures = 3;
    daemon.store.fate = [&](std::uint64_t) {
      return failures-- > 0 ? fate : incident::FakeStateStore::Fate::Works;
    };
    daemon.executor.run_for(hours(2));
    CHECK(failures < 0);
    CHECK(site.sent().size() == 2);
  }
}

TEST_CASE("sent is what a channel took, also after a restart") {
  Site site;
  {
    Daemon daemon(site);
    CHECK(daemon.metric("report_last_sent_timestamp_seconds") == base::to_seconds(kBegin));
    CHECK(daemon.metric("report_interval_seconds") == 86400);
    daemon.executor.run_for(hours(2));
    CHECK(daemon.metric("report_last_sent_timestamp_seconds") == base::to_seconds(kBegin));
    daemon.sender.delivered(*site.sent()[0]);
    daemon.executor.run_for(minutes(1));
  }
  Daemon again(site);
  CHECK(again.metric("report_last_sent_timestamp_seconds") == base::to_seconds(kBegin + hours(2)));
  // What is wanted no more is not late, and comes back with what was known.
  again.sender.reload({});
  again.executor.run_for(minutes(1));
  CHECK(again.metric("report_last_sent_timestamp_seconds") == -1);
  again.sender.reload({{daily()}, ""});
  again.executor.run_for(minutes(1));
  CHECK(again.metric("report_last_sent_timestamp_seconds") == base::to_seconds(kBegin + hours(2)));
}

TEST_CASE("every expression of every report is understood") {
  Site site;
  Daemon daemon(site, {});
  for (const char* kind : {"daily", "weekly", "monthly", "compliance", "capacity"}) {
    api::BulletinRequest request;
    request.kind = kind;
    request.format = "text";
    std::string text;
    daemon.desk.bulletin(request, [&](base::Result<api::BulletinText> answer) {
      REQUIRE(answer);
      text = answer->body;
    });
    daemon.executor.run_ready();
    CAPTURE(kind);
    CHECK(text.find("NO EVIDENCE") != std::string::npos);
    CHECK_MESSAGE(text.find("could not be read") == std::string::npos, text);
  }
}

TEST_CASE("what no report can be of is refused") {
  Site site;
  Daemon daemon(site, {});
  const auto refusal = [&](api::BulletinRequest request) {
    std::string why;
    daemon.desk.bulletin(std::move(request), [&](base::Result<api::BulletinText> answer) {
      REQUIRE(!answer);
      why = answer.error().message;
    });
    daemon.executor.run_ready();
    return why;
  };
  CHECK(refusal({"hourly", "html"}) ==
        "no report 'hourly'; there are: daily, weekly, monthly, compliance, capacity");
  CHECK(refusal({"daily", "pdf"}) == "parameter 'format' is none of html, markdown, csv, text");
  CHECK(refusal({"daily", "html", kBegin, kBegin - hours(1)}).starts_with("'from' must be before"));
  CHECK(refusal({"daily", "html", {}, {}, "Mars/Olympus"}).find("Mars/Olympus") !=
        std::string::npos);
}

}  // namespace
}  // namespace tocsin::alertd
