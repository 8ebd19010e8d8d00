#include "alertd/app/bulletin_desk.h"

#include <fmt/core.h>

#include <array>
#include <atomic>
#include <set>
#include <utility>
#include <variant>

#include "alertd/bulletin/writers.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kAtOnce = 2;  // each holds a thread that queries of people need too
constexpr base::Duration kPatience = std::chrono::minutes(2);  // of all its queries

/// Asks the engine on the thread that it is called on, until the time is up.
class StoreSource final : public bulletin::Source {
 public:
  StoreSource(const BulletinWorld& world, const base::Clock& clock)
      : world_(world), clock_(clock), end_(clock.monotonic() + kPatience) {}

  base::Result<std::vector<bulletin::Reading>> instant(std::string_view expr,
                                                       base::WallTime at) const override {
    TC_TRY(const promql::ExprPtr parsed, parse(expr));
    TC_TRY(promql::QueryResult result,
           world_.engine.instant(world_.source, *parsed, at, cancelled()));
    std::vector<bulletin::Reading> readings;
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) {
      for (promql::VectorSample& one : *vector) {
        readings.push_back({std::move(one.labels), one.sample.value});
      }
    }
    return readings;
  }

  base::Result<std::vector<bulletin::Curve>> range(std::string_view expr,
                                                   const bulletin::Span& span) const override {
    TC_TRY(const promql::ExprPtr parsed, parse(expr));
    TC_TRY(promql::QueryResult result,
           world_.engine.range(world_.source, *parsed, span.from, span.to, span.step, cancelled()));
    std::vector<bulletin::Curve> curves;
    if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) {
      for (promql::MatrixSeries& one : *matrix) {
        curves.push_back({std::move(one.labels), std::move(one.samples)});
      }
    }
    return curves;
  }

 private:
  base::Result<promql::ExprPtr> parse(std::string_view expr) const {
    promql::Parsed parsed = promql::parse(expr, world_.parse);
    if (parsed.expr) return std::move(parsed.expr);
    return base::error(base::ErrorCode::InvalidArgument,
                       parsed.errors.empty() ? "" : parsed.errors.front().message);
  }

  std::function<bool()> cancelled() const {
    return [this] { return clock_.monotonic() > end_; };
  }

  const BulletinWorld& world_;
  const base::Clock& clock_;
  base::MonotonicTime end_;
};

bulletin::IncidentFact fact_of(const report::Report& report) {
  bulletin::IncidentFact fact;
  fact.id = report.id;
  fact.title = report.title;
  fact.severity = report.peak;
  fact.acknowledged = report.acknowledged_at.has_value();
  fact.opened_at = report.opened_at;
  fact.to_acknowledge = report.to_acknowledge();
  fact.resolved_at = report.resolved_at;
  fact.by_person = !report.resolved_by.empty();
  fact.reopened = report.reopened;
  std::set<std::string> rules;
  for (const report::ReportAlert& alert : report.alerts) rules.insert(alert.name);
  fact.rules.assign(rules.begin(), rules.end());
  return fact;
}

const char* content_type(bulletin::Format format) {
  switch (format) {
    case bulletin::Format::Html:
      return "text/html; charset=utf-8";
    case bulletin::Format::Markdown:
      return "text/markdown; charset=utf-8";
    case bulletin::Format::Csv:
      return "text/csv; charset=utf-8";
    case bulletin::Format::Text:
      break;
  }
  return "text/plain; charset=utf-8";
}

base::Error unknown_kind(const std::string& kind) {
  constexpr std::array<std::string_view, 5> kKinds{"daily", "weekly", "monthly", "compliance",
                                                   "capacity"};
  const std::vector<std::string> names(kKinds.begin(), kKinds.end());
  return base::error(
      base::ErrorCode::NotFound,
      fmt::format("no report '{}'; there are: {}", base::escape_control(kind.substr(0, 100)),
                  base::join(names, ", ")));
}

}  // namespace

void BulletinDesk::make(const bulletin::Request& request, api::Done<bulletin::Document> done) {
  if (const auto good = bulletin::check_period(request.from, request.to); !good) {
    return done(good.error());
  }
  if (running_->fetch_add(1) >= kAtOnce) {
    running_->fetch_sub(1);
    return done(base::error(base::ErrorCode::Unavailable,
                            fmt::format("{} reports are being made; try again", kAtOnce)));
  }
  world_.incidents.gather(
      request.from, request.to,
      [this, request, running = running_, done = std::move(done)](auto gathered) {
        if (!gathered) {
          running->fetch_sub(1);
          return done(gathered.error());
        }
        std::vector<bulletin::IncidentFact> facts;
        for (const report::Report& each : gathered->reports) facts.push_back(fact_of(each));
        const char* missing = gathered->truncated ? "older incidents of this time are not among "
                                                    "the newest 1000, and are left out"
                                                  : "";
        world_.queries.post([this, request, running, done, facts = std::move(facts), missing] {
          const StoreSource source(world_, world_.queries.clock());
          bulletin::Document document = bulletin::make_bulletin({request, source, facts, missing});
          running->fetch_sub(1);
          done(std::move(document));
        });
      });
}

void BulletinDesk::bulletin(api::BulletinRequest asked, api::Done<api::BulletinText> done) {
  const auto kind = bulletin::parse_kind(asked.kind);
  if (!kind) return done(unknown_kind(asked.kind));
  const auto format = bulletin::parse_format(asked.format);
  if (!format) {
    return done(base::error(base::ErrorCode::InvalidArgument,
                            "parameter 'format' is none of html, markdown, csv, text"));
  }
  bulletin::Request request;
  request.kind = *kind;
  request.zone = world_.incidents.zone();
  if (!asked.time_zone.empty()) {
    const auto zone = timezone::Zone::find(asked.time_zone);
    if (!zone) return done(zone.error());
    request.zone = *zone;
  }
  const base::WallTime now = asked.to.value_or(world_.queries.clock().wall());
  std::tie(request.from, request.to) = bulletin::default_period(*kind, now, request.zone);
  if (asked.from) request.from = *asked.from;
  if (asked.from || asked.to) request.to = now;
  make(request, [format = *format, done = std::move(done)](auto document) {
    if (!document) return done(document.error());
    done(api::BulletinText{content_type(format), bulletin::write(*document, format)});
  });
}

}  // namespace tocsin::alertd
