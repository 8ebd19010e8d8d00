#include "tests/sim/week/plan.h"

#include <algorithm>
#include <cmath>

#include "common/base/random.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using model::Severity;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr Duration kWeek = hours(24 * 7);
constexpr std::array<const char*, 4> kPersons{"ada", "ben", "cleo", "dora"};
constexpr std::array<const char*, 5> kNames{"DiskFull", "HighLoad", "QueueLong", "BackupOld",
                                            "CertExpires"};
constexpr std::array<const char*, 4> kHosts{"h1", "h2", "h3", "h4"};
constexpr std::array<const char*, 2> kTeams{"web", "dba"};
// 2026-03-26, 2026-10-22, 2026-03-05, 2026-10-29, each 00:00Z: a change of the clock lies within.
constexpr std::array<std::int64_t, 4> kStarts{1'774'483'200'000, 1'792'627'200'000,
                                              1'772'668'800'000, 1'793'232'000'000};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(base::make_seeded_random(seed * 7919 + 17)) {
    plan_.seed = seed;
    plan_.start = base::wall_time(kStarts[below(kStarts.size())]) + minutes(below(1440));
    plan_.end = plan_.start + kWeek;
  }

  Plan run() {
    plan_.configs.push_back(first_config());
    for (std::size_t i = below(4); i > 0; --i) plan_.configs.push_back(changed_config());
    make_lives();
    make_events();
    make_faults();
    const auto by_time = [](const auto& a, const auto& b) { return a.at < b.at; };
    std::stable_sort(plan_.events.begin(), plan_.events.end(), by_time);
    std::stable_sort(plan_.lives.begin(), plan_.lives.end(),
                     [](const Life& a, const Life& b) { return a.fire < b.fire; });
    return std::move(plan_);
  }

 private:
  std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(random_->below(static_cast<std::uint64_t>(bound)));
  }
  bool chance(double probability) { return random_->unit() < probability; }
  template <class Range>
  auto pick(const Range& range) {
    return range[below(std::size(range))];
  }
  /// Between the two, short ones more often.
  Duration between(Duration from, Duration to) {
    const double low = std::log(static_cast<double>(from.count()));
    const double high = std::log(static_cast<double>(to.count()));
    return Duration(static_cast<std::int64_t>(std::exp(low + (high - low) * random_->unit())));
  }
  WallTime some_time() {
    return plan_.start + Duration(static_cast<std::int64_t>(
                             random_->below(static_cast<std::uint64_t>(kWeek.count()))));
  }
  Zone zone() { return static_cast<Zone>(below(3)); }

  // --- configuration

  Config first_config() {
    Config config;
    const bool failover = chance(0.4);
    for (const char* person : kPersons) {
      config.persons[person] = zone();
      ReceiverSpec receiver{person, {"phone"}, failover ? "last/sms" : "", false};
      if (chance(0.4)) receiver.channels.emplace_back("mail");
      config.receivers.push_back(std::move(receiver));
    }
    config.receivers.push_back({"chat", {"room"}, "", chance(0.2)});
    config.receivers.push_back({"ops", {"hook", "mail"}, "", false});
    config.receivers.push_back({"last", {"sms"}, "", false});
    for (const char* name : {"primary", "secondary"}) config.schedules.push_back(schedule(name));
    config.policies = {page("page"), page("page2"), office("office"), digest("daily")};
    config.by_severity = {chance(0.7) ? "daily" : "office", chance(0.6) ? "office" : "page2",
                          chance(0.5) ? "page2" : "page", "page"};
    if (chance(0.6)) config.intervals.push_back(interval());
    config.root = root(config);
    if (chance(0.5)) config.inhibits.push_back(inhibit());
    if (chance(0.5)) config.maintenances.push_back(maintenance("patches"));
    if (chance(0.3)) config.storm_incidents = 3 + below(4);
    if (chance(0.4)) config.resolve_hold = minutes(1 + below(5));
    return config;
  }

  /// The last one, and something is different.
  Config changed_config() {
    Config config = plan_.configs.back();
    for (std::size_t i = 1 + below(3); i > 0; --i) {
      switch (below(6)) {
        case 0:
          config.root.children.insert(config.root.children.begin(), child(config, 1));
          break;
        case 1:
          if (!config.root.children.empty()) {
            config.root.children.erase(
                config.root.children.begin() +
                static_cast<std::ptrdiff_t>(below(config.root.children.size())));
          }
          break;
        case 2:
          config.root.receiver = config.root.receiver == "ops" ? "chat" : "ops";
          break;
        case 3:
          config.policies[0] = page("page");
          break;
        case 4:
          std::reverse(config.schedules[0].persons.begin(), config.schedules[0].persons.end());
          break;
        default:
          if (config.inhibits.empty()) {
            config.inhibits.push_back(inhibit());
          } else {
            config.inhibits.clear();
          }
      }
    }
    return config;
  }

  ScheduleSpec schedule(const char* name) {
    ScheduleSpec schedule;
    schedule.name = name;
    schedule.zone = zone();
    for (const char* person : kPersons) schedule.persons.emplace_back(person);
    std::rotate(schedule.persons.begin(),
                schedule.persons.begin() + static_cast<std::ptrdiff_t>(below(4)),
                schedule.persons.end());
    constexpr std::array kRotations{hours(12), hours(24), hours(48), hours(24 * 7)};
    schedule.rotation = pick(kRotations);
    schedule.start =
        midnight(plan_.start) - hours(24 * (8 + static_cast<int>(below(30)))) + hours(below(24));
    if (chance(0.5)) {
      const WallTime begin = plan_.start + hours(below(150));
      schedule.over = OverrideSpec{name, pick(kPersons), begin, begin + hours(1 + below(40))};
    }
    schedule.notice = chance(0.5);
    return schedule;
  }

  std::string person_target() { return std::string("person:") + pick(kPersons); }

  PolicySpec page(const char* name) {
    PolicySpec policy;
    policy.name = name;
    policy.fallback = "ops";
    StepSpec first;
    if (chance(0.25)) first.after = minutes(1 + below(5));
    first.targets = {"schedule:primary"};
    if (chance(0.4)) first.targets.emplace_back("route");
    policy.steps.push_back(first);
    policy.steps.push_back({minutes(2 + below(15)), {"schedule:secondary"}, ""});
    if (chance(0.6)) policy.steps.push_back({minutes(2 + below(30)), {person_target()}, ""});
    policy.loops = static_cast<std::uint32_t>(below(4));
    policy.every = minutes(10 + below(40));
    if (chance(0.5)) policy.then = hours(1 + below(6));
    return policy;
  }

  PolicySpec office(const char* name) {
    PolicySpec policy;
    policy.name = name;
    policy.fallback = "ops";
    policy.zone = zone();
    policy.steps.push_back({Duration(0), {"route"}, ""});
    policy.steps.push_back({minutes(5 + below(60)), {"schedule:primary"}, "09:00-17:00"});
    if (chance(0.5)) policy.steps.push_back({hours(1 + below(4)), {person_target()}, ""});
    if (chance(0.5)) policy.then = hours(24);
    return policy;
  }

  PolicySpec digest(const char* name) {
    PolicySpec policy;
    policy.name = name;
    policy.zone = zone();
    policy.digest_hour = static_cast<int>(6 + below(6));
    policy.steps.push_back({Duration(0), {chance(0.5) ? "receiver:chat" : "route"}, ""});
    return policy;
  }

  IntervalSpec interval() {
    const int from = static_cast<int>(below(20));
    return {"quiet", zone(), from, from + 1 + static_cast<int>(below(4))};
  }

  InhibitSpec inhibit() {
    return {{{"alertname", "HostDown", true}},
            {{"alertname", chance(0.5) ? "HostDown" : "DiskFull", false},
             {"alertname", "HostDown", false}},
            {"host"}};
  }

  MaintenanceSpec maintenance(const char* name) {
    return {name,
            {{"host", pick(kHosts), true}},
            zone(),
            static_cast<int>(below(7)),
            static_cast<int>(below(24)),
            hours(1 + below(5))};
  }

  RouteSpec root(const Config& config) {
    RouteSpec route;
    route.name = "root";
    route.receiver = "ops";
    set_times(route);
    for (std::size_t i = 1 + below(4); i > 0; --i) route.children.push_back(child(config, 1));
    return route;
  }

  void set_times(RouteSpec& route) {
    const std::vector<std::vector<std::string>> kGroupings{
        {"alertname"}, {"alertname", "host"}, {"team"}, {"host"}};
    route.group_by = pick(kGroupings);
    route.group_wait = seconds(below(60));
    route.group_interval = seconds(30 + below(270));
  }

  RouteSpec child(const Config& config, int depth) {
    RouteSpec route;
    route.name = "route" + std::to_string(++routes_);
    route.receiver = chance(0.5) ? "chat" : "ops";
    set_times(route);
    switch (below(4)) {
      case 0:
        route.matchers = {{"team", pick(kTeams), true}};
        break;
      case 1:
        route.matchers = {{"alertname", pick(kNames), chance(0.7)}};
        break;
      case 2:
        route.matchers = {
            {"severity", std::string(model::to_string(pick(model::kSeverities))), chance(0.7)}};
        break;
      default:
        route.matchers = {{"host", pick(kHosts), true}, {"team", pick(kTeams), true}};
    }
    route.continues = chance(0.3);
    if (chance(0.3)) route.policy = chance(0.5) ? "page" : "page2";
    if (!config.intervals.empty() && chance(0.4)) route.mute = "quiet";
    if (depth < 2 && chance(0.4)) route.children.push_back(child(config, depth + 1));
    return route;
  }

  // --- what happens

  void add_life(LabelMap labels, WallTime condition, Duration lasts) {
    Life life;
    life.labels = std::move(labels);
    constexpr std::array kFors{seconds(0), seconds(60), seconds(300), seconds(900)};
    life.held_for = pick(kFors);
    life.fire = condition + life.held_for;
    life.end = std::min(life.fire + lasts, plan_.end);
    if (life.end <= life.fire) return;
    // One at a time of each label set, with some time between.
    for (const Life& other : plan_.lives) {
      if (other.labels == life.labels && other.fire < life.end + minutes(1) &&
          life.fire < other.end + minutes(1)) {
        return;
      }
    }
    life.severities[life.fire] = static_cast<Severity>(below(4));
    for (WallTime at = life.fire; chance(0.25);) {
      at += between(minutes(1), hours(5));
      if (at >= life.end) break;
      life.severities[at] = static_cast<Severity>(below(4));
    }
    plan_.lives.push_back(std::move(life));
  }

  LabelMap some_labels() {
    const char* host = pick(kHosts);
    return {{"alertname", chance(0.15) ? "HostDown" : pick(kNames)},
            {"host", host},
            {"team", (host[1] - '0') % 2 == 0 ? kTeams[0] : kTeams[1]}};
  }

  void make_lives() {
    for (std::size_t i = 50 + below(60); i > 0; --i) {
      add_life(some_labels(), some_time(), between(seconds(30), hours(14)));
    }
    for (std::size_t i = below(4); i > 0; --i) flap();
    for (std::size_t i = below(3); i > 0; --i) burst();
  }

  void flap() {
    const LabelMap labels = some_labels();
    WallTime at = some_time();
    for (std::size_t i = 4 + below(20); i > 0; --i) {
      const Duration on = seconds(20 + below(200));
      add_life(labels, at, on);
      at += on + minutes(1) + seconds(below(120));
    }
  }

  /// Everything at once.
  void burst() {
    const WallTime at = some_time();
    const Duration lasts = between(minutes(5), hours(3));
    for (const char* host : kHosts) {
      for (const char* name : kNames) {
        add_life({{"alertname", name},
                  {"host", host},
                  {"team", (host[1] - '0') % 2 == 0 ? kTeams[0] : kTeams[1]}},
                 at + seconds(below(60)), lasts + seconds(below(600)));
      }
    }
  }

  Event& add(Event::Kind kind) {
    Event event;
    event.at = some_time();
    event.kind = kind;
    event.pick = random_->next();
    plan_.events.push_back(std::move(event));
    return plan_.events.back();
  }

  Matchers some_matchers() {
    Matchers matchers;
    if (chance(0.5)) matchers.push_back({"host", pick(kHosts), true});
    if (matchers.empty() || chance(0.3)) matchers.push_back({"alertname", pick(kNames), true});
    return matchers;
  }

  void make_events() {
    for (std::size_t i = 3 + below(12); i > 0; --i) {
      Event& event = add(Event::Kind::Silence);
      event.matchers = some_matchers();
      event.length = between(minutes(5), hours(20));
      if (chance(0.4)) event.second = Duration(event.length.count() / 2);
    }
    for (std::size_t i = below(3); i > 0; --i) {
      Event& event = add(Event::Kind::Maintenance);
      event.matchers = some_matchers();
      event.length = between(minutes(10), hours(5));
    }
    for (std::size_t i = 0; i < plan_.configs.size() - 1; ++i) add(Event::Kind::Reload);
    for (std::size_t i = below(12); i > 0; --i) {
      add(Event::Kind::Crash).length = between(seconds(1), minutes(20));
    }
    for (std::size_t i = below(3); i > 0; --i) {
      add(Event::Kind::StoreFails).length = between(seconds(1), minutes(30));
    }
    for (std::size_t i = 20 + below(100); i > 0; --i) add(Event::Kind::Person);
    for (std::size_t i = below(3); i > 0; --i) {
      add(Event::Kind::Override).length = between(minutes(30), hours(24));
    }
    // In the order of their numbers.
    std::vector<WallTime> reloads;
    for (const Event& event : plan_.events) {
      if (event.kind == Event::Kind::Reload) reloads.push_back(event.at);
    }
    std::sort(reloads.begin(), reloads.end());
    std::size_t number = 0;
    for (Event& event : plan_.events) {
      if (event.kind != Event::Kind::Reload) continue;
      event.at = reloads[number++];
      event.pick = number;
    }
  }

  void make_faults() {
    std::vector<std::string> channels;
    for (const ReceiverSpec& receiver : plan_.configs.front().receivers) {
      for (const std::string& channel : receiver.channels) {
        channels.push_back(receiver.name + "/" + channel);
      }
    }
    for (std::size_t i = below(14); i > 0; --i) {
      Fault fault;
      fault.channel = pick(channels);
      fault.from = some_time();
      fault.to = std::min(fault.from + between(minutes(1), hours(10)), plan_.end);
      fault.mode = static_cast<Fault::Mode>(below(6));
      fault.delay = seconds(1 + below(30));
      if (fault.mode == Fault::Mode::Busy) fault.delay = seconds(5 + below(300));
      if (fault.mode == Fault::Mode::Refuses) fault.to = std::min(fault.to, fault.from + hours(1));
      plan_.faults.push_back(std::move(fault));
    }
  }

  std::unique_ptr<base::Random> random_;
  Plan plan_;
  int routes_ = 0;
};

}  // namespace

const PolicySpec* Config::policy(const std::string& name) const {
  const auto found = std::find_if(policies.begin(), policies.end(),
                                  [&](const PolicySpec& each) { return each.name == name; });
  return found == policies.end() ? nullptr : &*found;
}

const ReceiverSpec* Config::receiver(const std::string& name) const {
  const auto found = std::find_if(receivers.begin(), receivers.end(),
                                  [&](const ReceiverSpec& each) { return each.name == name; });
  return found == receivers.end() ? nullptr : &*found;
}

Severity Life::severity(WallTime at) const {
  const auto after = severities.upper_bound(at);
  return after == severities.begin() ? after->second : std::prev(after)->second;
}

Plan make_plan(std::uint64_t seed) {
  return Maker(seed).run();
}

}  // namespace tocsin::week
