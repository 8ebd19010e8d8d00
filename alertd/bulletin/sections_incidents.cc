// What fired and what people did about it.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "alertd/bulletin/sections.h"
#include "common/base/strings.h"

namespace tocsin::bulletin {
namespace {

constexpr std::size_t kShownMax = 100;
constexpr std::size_t kPlacesMax = 5;
constexpr base::Duration kBrief = std::chrono::minutes(5);
constexpr std::size_t kNoisyMin = 3;  ///< Incidents of a rule; fewer say nothing.
constexpr base::Duration kAcknowledgeCritical = std::chrono::minutes(15);

bool within(const IncidentFact& incident, const Builder& builder) {
  return incident.opened_at >= builder.from() && incident.opened_at < builder.to();
}

bool open_at_end(const IncidentFact& incident, const Builder& builder) {
  return incident.opened_at < builder.to() &&
         (!incident.resolved_at || *incident.resolved_at >= builder.to());
}

double seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Verdict of_severity(model::Severity severity) {
  return severity >= model::Severity::High ? Verdict::Bad : Verdict::Attention;
}

std::vector<const IncidentFact*> newest_first(const Builder& builder) {
  std::vector<const IncidentFact*> list;
  for (const IncidentFact& incident : builder.input().incidents) {
    if (within(incident, builder) || open_at_end(incident, builder)) list.push_back(&incident);
  }
  std::sort(list.begin(), list.end(), [](const IncidentFact* a, const IncidentFact* b) {
    return std::pair(b->opened_at, b->id) < std::pair(a->opened_at, a->id);
  });
  return list;
}

void note_missing(const Builder& builder, Section& section) {
  const std::string& missing = builder.input().incidents_missing;
  if (!missing.empty()) section.notes.push_back(missing);
}

struct Tally {
  std::size_t incidents = 0;
  std::size_t never_acknowledged = 0;  ///< Over, and nobody said that he works on it.
  std::size_t brief = 0;               ///< Over by itself at once.
  std::size_t reopened = 0;
  std::vector<double> acknowledge;
  std::vector<double> resolve;

  void add(const IncidentFact& incident) {
    ++incidents;
    if (incident.to_acknowledge) acknowledge.push_back(seconds(*incident.to_acknowledge));
    if (incident.reopened > 0) ++reopened;
    if (!incident.resolved_at) return;
    const base::Duration took = *incident.resolved_at - incident.opened_at;
    resolve.push_back(seconds(took));
    if (!incident.to_acknowledge) ++never_acknowledged;
    if (!incident.by_person && took < kBrief) ++brief;
  }
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? NAN : sum / static_cast<double>(values.size());
}

}  // namespace

Section incidents_section(const Builder& builder) {
  Section section{"incidents", "Incidents"};
  note_missing(builder, section);
  Grid grid{"", {"Incident", "Severity", "What", "Opened", "Acknowledged after", "Lasted"}};
  std::size_t open = 0;
  const auto list = newest_first(builder);
  for (const IncidentFact* incident : list) {
    const bool still = open_at_end(*incident, builder);
    if (still) ++open;
    if (grid.rows.size() == kShownMax) continue;
    const base::WallTime end = still ? builder.to() : *incident->resolved_at;
    const Verdict verdict = still ? of_severity(incident->severity) : Verdict::Plain;
    Cell lasted = number(seconds(end - incident->opened_at), Unit::Seconds, verdict);
    if (still) lasted.text += ", open";
    grid.rows.push_back(
        {words(incident->id), words(std::string(model::to_string(incident->severity))),
         words(incident->title), words(timezone::format_local(builder.zone(), incident->opened_at)),
         incident->to_acknowledge ? number(seconds(*incident->to_acknowledge), Unit::Seconds)
                                  : words(incident->acknowledged ? "yes" : "not"),
         std::move(lasted)});
  }
  if (list.size() > kShownMax) {
    section.notes.push_back(fmt::format("the newest {} of {} are shown", kShownMax, list.size()));
  }
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{}, {} open at the end", counted(list.size(), "incident", "incidents"), open),
        "");
  if (list.empty()) {
    // The daemon keeps every incident: none there is none. That rules run and hosts are heard is
    // proven by other sections.
    section.verdict = Verdict::Good;
    section.finding = "no incident was open in this time";
  }
  if (!builder.input().incidents_missing.empty()) {
    section.verdict = worse(section.verdict, Verdict::NoEvidence);
  }
  return section;
}

Section firing_section(const Builder& builder) {
  Section section{"firing", "Firing at the end of the period"};
  struct Firing {
    std::size_t label_sets = 0;
    std::set<std::string> places;
  };
  std::map<std::string, Firing> alerts;
  for (const Reading& one : builder.now(section, "ALERTS{alertstate=\"firing\"}")) {
    Firing& firing = alerts[std::string(one.labels.get(model::kAlertName))];
    ++firing.label_sets;
    if (firing.places.size() < kPlacesMax) firing.places.insert(where(one.labels));
  }
  // How bad each is stands with its incident: severity is no part of an alert's labels.
  Grid grid{"", {"Alert", "Where", "Label sets"}};
  for (const auto& [name, firing] : alerts) {
    const std::vector<std::string> places(firing.places.begin(), firing.places.end());
    grid.rows.push_back(
        {words(name), words(base::join(places, ", ")),
         number(static_cast<double>(firing.label_sets), Unit::Count, Verdict::Attention)});
  }
  section.grids.push_back(std::move(grid));
  judge(section, counted(alerts.size(), "alert fires", "alerts fire"), "");
  if (!alerts.empty()) return section;
  // That nothing fires means something only if rules were evaluated.
  const auto rules =
      builder.now(section, "sum(increase(tocsin_alertd_rule_group_iterations_total[15m])) > 0");
  section.verdict = rules.empty() ? Verdict::NoEvidence : Verdict::Good;
  section.finding = rules.empty()
                        ? "nothing fires, but nothing shows that rules were evaluated"
                        : "nothing fires; rules were evaluated within the last 15 minutes";
  return section;
}

Section noise_section(const Builder& builder) {
  Section section{"noise", "Rules that make noise"};
  note_missing(builder, section);
  std::map<std::string, Tally> rules;
  std::size_t incidents = 0;
  for (const IncidentFact& incident : builder.input().incidents) {
    if (!within(incident, builder)) continue;
    ++incidents;
    for (const std::string& rule : incident.rules) rules[rule].add(incident);
  }
  Grid grid{
      "", {"Rule", "Incidents", "Over by themselves in 5 min", "Never acknowledged", "Came back"}};
  for (const auto& [rule, tally] : rules) {
    const bool noisy =
        tally.incidents >= kNoisyMin &&
        (tally.brief * 2 > tally.incidents || tally.never_acknowledged * 2 > tally.incidents ||
         tally.reopened * 2 > tally.incidents);
    const auto cell = [](std::size_t count) {
      return number(static_cast<double>(count), Unit::Count);
    };
    Cell first = words(rule, noisy ? Verdict::Attention : Verdict::Plain);
    grid.rows.push_back({std::move(first), cell(tally.incidents), cell(tally.brief),
                         cell(tally.never_acknowledged), cell(tally.reopened)});
  }
  std::stable_sort(grid.rows.begin(), grid.rows.end(),
                   [](const auto& a, const auto& b) { return *a[1].number > *b[1].number; });
  const auto noisy = static_cast<std::size_t>(
      std::count_if(grid.rows.begin(), grid.rows.end(),
                    [](const auto& row) { return row[0].verdict == Verdict::Attention; }));
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{} of {}: most of their incidents needed nobody", noisy,
                    counted(rules.size(), "rule", "rules")),
        "");
  if (incidents == 0) {
    section.verdict = Verdict::Good;
    section.finding = "no incident was opened in this time";
  }
  return section;
}

Section response_section(const Builder& builder) {
  Section section{"response", "Times to acknowledge and to resolve"};
  note_missing(builder, section);
  std::map<model::Severity, Tally, std::greater<>> tallies;
  std::size_t incidents = 0;
  for (const IncidentFact& incident : builder.input().incidents) {
    if (!within(incident, builder)) continue;
    tallies[incident.severity].add(incident);
    ++incidents;
  }
  Grid grid{"",
            {"Severity", "Incidents", "Mean time to acknowledge", "Mean time to resolve",
             "Never acknowledged"}};
  for (const auto& [severity, tally] : tallies) {
    const double acknowledge = mean(tally.acknowledge);
    const bool late =
        severity == model::Severity::Critical && acknowledge > seconds(kAcknowledgeCritical);
    const bool never = severity == model::Severity::Critical && tally.never_acknowledged > 0;
    grid.rows.push_back(
        {words(std::string(model::to_string(severity))),
         number(static_cast<double>(tally.incidents), Unit::Count),
         number(acknowledge, Unit::Seconds, late ? Verdict::Attention : Verdict::Plain),
         number(mean(tally.resolve), Unit::Seconds),
         number(static_cast<double>(tally.never_acknowledged), Unit::Count,
                never ? Verdict::Attention : Verdict::Plain)});
  }
  section.grids.push_back(std::move(grid));
  judge(section, counted(incidents, "incident was opened", "incidents were opened"), "");
  if (incidents == 0) {
    section.verdict = Verdict::Good;
    section.finding = "no incident was opened in this time";
  }
  return section;
}

}  // namespace tocsin::bulletin
