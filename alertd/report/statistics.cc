#include "alertd/report/statistics.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <set>

namespace tocsin::report {
namespace {

namespace json = boost::json;

constexpr std::size_t kEnough = 3;  ///< Fewer incidents say nothing about a rule.
constexpr std::string_view kByHand = "(by hand)";

void add(const Report& report, const StatisticsSettings& settings, Tally& tally) {
  ++tally.incidents;
  tally.pages += report.counts.pages;
  if (report.reopened > 0) ++tally.flapping;
  tally.to_acknowledge.add(report.to_acknowledge());
  tally.to_resolve.add(report.to_resolve());
  const auto length = report.to_resolve();
  if (!length) return;
  ++tally.resolved;
  if (report.acknowledged_at) return;
  ++tally.never_acknowledged;
  if (report.resolved_by.empty() && *length <= settings.brief) ++tally.brief;
}

std::set<std::string> rules_of(const Report& report) {
  std::set<std::string> rules;
  for (const ReportAlert& alert : report.alerts) rules.insert(alert.name);
  if (rules.empty()) rules.emplace(kByHand);
  return rules;
}

/// Receiver -> person; a receiver of several persons is nobody's own.
std::map<std::string, const oncall::Person*> owners_of(const oncall::Directory& directory) {
  std::map<std::string, const oncall::Person*> owners;
  const auto own = [&owners](const std::string& receiver, const oncall::Person& person) {
    if (receiver.empty()) return;
    const auto [at, fresh] = owners.emplace(receiver, &person);
    if (!fresh && at->second != &person) at->second = nullptr;
  };
  for (const auto& [name, person] : directory.persons) {
    own(person.receiver, person);
    own(person.important_receiver, person);
  }
  return owners;
}

json::value seconds_json(const Mean& mean) {
  const auto value = mean.value();
  return value ? json::value(static_cast<double>(value->count()) / 1000.0) : json::value(nullptr);
}

json::object tally_json(const Tally& tally) {
  const auto share = [&tally](std::size_t count) {
    if (tally.resolved == 0) return json::value(nullptr);
    return json::value(static_cast<double>(count) / static_cast<double>(tally.resolved));
  };
  return {{"incidents", tally.incidents},
          {"resolved", tally.resolved},
          {"pages", tally.pages},
          {"neverAcknowledged", tally.never_acknowledged},
          {"neverAcknowledgedShare", share(tally.never_acknowledged)},
          {"overByItselfSoon", tally.brief},
          {"flapping", tally.flapping},
          {"mttaSeconds", seconds_json(tally.to_acknowledge)},
          {"mttrSeconds", seconds_json(tally.to_resolve)}};
}

}  // namespace

Statistics count_statistics(const std::vector<Report>& reports, const oncall::Directory& persons,
                            const StatisticsSettings& settings) {
  Statistics statistics;
  const auto owners = owners_of(persons);
  for (const Report& report : reports) {
    add(report, settings, statistics.all);
    add(report, settings, statistics.by_severity[report.peak]);
    for (const std::string& rule : rules_of(report)) {
      add(report, settings, statistics.by_rule[rule]);
    }
    for (const NoiseVerdict& verdict : report.noise) {
      if (verdict.by_person) statistics.judged.try_emplace(verdict.rule, verdict.verdict);
    }
    for (const ReportDelivery& each : report.deliveries) {
      const bool page = each.kind == "firing" || each.kind == "update" || each.kind == "reopened";
      if (!page || each.state != "delivered") continue;
      const std::string receiver = each.channel.substr(0, each.channel.find('/'));
      const auto owner = owners.find(receiver);
      const oncall::Person* person = owner == owners.end() ? nullptr : owner->second;
      PersonTally& tally = statistics.by_person[person ? person->name : receiver];
      ++tally.pages;
      const timezone::Zone& zone = person ? person->zone : settings.zone;
      if (!timezone::covers(settings.hours, zone, each.at)) ++tally.out_of_hours;
    }
  }
  return statistics;
}

std::string verdict_of(const Tally& rule) {
  if (rule.resolved < kEnough) return "too few to say";
  if (rule.brief * 2 >= rule.resolved) {
    return fmt::format("noisy: {} of {} over by themselves soon, with nobody on it", rule.brief,
                       rule.resolved);
  }
  if (rule.flapping * 2 >= rule.incidents) {
    return fmt::format("flaps: {} of {} opened again", rule.flapping, rule.incidents);
  }
  if (rule.never_acknowledged * 2 >= rule.resolved) {
    return fmt::format("ignored: {} of {} never acknowledged", rule.never_acknowledged,
                       rule.resolved);
  }
  return "useful";
}

std::string json_statistics(const Statistics& statistics, base::WallTime from, base::WallTime to,
                            bool truncated) {
  json::object severities;
  for (const auto& [severity, tally] : statistics.by_severity) {
    severities[model::to_string(severity)] = tally_json(tally);
  }
  json::array rules;
  for (const auto& [rule, tally] : statistics.by_rule) {
    json::object object = tally_json(tally);
    object["rule"] = rule;
    object["verdict"] = verdict_of(tally);
    const auto judged = statistics.judged.find(rule);
    if (judged != statistics.judged.end()) object["judged"] = judged->second;
    rules.push_back(std::move(object));
  }
  json::array persons;
  for (const auto& [person, tally] : statistics.by_person) {
    persons.push_back(json::object{
        {"person", person}, {"pages", tally.pages}, {"outOfHours", tally.out_of_hours}});
  }
  return json::serialize(json::object{{"from", base::format_rfc3339(from)},
                                      {"to", base::format_rfc3339(to)},
                                      {"truncated", truncated},
                                      {"all", tally_json(statistics.all)},
                                      {"severities", std::move(severities)},
                                      {"rules", std::move(rules)},
                                      {"persons", std::move(persons)}});
}

}  // namespace tocsin::report
