// From incidents to what outsiders may know.
#include "alertd/report/status_page.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "alertd/incident/news_text.h"
#include "alertd/oncall/directory_config.h"
#include "alertd/report/redact.h"

namespace tocsin::report {
namespace {

using base::WallTime;
using incident::Incident;
using incident::Service;
using std::chrono::hours;

constexpr base::Duration kHistory = hours(24 * 90);
constexpr base::Duration kMonth = hours(24 * 30);
constexpr base::Duration kAhead = hours(24 * 14);
constexpr std::size_t kPastMax = 200;

ServiceState impact_of(model::Severity severity) {
  return severity == model::Severity::Critical ? ServiceState::Down : ServiceState::Degraded;
}

class PageMaker {
 public:
  PageMaker(const StatusInput& input, const incident::Communication& communication,
            const StatusPageSettings& settings)
      : input_(input), communication_(communication), settings_(settings) {
    reader_.language = settings.language;
    reader_.zone = settings.zone;
  }

  StatusPage make() {
    StatusPage page;
    page.settings = settings_;
    page.updated_at = input_.now;
    page.watched_since = input_.watched_since;
    for (const Incident& incident : input_.incidents) {
      if (incident.peak_severity < model::Severity::High || incident.storm) continue;
      if (incident.group_labels.get("drill") == "true") continue;
      const std::vector<const Service*> services = shown_of(incident);
      if (services.empty()) continue;
      for (const Service* each : services) {
        outages_[each->name].emplace_back(incident.opened_at,
                                          incident.resolved_at.value_or(input_.now));
        if (incident.resolved()) continue;
        ServiceState& state = states_[each->name];
        state = std::max(state, impact_of(incident.severity));
      }
      add(incident, services, incident.resolved() ? page.past : page.current);
    }
    add_maintenance(page);
    for (const auto& [name, service] : communication_.services) {
      if (service.shown) add(service, page);
    }
    const auto newest_first = [](const StatusIncident& a, const StatusIncident& b) {
      return std::tie(a.began, a.id) > std::tie(b.began, b.id);
    };
    std::sort(page.current.begin(), page.current.end(), newest_first);
    std::sort(page.past.begin(), page.past.end(), newest_first);
    if (page.past.size() > kPastMax) page.past.resize(kPastMax);
    std::sort(page.services.begin(), page.services.end(),
              [](const auto& a, const auto& b) { return a.title < b.title; });
    std::sort(page.maintenance.begin(), page.maintenance.end(), [](const auto& a, const auto& b) {
      return std::tie(a.begin, a.title) < std::tie(b.begin, b.title);
    });
    return page;
  }

 private:
  std::vector<const Service*> shown_of(const Incident& incident) const {
    std::vector<const Service*> services;
    for (const auto& [name, service] : communication_.services) {
      const bool labelled =
          service.matchers.empty() &&
          (incident.group_labels.get("service") == name ||
           incident.group_labels.get("app") == name || incident.group_labels.get("job") == name);
      if (service.shown && (labelled || incident.services.contains(name))) {
        services.push_back(&service);
      }
    }
    return services;
  }

  StatusUpdate update(const Incident& incident, const std::vector<const Service*>& services,
                      const incident::News& news) const {
    incident::NewsFacts facts;
    facts.services = services;
    facts.state = news.state;
    facts.severity = incident.peak_severity;
    facts.since = incident.opened_at;
    facts.now = news.at;
    facts.text = redact(news.text);
    if (!incident.resolved()) facts.next_update = news.next_update;
    incident::NewsWords words = incident::news_words(reader_, facts);
    return {news.at, std::string(to_string(news.state)), std::move(words.title),
            std::move(words.text)};
  }

  void add(const Incident& incident, const std::vector<const Service*>& services,
           std::vector<StatusIncident>& list) const {
    if (incident.resolved_at.value_or(input_.now) + kHistory < input_.now) return;
    StatusIncident shown;
    shown.id = incident.id();
    shown.impact = impact_of(incident.peak_severity);
    shown.began = incident.opened_at;
    shown.ended = incident.resolved_at;
    std::vector<incident::News> news;
    const auto review = input_.reviews.find(incident.number);
    if (review != input_.reviews.end()) {
      for (const incident::News& each : review->second->news) {
        if (each.everybody) news.push_back(each);  // not what was for chosen audiences
      }
    }
    const auto automatic = [&](incident::NewsState state, WallTime at) {
      incident::News one;
      one.at = at;
      one.state = state;
      return one;
    };
    if (news.empty()) {
      news.push_back(automatic(incident::NewsState::Investigating, incident.opened_at));
    }
    if (incident.resolved_at && news.back().state != incident::NewsState::Resolved) {
      news.push_back(automatic(incident::NewsState::Resolved, *incident.resolved_at));
    }
    for (auto each = news.rbegin(); each != news.rend(); ++each) {
      shown.updates.push_back(update(incident, services, *each));
    }
    shown.title = shown.updates.front().title;
    list.push_back(std::move(shown));
  }

  void add_maintenance(StatusPage& page) {
    for (const routing::Maintenance& maintenance : input_.maintenances) {
      std::vector<const Service*> services;
      for (const auto& [name, service] : communication_.services) {
        if (service.shown && incident::is_about(maintenance, name)) services.push_back(&service);
      }
      if (services.empty()) continue;
      const auto open = routing::window_at(maintenance, input_.now);
      const auto window = open ? open : routing::next_window(maintenance, input_.now);
      if (!window || window->starts_at > input_.now + kAhead) continue;
      const auto stage =
          open ? incident::MaintenanceStage::Started : incident::MaintenanceStage::Announced;
      page.maintenance.push_back(
          {incident::maintenance_words(reader_, services, stage, window->starts_at, window->ends_at,
                                       {})
               .title,
           window->starts_at, window->ends_at, open.has_value()});
      if (!open) continue;
      for (const Service* each : services) {
        ServiceState& state = states_[each->name];
        state = std::max(state, ServiceState::Maintenance);
      }
    }
  }

  void add(const Service& service, StatusPage& page) const {
    StatusService shown;
    shown.name = service.name;
    shown.title = service.title_in(settings_.language);
    const auto state = states_.find(service.name);
    if (state != states_.end()) shown.state = state->second;
    const auto found = outages_.find(service.name);
    const auto outages = found == outages_.end() ? decltype(found->second)() : found->second;
    const auto within = [&](base::Duration span) {
      return availability(service.hours, service.zone,
                          std::max(input_.now - span, input_.watched_since), input_.now, outages);
    };
    shown.availability_30 = within(kMonth);
    shown.availability_90 = within(kHistory);
    page.state = std::max(page.state, shown.state);
    page.services.push_back(std::move(shown));
  }

  const StatusInput& input_;
  const incident::Communication& communication_;
  const StatusPageSettings& settings_;
  incident::Audience reader_;  ///< Everybody.
  std::map<std::string, ServiceState> states_;
  std::map<std::string, std::vector<std::pair<WallTime, WallTime>>> outages_;
};

}  // namespace

std::string_view to_string(ServiceState state) {
  constexpr std::array<std::string_view, 4> kStates{"works", "maintenance", "degraded", "down"};
  return kStates[static_cast<std::size_t>(state)];
}

StatusPage make_status_page(const StatusInput& input, const incident::Communication& communication,
                            const StatusPageSettings& settings) {
  return PageMaker(input, communication, settings).make();
}

std::optional<double> availability(const std::vector<timezone::Hours>& hours,
                                   const timezone::Zone& zone, WallTime from, WallTime to,
                                   std::vector<std::pair<WallTime, WallTime>> outages) {
  std::sort(outages.begin(), outages.end());
  base::Duration all{0};
  base::Duration lost{0};
  // From edge to edge either everything or nothing is business time.
  for (WallTime begin = from; begin < to;) {
    const WallTime end = std::min(timezone::next_edge(hours, zone, begin).value_or(to), to);
    if (timezone::covers(hours, zone, begin)) {
      all += end - begin;
      WallTime counted = begin;
      for (const auto& [down, up] : outages) {
        const WallTime first = std::max(down, counted);
        const WallTime last = std::min(up, end);
        if (first >= last) continue;
        lost += last - first;
        counted = last;
      }
    }
    begin = end;
  }
  if (all == base::Duration{0}) return std::nullopt;
  return 1.0 - static_cast<double>(lost.count()) / static_cast<double>(all.count());
}

StatusPageSettings read_status_page(config::Table& root) {
  StatusPageSettings settings;
  settings.enabled = root.has("status_page");
  config::Table table = root.table("status_page");
  settings.path = table.string("path", "");
  settings.serve = table.boolean("serve", true);
  settings.title = table.string("title", settings.title);
  settings.url = table.string("url", "");
  settings.language = table.one_of("language", "en", {"en", "km"});
  settings.zone = oncall::read_zone(table, timezone::Zone());
  if (!settings.url.empty() && !settings.url.starts_with("https://") &&
      !settings.url.starts_with("http://")) {
    table.error("url", "the address does not begin with https:// or http://");
  }
  table.finish();
  return settings;
}

}  // namespace tocsin::report
