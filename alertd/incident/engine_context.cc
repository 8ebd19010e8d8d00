// What surrounds an incident when it opens: scope, probable root, recent changes, related
// incidents; storms, in which many incidents are told as one; what is kept beside incidents.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <functional>
#include <tuple>

#include "alertd/incident/engine.h"
#include "alertd/incident/json_values.h"
#include "alertd/incident/record_codec.h"
#include "alertd/incident/scope.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

constexpr std::size_t kLookedAt = 300;  // incidents that may be the root or related, newest first
constexpr std::size_t kRelatedMax = 10;
constexpr std::size_t kTitlesMax = 3;  // of related incidents; the others are named by their ids
constexpr std::size_t kTextMax = 1000;
constexpr base::Duration kRelatedWindow = std::chrono::minutes(30);

/// Labels by which two incidents are related.
constexpr std::array<std::string_view, 6> kSharedLabels{"host",    "instance", "service",
                                                        "cluster", "job",      "database"};

/// Calls `visit` with the hash of each label by which the incident is related to others.
template <class Visit>
void for_shared_labels(const Incident& incident, const Visit& visit) {
  for (const std::string_view name : kSharedLabels) {
    const std::string_view value = incident.group_labels.get(name);
    if (!value.empty()) visit(base::hash64(value, base::hash64(name)));
  }
}

KeptRecord override_record(const oncall::Override& over) {
  json::array persons;
  for (const std::string& person : over.persons) persons.emplace_back(person);
  const json::object object{{"schedule", over.schedule},
                            {"persons", std::move(persons)},
                            {"begin", base::to_ms(over.begin)},
                            {"end", base::to_ms(over.end)},
                            {"by", over.by},
                            {"comment", over.comment}};
  return {std::string(kOverrideKind), over.id, json::serialize(object)};
}

Result<oncall::Override> override_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "override"));
  FieldReader reader(object);
  oncall::Override over;
  over.id = record.key;
  over.schedule = reader.string("schedule");
  over.begin = reader.time("begin");
  over.end = reader.time("end");
  over.by = reader.string("by");
  over.comment = reader.string("comment");
  if (const json::array* persons = reader.array("persons")) {
    for (const json::value& person : *persons) {
      if (const json::string* name = person.if_string()) over.persons.emplace_back(*name);
    }
  }
  TC_TRY(reader.finish("override"));
  return over;
}

std::string storm_title(const IncidentSettings& settings, const Incident& storm,
                        std::size_t parts) {
  return fmt::format("Storm: more than {} incidents within {} at {}, {} of them here",
                     settings.storm_incidents, base::format_duration(settings.storm_window),
                     storm.receiver, parts);
}

/// Returns "T-1044: disk full; T-1043: slow; T-1042: down; T-1041; T-1040".
std::string list_of(const std::vector<std::int64_t>& numbers, const IncidentTable& incidents) {
  std::string text;
  std::size_t titles = 0;
  for (const std::int64_t number : numbers) {
    if (!text.empty()) text += "; ";
    text += Incident::incident_id(number);
    if (++titles <= kTitlesMax) text.append(": ").append(incidents.find(number)->title);
  }
  return text;
}

}  // namespace

void Engine::look_around(Incident& incident, const std::vector<model::Alert>& firing) {
  for (const model::Alert& alert : firing) {
    incident.services.merge(settings_.dependencies.services_of(alert.labels));
    if (incident.services.size() > 20) break;
  }
  const auto say = [&](const char* kind, std::string text) {
    add_event(incident, now_, kind, "", std::move(text), result_.change.events);
  };
  const Scope scope = measure(firing, usual_labels(), settings_.fleet_hosts, now_);
  say("scope", describe(scope, settings_.fleet_hosts));
  find_related(incident);
  if (!incident.related.empty()) say("related", list_of(incident.related, incidents_));
  find_root(incident);
  if (incident.root != 0) {
    const Incident& root = incidents_.at(incident.root);
    say("probable_root", fmt::format("{}: {}", root.id(), root.title));
  }
  for (const Change& change : changes_) {
    if (change.at + settings_.change_window < now_ || change.at > now_) continue;
    const bool concerns =
        change.service.empty() || incident.services.contains(change.service) ||
        std::any_of(firing.begin(), firing.end(), [&](const auto& alert) {
          return first_label(alert.labels, usual_labels().service) == change.service;
        });
    if (!concerns) continue;
    say("recent_change",
        fmt::format("{} before: {}", base::format_duration(now_ - change.at), change.describe()));
  }
}

void Engine::find_related(Incident& incident) {
  std::vector<std::int64_t>& found = incident.related;
  found.clear();
  for_shared_labels(incident, [&](std::uint64_t label) {
    const auto sharing = by_label_.find(label);
    if (sharing == by_label_.end()) return;
    std::size_t looked = 0;
    for (auto each = sharing->second.rbegin();
         each != sharing->second.rend() && looked < kLookedAt && found.size() < kRelatedMax;
         ++each, ++looked) {
      const Incident& other = incidents_.at(*each);
      if (other.opened_at + kRelatedWindow < now_) break;
      if (other.resolved() || other.number == incident.number) continue;
      if (std::find(found.begin(), found.end(), other.number) == found.end()) {
        found.push_back(other.number);
      }
    }
  });
  std::sort(found.begin(), found.end(), std::greater<>());
}

void Engine::find_root(Incident& incident) {
  if (incident.services.empty()) return;
  std::vector<Suspect> suspects;
  std::size_t looked = 0;
  for (auto each = incidents_.rbegin(); each != incidents_.rend() && looked < kLookedAt;
       ++each, ++looked) {
    const Incident& other = *each;
    if (other.number == incident.number || other.resolved() || other.services.empty()) continue;
    suspects.push_back({other.number, other.services, other.opened_at});
  }
  incident.root = probable_root(settings_.dependencies, incident.services, suspects);
}

void Engine::remember_labels(const Incident& incident) {
  for_shared_labels(incident, [&](std::uint64_t label) {
    std::vector<std::int64_t>& sharing = by_label_[label];
    const auto place = std::lower_bound(sharing.begin(), sharing.end(), incident.number);
    if (place == sharing.end() || *place != incident.number) sharing.insert(place, incident.number);
    // Twice as many as are looked at, so that it is cut seldom.
    if (sharing.size() > 2 * kLookedAt) sharing.erase(sharing.begin(), sharing.end() - kLookedAt);
  });
}

/// The incident goes out of memory.
void Engine::forget(std::int64_t number) {
  const Incident* incident = incidents_.find(number);
  if (!incident) return;
  for_shared_labels(*incident, [&](std::uint64_t label) {
    const auto sharing = by_label_.find(label);
    if (sharing == by_label_.end()) return;
    std::erase(sharing->second, number);
    if (sharing->second.empty()) by_label_.erase(sharing);
  });
  incidents_.erase(number);
  plan(number);
}

/// Returns whether the incident waits for its root: nobody is told of it before that is over.
bool Engine::hold_for_root(Incident& incident) {
  if (!settings_.hold_dependents || incident.root == 0) return false;
  if (incident.severity == model::Severity::Critical) return false;
  incident.held_for = incident.root;
  decided(incident, Reason::Dependency, false);
  add_event(incident, now_, "held", "",
            "waits for " + Incident::incident_id(incident.root) + ", on which it depends",
            result_.change.events);
  return true;
}

void Engine::release_held(Incident& incident) {
  const Incident* root = incidents_.find(incident.held_for);
  if (root && !root->resolved()) return;
  if (suppressed(incident)) return;
  incident.held_for = 0;
  changed_.insert(incident.number);
  if (!alive(incident)) return;
  Message message = update_message(incident, Reason::StillFiring);
  message.kind = NotificationKind::Firing;
  tell_begin(incident, std::move(message));
}

/// Returns whether the incident that opens is told as a part of a storm.
bool Engine::join_storm(Incident& incident) {
  if (settings_.storm_incidents == 0) return false;
  const std::string receiver(incident.receiver);
  std::deque<WallTime>& recent = openings_[receiver];
  recent.push_back(now_);
  while (recent.front() + settings_.storm_window <= now_) recent.pop_front();
  if (recent.size() > settings_.storm_incidents + 1) recent.pop_front();
  if (recent.size() <= settings_.storm_incidents) return false;
  if (incident.severity == model::Severity::Critical) return false;
  decided(Reason::Storm, false);
  const auto known = storms_.find(receiver);
  Incident* running = known == storms_.end() ? nullptr : incidents_.find(known->second);
  if (running && !running->resolved()) {
    Incident& storm = *running;
    merge(incident, storm, "");
    write_down(incident, Reason::Storm, false);
    if (!storm.storm_update_at) storm.storm_update_at = now_ + settings_.storm_window;
    if (incident.severity > storm.severity) storm.storm_update_at = now_;
    return true;
  }
  Incident& storm = add_manual("", incident.severity, receiver);
  storm.storm = true;
  storms_[receiver] = storm.number;
  merge(incident, storm, "");
  write_down(incident, Reason::Storm, false);
  storm.title = storm_title(settings_, storm, parts_.at(storm.number).size());
  add_event(storm, now_, "opened", "", std::string(storm.title), result_.change.events);
  Message message = update_message(storm, Reason::Storm);
  message.kind = NotificationKind::Firing;
  tell_begin(storm, std::move(message));
  return true;
}

void Engine::run_storm(Incident& storm) {
  if (!has_open_parts(storm)) {
    changed_.insert(storm.number);
    if (resolve(storm, now_, "", "all its incidents are over", result_.change.events)) {
      tell_resolved(storm, Reason::AllResolved, alerts_of(storm));
    }
    return;
  }
  if (!storm.storm_update_at || *storm.storm_update_at > now_) return;
  storm.storm_update_at.reset();
  storm.title = storm_title(settings_, storm, parts_.at(storm.number).size());
  set_severity(storm, with_parts(storm, storm.severity), now_, result_.change.events);
  tell_update(storm, update_message(storm, Reason::Storm));
}

Result<IncidentRecord> Engine::add_change(const Command& command) {
  Change change = command.change;
  for (const std::string* text :
       {&change.service, &change.version, &change.author, &change.link, &change.text}) {
    if (text->size() <= kTextMax) continue;
    return base::error(
        ErrorCode::LimitExceeded,
        fmt::format("a text of the change is {} bytes, limit {}", text->size(), kTextMax));
  }
  if (change.at == WallTime()) change.at = now_;
  if (change.author.empty()) change.author = command.actor;
  change.id = fmt::format("C-{}-{}", base::to_ms(now_), ++changes_added_);
  result_.change.records_upsert.push_back(change_record(change));
  changes_.push_back(change);
  while (!changes_.empty() &&
         (changes_.size() > kChangesMax || changes_.front().at + kChangesKept < now_)) {
    result_.change.records_delete.push_back({std::string(kChangeKind), changes_.front().id});
    changes_.pop_front();
  }
  IncidentRecord reply;
  reply.id = change.id;
  return reply;
}

Result<IncidentRecord> Engine::put_override(const Command& command) {
  oncall::Override over = command.over;
  const auto schedule = settings_.directory.schedules.find(over.schedule);
  if (schedule == settings_.directory.schedules.end()) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no schedule '{}'", over.schedule));
  }
  if (over.persons.empty()) return base::error(ErrorCode::InvalidArgument, "the person is missing");
  for (const std::string& person : over.persons) {
    if (settings_.directory.persons.contains(person)) continue;
    return base::error(ErrorCode::NotFound, fmt::format("there is no person '{}'", person));
  }
  if (over.end <= over.begin || over.end <= now_) {
    return base::error(ErrorCode::InvalidArgument,
                       "the override ends before it begins, or is over");
  }
  over.by = command.actor;
  over.comment = command.comment;
  if (over.id.empty()) over.id = fmt::format("O-{}-{}", base::to_ms(now_), overrides_.size() + 1);
  std::erase_if(overrides_, [&](const oncall::Override& each) {
    if (each.id != over.id && each.end > now_ - std::chrono::hours(24)) return false;
    if (each.id != over.id) {
      result_.change.records_delete.push_back({std::string(kOverrideKind), each.id});
    }
    settings_.directory.remove_override(each.schedule, each.id);
    return true;
  });
  result_.change.records_upsert.push_back(override_record(over));
  overrides_.push_back(over);
  settings_.directory.put_override(over);
  handovers_looked_at_ = false;
  IncidentRecord reply;
  reply.id = over.id;
  return reply;
}

Result<IncidentRecord> Engine::remove_override(const Command& command) {
  const auto found =
      std::find_if(overrides_.begin(), overrides_.end(),
                   [&](const oncall::Override& each) { return each.id == command.target; });
  if (found == overrides_.end()) {
    return base::error(
        ErrorCode::NotFound,
        fmt::format("there is no override '{}'; those of the configuration stay", command.target));
  }
  settings_.directory.remove_override(found->schedule, found->id);
  result_.change.records_delete.push_back({std::string(kOverrideKind), found->id});
  IncidentRecord reply;
  reply.id = found->id;
  handovers_looked_at_ = false;
  overrides_.erase(found);
  return reply;
}

void Engine::restore_kept(const LoadedState& state, std::vector<base::Error>& errors) {
  for (const KeptRecord& record : state.records) {
    if (record.kind == kChangeKind) {
      auto change = change_from_record(record);
      if (change) {
        changes_.push_back(std::move(*change));
      } else {
        errors.push_back(change.error());
      }
    } else if (record.kind == kHandoverKind) {
      if (const auto at = base::parse_i64(record.body))
        handovers_[record.key] = base::wall_time(*at);
    } else if (record.kind == kReviewKind) {
      auto review = review_from_record(record);
      if (review) {
        const std::int64_t number = review->incident;
        reviews_[number] = std::make_shared<const Review>(std::move(*review));
      } else {
        errors.push_back(review.error());
      }
    } else if (record.kind == kMaintenanceNewsKind) {
      auto told = maintenance_told_from_record(record);
      if (told) {
        maintenance_told_[record.key] = *told;
      } else {
        errors.push_back(told.error());
      }
    } else if (record.kind == kOverrideKind) {
      auto over = override_from_record(record);
      if (over) {
        overrides_.push_back(std::move(*over));
      } else {
        errors.push_back(over.error());
      }
    }
  }
  std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) {
    return std::tie(a.at, a.id) < std::tie(b.at, b.id);
  });
  for (const oncall::Override& over : overrides_) settings_.directory.put_override(over);
  for (const Incident& incident : incidents_) {
    if (incident.storm && !incident.resolved())
      storms_[std::string(incident.receiver)] = incident.number;
    remember_labels(incident);
  }
}

}  // namespace tocsin::incident
