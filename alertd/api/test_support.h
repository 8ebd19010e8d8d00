// Fakes of everything the API stands on. Tests only.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "alertd/api/api.h"
#include "common/base/sim_executor.h"

namespace tocsin::api::test {

/// Series in memory: each a label set and its samples.
class FakeSource final : public model::SeriesSource {
 public:
  std::vector<std::pair<model::Labels, std::vector<model::Sample>>> series;

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits&) const override {
    auto set = std::make_unique<Set>();
    for (const auto& one : series) {
      const bool inside =
          std::any_of(one.second.begin(), one.second.end(), [&](const model::Sample& sample) {
            return sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms;
          });
      if (inside && model::matches_all(matchers, one.first)) set->found.push_back(one);
    }
    std::sort(set->found.begin(), set->found.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return std::unique_ptr<model::SeriesSet>(std::move(set));
  }
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override {
    std::set<std::string> values;
    for (const auto& one : series) {
      if (model::matches_all(matchers, one.first) && one.first.has(name)) {
        values.emplace(one.first.get(name));
      }
    }
    return std::vector<std::string>(values.begin(), values.end());
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override {
    std::set<std::string> names;
    for (const auto& one : series) {
      if (!model::matches_all(matchers, one.first)) continue;
      for (const model::LabelView label : one.first) names.emplace(label.name);
    }
    return std::vector<std::string>(names.begin(), names.end());
  }

 private:
  class Set final : public model::SeriesSet {
   public:
    std::vector<std::pair<model::Labels, std::vector<model::Sample>>> found;
    std::size_t size() const override { return found.size(); }
    const model::Labels& labels(std::size_t index) const override { return found[index].first; }
    base::Result<void> samples(std::size_t index, std::int64_t begin_ms, std::int64_t end_ms,
                               std::vector<model::Sample>& out) const override {
      for (const model::Sample& sample : found[index].second) {
        if (sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms) out.push_back(sample);
      }
      return base::ok();
    }
  };
};

/// Every view and command in one object that remembers what it was asked.
class FakeDaemon final : public RuleView,
                         public IncidentView,
                         public IncidentCommands,
                         public AgentDirectory,
                         public Reloader,
                         public TestSender,
                         public StatusView {
 public:
  std::vector<RuleGroupInfo> rule_groups;
  std::vector<IncidentInfo> incident_list;
  std::map<std::string, AgentInfo> agent_map;
  StatusInfo status_info;
  ServerInfo server_info;
  IncidentFilter filter;
  IncidentCommand command;
  IncidentAction action = IncidentAction::Note;
  std::string source;
  base::Error reload_error{base::ErrorCode::InvalidArgument, ""};

  std::vector<RuleGroupInfo> groups() const override { return rule_groups; }
  void list(IncidentFilter asked, Done<std::vector<IncidentInfo>> done) override {
    filter = std::move(asked);
    done(incident_list);
  }
  void find(std::string id, Done<IncidentInfo> done) override {
    for (const IncidentInfo& incident : incident_list) {
      if (incident.id == id) return done(incident);
    }
    done(base::error(base::ErrorCode::NotFound, "there is no incident '" + id + "'"));
  }
  void acknowledge(IncidentCommand given, Done<IncidentInfo> done) override {
    command = given;
    find(given.id, std::move(done));
  }
  void resolve(IncidentCommand given, Done<IncidentInfo> done) override {
    command = given;
    find(given.id, std::move(done));
  }
  void act(IncidentAction given, IncidentCommand with, Done<IncidentInfo> done) override {
    action = given;
    command = with;
    if (given == IncidentAction::Create && !incident_list.empty()) with.id = incident_list[0].id;
    find(with.id, std::move(done));
  }
  void list(Done<std::vector<AgentInfo>> done) override {
    std::vector<AgentInfo> agents;
    for (const auto& [name, agent] : agent_map) agents.push_back(agent);
    done(agents);
  }
  void add(AgentRequest request, Done<EnrolledAgent> done) override {
    if (agent_map.contains(request.name)) {
      return done(base::error(base::ErrorCode::InvalidArgument, "agent exists already"));
    }
    AgentInfo agent;
    agent.name = request.name;
    agent.labels = request.labels;
    agent_map[request.name] = agent;
    done(EnrolledAgent{agent, base::Secret("tk-secret")});
  }
  void remove(std::string name, std::string, Done<void> done) override {
    if (agent_map.erase(name) == 0) {
      return done(base::error(base::ErrorCode::NotFound, "there is no agent '" + name + "'"));
    }
    done(base::ok());
  }
  void reload(std::string given, Done<ReloadOutcome> done) override {
    source = std::move(given);
    if (!reload_error.message.empty()) return done(reload_error);
    done(ReloadOutcome{7, 12, {"w"}});
  }
  void send_test(std::string channel, std::string, Done<TestOutcome> done) override {
    if (channel != "mail") {
      return done(base::error(base::ErrorCode::NotFound, "there is no channel '" + channel + "'"));
    }
    done(TestOutcome{true, "250 queued", base::Duration{1500}});
  }
  StatusInfo status() const override { return status_info; }
  ServerInfo server() const override { return server_info; }
  std::string config_text() const override { return "\"a\": 1\n"; }
};

/// An API over the fakes; ask() runs one request to its end.
struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  FakeSource source;
  FakeDaemon daemon;
  model::MetadataTable metadata;
  std::unique_ptr<Api> api = make({});

  std::unique_ptr<Api> make(ApiOptions options) {
    return std::make_unique<Api>(
        std::move(options), ApiParts{clock,
                                     metrics,
                                     executor,
                                     source,
                                     daemon,
                                     daemon,
                                     daemon,
                                     daemon,
                                     daemon,
                                     daemon,
                                     daemon,
                                     [](const net::ServerRequest&, const net::Respond& respond) {
                                       respond({204, {}, "", ""});
                                     },
                                     [](const net::ServerRequest&, const net::Respond& respond) {
                                       respond({200, {}, "text/html", "page"});
                                     },
                                     {},
                                     nullptr,
                                     &metadata});
  }
  /// A request from this host.
  static net::ServerRequest request(std::string method, std::string path) {
    net::ServerRequest made;
    made.method = std::move(method);
    made.path = std::move(path);
    made.headers = {{"host", "127.0.0.1:9464"}};
    made.peer_address = "127.0.0.1";
    made.peer_is_loopback = true;
    return made;
  }
  static net::ServerRequest json(std::string path, std::string body) {
    net::ServerRequest made = request("POST", std::move(path));
    made.headers.emplace_back("content-type", "application/json");
    made.body = std::move(body);
    return made;
  }
  net::ServerResponse ask(net::ServerRequest request) {
    net::ServerResponse answer;
    answer.status = 0;
    api->handle(std::move(request),
                [&answer](net::ServerResponse response) { answer = std::move(response); });
    executor.run_ready();
    return answer;
  }
  net::ServerResponse get(std::string path, std::multimap<std::string, std::string> query = {}) {
    net::ServerRequest made = request("GET", std::move(path));
    made.query = std::move(query);
    return ask(std::move(made));
  }
};

}  // namespace tocsin::api::test
