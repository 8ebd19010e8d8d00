#include "alertd/incident/incident_table.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "alertd/incident/step_looks.h"

namespace tocsin::incident {
namespace {

Incident incident_of(std::int64_t number, std::string group_key) {
  Incident incident;
  incident.number = number;
  incident.group_key = std::move(group_key);
  return incident;
}

std::vector<std::int64_t> numbers_of(const IncidentTable& table) {
  std::vector<std::int64_t> numbers;
  for (const Incident& incident : table) numbers.push_back(incident.number);
  return numbers;
}

std::vector<std::int64_t> looks_of(StepLooks& looks) {
  std::vector<std::int64_t> numbers;
  while (const auto number = looks.next()) numbers.push_back(*number);
  return numbers;
}

}  // namespace

TEST_CASE("incidents come back in order of number, whatever the order they were added in") {
  IncidentTable table;
  for (const std::int64_t number : {1005, 1001, 1003}) table.add(incident_of(number, "g"));
  CHECK(numbers_of(table) == std::vector<std::int64_t>{1001, 1003, 1005});
  CHECK(table.rbegin()->number == 1005);
  CHECK(table.find(1003)->number == 1003);
  CHECK(table.find(1002) == nullptr);
  CHECK(table.find(1000) == nullptr);
  CHECK(table.find(5000) == nullptr);
  CHECK(table.of_group("g")->number == 1005);
  table.erase(1003);
  table.erase(1004);
  CHECK(numbers_of(table) == std::vector<std::int64_t>{1001, 1005});
  CHECK(table.size() == 2);
  table.add(incident_of(1003, "h"));
  CHECK(numbers_of(table) == std::vector<std::int64_t>{1001, 1003, 1005});
}

TEST_CASE("a group's current incident is its newest one, and nobody's once that is erased") {
  IncidentTable table;
  table.add(incident_of(1, "a"));
  table.add(incident_of(2, "b"));
  Incident& current = table.add(incident_of(3, "a"));
  CHECK(table.of_group("a") == &current);
  table.erase(1);
  CHECK(table.of_group("a") == &current);
  table.erase(3);
  CHECK(table.of_group("a") == nullptr);
  CHECK(table.of_group("b")->number == 2);
  CHECK(table.of_group("c") == nullptr);
}

TEST_CASE("many incidents that come and go at random are found as a map finds them") {
  std::mt19937_64 random(7);
  IncidentTable table;
  std::map<std::int64_t, std::string> numbers;
  std::map<std::string, std::int64_t> groups;
  for (std::int64_t number = 1; number <= 5000; ++number) {
    const std::string group = "group " + std::to_string(random() % 600);
    table.add(incident_of(number, group));
    numbers[number] = group;
    groups[group] = number;
    while (numbers.size() > 300) {
      const auto gone = std::next(numbers.begin(), static_cast<std::ptrdiff_t>(random() % 300));
      if (groups[gone->second] == gone->first) groups.erase(gone->second);
      table.erase(gone->first);
      numbers.erase(gone);
    }
  }
  REQUIRE(table.size() == numbers.size());
  auto expected = numbers.begin();
  for (const Incident& incident : table) CHECK(incident.number == (expected++)->first);
  for (auto each = table.rbegin(); each != table.rend(); ++each) {
    CHECK(each->number == (--expected)->first);
  }
  for (int i = 0; i < 600; ++i) {
    const std::string group = "group " + std::to_string(i);
    const Incident* current = table.of_group(group);
    CHECK((current ? current->number : 0) == (groups.contains(group) ? groups[group] : 0));
  }
}

TEST_CASE("a step looks at what was gathered in order, each once") {
  StepLooks looks;
  for (const std::int64_t number : {5, 3, 5, 3, 9}) looks.add(number);
  CHECK(looks_of(looks) == std::vector<std::int64_t>{3, 5, 9});
  CHECK(looks.seen() == std::vector<std::int64_t>{3, 5, 9});
}

TEST_CASE("what a look leads to comes in its place, and not for ever") {
  StepLooks looks;
  looks.add(3);
  looks.add(7);
  CHECK(looks.next() == 3);
  looks.add(5);  // new: comes before 7
  looks.add(7);  // waits already
  CHECK(looks.next() == 5);
  looks.add(3);
  CHECK(looks.next() == 3);
  looks.add(3);
  looks.add(3);
  CHECK(looks.next() == 3);
  looks.add(3);  // the fourth time
  CHECK(looks.next() == 7);
  CHECK(!looks.next());
  CHECK(looks.seen() == std::vector<std::int64_t>{3, 5, 7});
  CHECK(looks.has_seen(5));
  CHECK(!looks.has_seen(4));
  looks.clear();
  CHECK(!looks.next());
}

}  // namespace tocsin::incident
