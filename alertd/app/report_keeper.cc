#include "alertd/app/report_keeper.h"

#include <algorithm>
#include <utility>

#include "alertd/api/json.h"
#include "alertd/incident/record_codec.h"
#include "alertd/report/action_alerts.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

constexpr base::Duration kInterval{60'000};
constexpr base::Duration kSoon{1'000};  ///< Several changes make one page.
constexpr base::Duration kValid{240'000};
constexpr std::size_t kSinceBytesMax = 64;
constexpr mode_t kReadable = 0644;  // the web server's user reads them

}  // namespace

ReportKeeper::ReportKeeper(const ReportKeeperWorld& world, ReportKeeperSettings settings,
                           std::string since_file)
    : world_(world),
      settings_(std::move(settings)),
      since_file_(std::move(since_file)),
      failed_(world.metrics.counter("tocsin_alertd_status_page_failures_total",
                                    "Status pages that could not be made or written.")) {}

void ReportKeeper::start() {
  world_.executor.post([this] {
    if (!std::exchange(stopped_, false)) return;
    read_since();
    run();
  });
}

void ReportKeeper::stop() {
  world_.executor.post([this] {
    stopped_ = true;
    world_.executor.cancel(timer_);
  });
}

void ReportKeeper::changed() {
  world_.executor.post([this] {
    if (!stopped_ && !soon_) run_soon(kSoon);
  });
}

void ReportKeeper::reload(ReportKeeperSettings settings) {
  world_.executor.post([this, settings = std::move(settings)]() mutable {
    settings_ = std::move(settings);
    if (!stopped_) run_soon(base::Duration{0});
  });
}

void ReportKeeper::run_soon(base::Duration delay) {
  world_.executor.cancel(timer_);
  soon_ = delay < kInterval;
  timer_ = world_.executor.post_after(delay, [this] {
    soon_ = false;
    run();
  });
}

/// Availability must not claim anything about the time before anybody watched.
void ReportKeeper::read_since() {
  watched_since_ = world_.executor.clock().wall();
  if (const auto text = world_.files.read(since_file_, kSinceBytesMax)) {
    if (const auto since = base::parse_rfc3339(base::trim(*text))) {
      watched_since_ = std::min(*since, watched_since_);
      return;
    }
  }
  const auto written =
      world_.files.write_atomic(since_file_, base::format_rfc3339(watched_since_) + "\n", 0600);
  if (!written) failures_.report("since", written.error().message);
}

void ReportKeeper::run() {
  if (stopped_) return;
  world_.dispatcher.written(world_.executor,
                            [this](std::shared_ptr<const incident::Written> written) {
                              if (stopped_) return;
                              tell_overdue(*written);
                              if (settings_.page.enabled) make_page(std::move(written));
                            });
  run_soon(kInterval);
}

void ReportKeeper::tell_overdue(const incident::Written& written) {
  const base::WallTime now = world_.executor.clock().wall();
  std::vector<model::Alert> alerts = alerts_.step(
      report::overdue_alerts(written.reviews, settings_.report.action_severity, now, kValid), now);
  if (!alerts.empty()) world_.dispatcher.post(std::move(alerts));
}

void ReportKeeper::make_page(std::shared_ptr<const incident::Written> written) {
  incident::IncidentQuery query;
  query.limit = incident::kIncidentsMax;
  world_.state.incidents(query, world_.executor, [this, written](auto records) {
    if (stopped_) return;
    if (!records) {
      failed_.increment();
      failures_.report("page", records.error().message);
      return;
    }
    report::StatusInput input;
    for (const incident::IncidentRecord& record : *records) {
      if (auto incident = incident::incident_from_record(record)) {
        input.incidents.push_back(std::move(*incident));
      }
    }
    input.reviews = written->reviews;
    input.maintenances = written->maintenances;
    input.watched_since = watched_since_;
    input.now = world_.executor.clock().wall();
    const report::StatusPage page =
        report::make_status_page(input, *written->communication, settings_.page);
    put({api::clean(report::status_html(page)), api::clean(report::status_json(page)),
         api::clean(report::status_rss(page))});
  });
}

void ReportKeeper::put(Texts texts) {
  const auto made = std::make_shared<const Texts>(std::move(texts));
  {
    const base::MutexLock lock(mutex_);
    texts_ = made;
  }
  if (settings_.page.path.empty()) return failures_.clear("page");
  const auto write = [this](const char* name, const std::string& text) {
    return world_.files.write_atomic(base::join_path(settings_.page.path, name), text, kReadable);
  };
  for (const auto& [name, text] :
       {std::pair("index.html", &made->html), std::pair("status.json", &made->json),
        std::pair("status.rss", &made->rss)}) {
    if (const auto written = write(name, *text); !written) {
      failed_.increment();
      return failures_.report("page", written.error().message);
    }
  }
  failures_.clear("page");
}

void ReportKeeper::answer(const api::ApiCall& call, std::string Texts::*part,
                          const char* type) const {
  std::shared_ptr<const Texts> texts;
  {
    const base::MutexLock lock(mutex_);
    texts = texts_;
  }
  if (!texts) return call.respond(api::plain_text(503, "the status page is being made\n"));
  net::ServerResponse response;
  response.content_type = type;
  response.headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
                       "base-uri 'none'; form-action 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", "max-age=30"}};
  response.body = (*texts).*part;
  call.respond(std::move(response));
}

std::vector<api::Route> ReportKeeper::routes() {
  if (!settings_.page.enabled || !settings_.page.serve) return {};
  const auto route = [this](const char* path, std::string Texts::*part, const char* type) {
    return api::Route{"GET", path, api::Access::Public,
                      [this, part, type](api::ApiCall call) { answer(call, part, type); }};
  };
  constexpr const char* kHtml = "text/html; charset=utf-8";
  constexpr const char* kJson = "application/json; charset=utf-8";
  constexpr const char* kRss = "application/rss+xml; charset=utf-8";
  return {route("/status/", &Texts::html, kHtml), route("/status.json", &Texts::json, kJson),
          route("/status.rss", &Texts::rss, kRss),
          // Beside the page, where its own links look.
          route("/status/status.json", &Texts::json, kJson),
          route("/status/status.rss", &Texts::rss, kRss)};
}

}  // namespace tocsin::alertd
