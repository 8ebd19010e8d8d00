#include "alertd/incident/scope.h"

#include <doctest/doctest.h>

#include "alertd/incident/dependency.h"

namespace tocsin::incident {
namespace {

using base::WallTime;

WallTime minute(int number) {
  return base::wall_time(1'700'000'000'000 + number * 60'000);
}

model::Alert alert(model::Labels labels, int began) {
  model::Alert made;
  made.labels = std::move(labels);
  made.starts_at = minute(began);
  return made;
}

TEST_CASE("scope: hosts, services, growth and the share of the fleet") {
  const std::vector<model::Alert> firing{
      alert({{"alertname", "Slow"}, {"host", "web2"}, {"service", "shop"}, {"env", "prod"}}, 5),
      alert({{"alertname", "Slow"}, {"host", "web1"}, {"service", "shop"}, {"env", "prod"}}, 0),
      alert({{"alertname", "Slow"}, {"instance", "db1"}, {"job", "postgres"}}, 55)};
  const Scope scope = measure(firing, {}, 30, minute(60));
  CHECK(scope.alerts == 3);
  CHECK(scope.hosts.count == 3);
  CHECK(scope.hosts.only.empty());
  CHECK(scope.services.count == 2);
  CHECK(scope.environments.count == 1);
  CHECK(scope.environments.only == "prod");
  CHECK(scope.recent == 1);
  CHECK(scope.fleet_share == doctest::Approx(0.1));
  CHECK(describe(scope, 30) == "3 hosts (10 % of 30), 2 services, prod; 1 more within 10m");
}

TEST_CASE("scope: nothing fires, no place is named, more hosts than the fleet has") {
  CHECK(describe(measure({}, {}, 0, minute(0)), 0) == "0 alerts");
  const std::vector<model::Alert> nameless{alert({{"alertname", "Odd"}}, 0)};
  const Scope odd = measure(nameless, {}, 0, minute(60));
  CHECK(describe(odd, 0) == "1 alert");
  CHECK_FALSE(odd.fleet_share);
  const std::vector<model::Alert> two{alert({{"host", "a"}}, 0), alert({{"host", "b"}}, 0)};
  CHECK(measure(two, {}, 1, minute(60)).fleet_share == doctest::Approx(1.0));
  std::vector<model::Alert> many;
  for (int i = 0; i < 200; ++i) many.push_back(alert({{"host", "h" + std::to_string(i % 100)}}, 0));
  CHECK(measure(many, {}, 0, minute(60)).hosts.count == 100);
}

Dependencies shop() {
  Dependencies dependencies;
  dependencies.add({"web", {"postgres", "redis"}, {}});
  dependencies.add({"postgres", {"storage"}, {}});
  return dependencies;
}

TEST_CASE("dependencies: what a service needs, over how many steps") {
  const Dependencies dependencies = shop();
  const auto needs = dependencies.needs_of({"web"});
  CHECK(needs.size() == 3);
  CHECK(needs.at("postgres") == 1);
  CHECK(needs.at("storage") == 2);
  CHECK(dependencies.needs_of({"storage"}).empty());
  CHECK(dependencies.services_of(model::Labels{{"job", "postgres"}}) ==
        std::set<std::string>{"postgres"});
  CHECK(dependencies.services_of(model::Labels{{"job", "mail"}}).empty());
}

TEST_CASE("dependencies: the root is the farthest down, then the first") {
  const Dependencies dependencies = shop();
  const std::vector<Suspect> suspects{{1, {"redis"}, minute(0)},
                                      {2, {"postgres"}, minute(1)},
                                      {3, {"storage"}, minute(2)},
                                      {4, {"mail"}, minute(0)}};
  CHECK(probable_root(dependencies, {"web"}, suspects) == 3);
  CHECK(probable_root(dependencies, {"web"}, std::span(suspects).first(2)) == 1);
  CHECK(probable_root(dependencies, {"storage"}, suspects) == 0);
  CHECK(probable_root(dependencies, {}, suspects) == 0);
}

TEST_CASE("dependencies: matchers say which alerts belong to a service") {
  Dependencies dependencies;
  dependencies.add({"network",
                    {},
                    {model::Matcher::make(model::MatchOp::Regex, "alertname", "Link.*").value()}});
  dependencies.add({"web", {"network"}, {}});
  CHECK(dependencies.services_of(model::Labels{{"alertname", "LinkDown"}}) ==
        std::set<std::string>{"network"});
  CHECK(dependencies.services_of(model::Labels{{"service", "network"}}).empty());
}

}  // namespace
}  // namespace tocsin::incident
