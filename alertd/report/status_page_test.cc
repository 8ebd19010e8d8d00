#include "alertd/report/status_page.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "alertd/routing/matcher_text.h"

namespace tocsin::report {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;

const WallTime kNow = base::parse_rfc3339("2026-11-26T12:00:00Z").value();

incident::Communication services() {
  incident::Communication communication;
  incident::Service one;
  one.name = "registration";
  one.title = "Course <registration>";
  communication.services.emplace(one.name, one);
  one.name = "mail";
  one.title = "Mail";
  communication.services.emplace(one.name, one);
  one.name = "internal";
  one.title = "Internal";
  one.shown = false;
  communication.services.emplace(one.name, one);
  return communication;
}

incident::Incident incident_of(std::int64_t number, const std::string& service,
                               model::Severity severity, WallTime opened) {
  incident::Incident one;
  one.number = number;
  one.title = "pg_up == 0 on db17";
  one.services = {service};
  one.group_labels = model::Labels({{"host", "db17"}});
  one.severity = one.peak_severity = severity;
  one.opened_at = opened;
  return one;
}

StatusInput input() {
  StatusInput input;
  input.now = kNow;
  input.watched_since = kNow - hours(24 * 365);
  return input;
}

StatusPage page_of(const StatusInput& input) {
  StatusPageSettings settings;
  settings.enabled = true;
  settings.url = "https://status.example.org/";
  return make_status_page(input, services(), settings);
}

TEST_CASE("status page: all is well") {
  const StatusPage page = page_of(input());
  CHECK(page.state == ServiceState::Works);
  REQUIRE(page.services.size() == 2);
  CHECK(page.services[0].title == "Course <registration>");
  CHECK(page.services[0].availability_90 == 1.0);
  const std::string html = status_html(page);
  CHECK(html.find("All services work.") != std::string::npos);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("Course &lt;registration&gt;") != std::string::npos);
  CHECK(html.find("100 % in 30 days") != std::string::npos);
}

TEST_CASE("status page: what goes on, in plain words only, and only of shown services") {
  StatusInput given = input();
  given.incidents = {incident_of(1, "registration", model::Severity::Critical, kNow - hours(1)),
                     incident_of(2, "internal", model::Severity::Critical, kNow - hours(1)),
                     incident_of(3, "mail", model::Severity::Medium, kNow - hours(1))};
  incident::Review review;
  review.incident = 1;
  incident::News news;
  news.at = kNow - minutes(30);
  news.by = "ada";
  news.state = incident::NewsState::Identified;
  news.text = "Use the desk. token=abc";
  review.news.push_back(news);
  news.text = "for the dean alone";
  news.everybody = false;
  review.news.push_back(news);
  given.reviews[1] = std::make_shared<const incident::Review>(review);
  const StatusPage page = page_of(given);
  CHECK(page.state == ServiceState::Down);
  REQUIRE(page.current.size() == 1);
  CHECK(page.services[0].state == ServiceState::Down);
  CHECK(page.services[1].state == ServiceState::Works);
  for (const std::string& text : {status_html(page), status_json(page), status_rss(page)}) {
    CHECK(text.find("Use the desk.") != std::string::npos);
    for (const char* secret : {"db17", "pg_up", "ada", "abc", "dean", "internal", "Internal"}) {
      CHECK_MESSAGE(text.find(secret) == std::string::npos, secret);
    }
  }
  const auto json = boost::json::parse(status_json(page)).as_object();
  CHECK(json.at("incidents").as_array().at(0).as_object().at("impact") == "down");
}

TEST_CASE("status page: the past, its end in words, and availability") {
  StatusInput given = input();
  incident::Incident over = incident_of(1, "mail", model::Severity::High, kNow - hours(24 * 10));
  over.state = incident::IncidentState::Resolved;
  over.resolved_at = over.opened_at + hours(72);
  incident::Incident older = over;
  older.number = 2;
  older.opened_at = kNow - hours(24 * 200);
  older.resolved_at = older.opened_at + hours(1);
  incident::Incident drill = over;
  drill.number = 3;
  drill.group_labels = model::Labels({{"drill", "true"}});
  given.incidents = {over, older, drill};
  const StatusPage page = page_of(given);
  CHECK(page.state == ServiceState::Works);
  CHECK(page.current.empty());
  REQUIRE(page.past.size() == 1);
  CHECK(page.past[0].title == "Mail: works again");
  REQUIRE(page.past[0].updates.size() == 2);
  CHECK(page.services[1].title == "Mail");
  CHECK(page.services[1].availability_30 == doctest::Approx(0.9));
  CHECK(page.services[0].availability_30 == 1.0);
  const std::string rss = status_rss(page);
  CHECK(rss.find("<guid isPermaLink=\"false\">T-1-") != std::string::npos);
  CHECK(rss.find("<link>https://status.example.org/#T-1</link>") != std::string::npos);
}

TEST_CASE("status page: maintenance that names the service") {
  StatusInput given = input();
  routing::Maintenance window;
  window.name = "upgrade";
  window.matcher_sets = {*routing::parse_matchers("service=mail")};
  window.once = routing::Window{kNow - hours(1), kNow + hours(1)};
  given.maintenances.push_back(window);
  window.name = "later";
  window.once = routing::Window{kNow + hours(24), kNow + hours(25)};
  given.maintenances.push_back(window);
  window.name = "hosts";
  window.matcher_sets = {*routing::parse_matchers("host=db17")};
  given.maintenances.push_back(window);
  const StatusPage page = page_of(given);
  CHECK(page.state == ServiceState::Maintenance);
  REQUIRE(page.maintenance.size() == 2);
  CHECK(page.maintenance[0].open);
  CHECK(page.maintenance[1].title == "Mail: planned maintenance");
  CHECK(status_html(page).find("db17") == std::string::npos);
}

TEST_CASE("availability: business hours only, overlaps once, no claim about the time before") {
  const auto hours_of_day = std::vector{timezone::parse_hours("08:00-18:00").value()};
  const timezone::Zone utc;
  const WallTime midnight = base::parse_rfc3339("2026-11-25T00:00:00Z").value();
  const auto share = [&](std::vector<std::pair<WallTime, WallTime>> outages) {
    return availability(hours_of_day, utc, midnight, midnight + hours(24), std::move(outages));
  };
  CHECK(share({}) == 1.0);
  CHECK(share({{midnight, midnight + hours(8)}}) == 1.0);  // at night
  CHECK(share({{midnight + hours(7), midnight + hours(9)}}) == doctest::Approx(0.9));
  CHECK(share({{midnight + hours(10), midnight + hours(12)},
               {midnight + hours(11), midnight + hours(13)}}) == doctest::Approx(0.7));
  CHECK(share({{midnight, midnight + hours(24)}}) == 0.0);
  CHECK(!availability(hours_of_day, utc, midnight, midnight + hours(8), {}));
  StatusInput given = input();
  given.watched_since = kNow - hours(10);
  given.incidents = {incident_of(1, "mail", model::Severity::High, kNow - hours(1))};
  CHECK(page_of(given).services[1].availability_90 == doctest::Approx(0.9));
}

TEST_CASE("status page: Khmer") {
  StatusPageSettings settings;
  settings.language = "km";
  StatusInput given = input();
  given.incidents = {incident_of(1, "mail", model::Severity::High, kNow - hours(1))};
  const std::string html = status_html(make_status_page(given, services(), settings));
  CHECK(html.find("<html lang=\"km\">") != std::string::npos);
  CHECK(html.find("Mail ដំណើរការយឺត") != std::string::npos);
  CHECK(html.find("does not work") == std::string::npos);
}

}  // namespace
}  // namespace tocsin::report
