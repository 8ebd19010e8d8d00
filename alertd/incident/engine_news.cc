// What people write about an incident, and what stakeholders hear: news, reminders that an update
// was promised, maintenance.
//
// News is in plain words (news_text.h) and leaves through the same outbox as everything else, but
// never to pagers. What an audience heard last is in the incident's review, so that a restart
// neither repeats nor forgets it: what is automatic follows from the incident's state, not from
// the moment.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

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

/// Automatic words of the same incident leave an audience in peace for so long.
constexpr base::Duration kAutomaticPause = std::chrono::minutes(5);
constexpr std::size_t kAuditTextMax = 200;
constexpr std::size_t kHostNameMin = 3;  ///< Shorter ones are words of the language too.

/// Returns what the audience heard last; nullptr: nothing yet.
const News* last_news(const Review* review, const std::string& audience) {
  if (!review) return nullptr;
  for (auto news = review->news.rbegin(); news != review->news.rend(); ++news) {
    const auto& told = news->audiences;
    if (std::find(told.begin(), told.end(), audience) != told.end()) return &*news;
  }
  return nullptr;
}

std::optional<base::Duration> cadence_of(const Audience& audience, const Incident& incident) {
  return audience.cadence[static_cast<std::size_t>(incident.peak_severity)];
}

KeptRecord maintenance_told_record(const std::string& name, const MaintenanceTold& told) {
  const json::object object{{"stage", to_string(told.stage)},
                            {"begin", base::to_ms(told.window.starts_at)},
                            {"end", base::to_ms(told.window.ends_at)}};
  return {std::string(kMaintenanceNewsKind), name, json::serialize(object)};
}

std::set<std::string> services_of(const Dependencies& dependencies, const Incident& incident) {
  std::set<std::string> services = dependencies.services_of(incident.group_labels);
  services.insert(incident.services.begin(), incident.services.end());
  return services;
}

/// Words for outsiders must not name machines: they mean nothing to them, and something to others.
Result<void> check_no_internals(const AlertSet& alerts, const std::string& text) {
  const std::string lower = base::to_lower(text);
  for (const std::vector<model::Alert>* list : {&alerts.firing, &alerts.resolved}) {
    for (const model::Alert& alert : *list) {
      for (const std::string& name : ScopeLabels().host) {
        const std::string_view value = alert.labels.get(name);
        const std::string host = base::to_lower(value.substr(0, value.rfind(':')));
        if (host.size() < kHostNameMin || lower.find(host) == std::string::npos) continue;
        return base::error(ErrorCode::InvalidArgument,
                           fmt::format("the news names the host '{}': stakeholders read it; say "
                                       "what it means for them",
                                       host));
      }
    }
  }
  return base::ok();
}

}  // namespace

std::string audit_text(const Command& command) {
  if (command.kind == Command::Kind::News) {
    const std::vector<std::string>& to = command.news.audiences;
    return fmt::format("{} to {}: {}", to_string(command.news.state),
                       to.empty() ? "all whom it concerns" : base::join(to, ", "),
                       command.news.text);
  }
  if (command.kind != Command::Kind::Report) return command.comment;
  std::vector<std::string> parts;
  const ReviewEdit& edit = command.review;
  for (const auto& [name, text] : edit.fields) {
    parts.push_back(fmt::format("{}: {}", name, clipped(text, kAuditTextMax)));
  }
  if (edit.new_action) {
    parts.push_back("action item: " + clipped(edit.new_action->text, kAuditTextMax));
  }
  if (edit.action != 0) {
    parts.push_back(fmt::format("action item {} {}", edit.action, edit.done ? "done" : "changed"));
  }
  return base::join(parts, "; ");
}

Result<MaintenanceTold> maintenance_told_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "news of a maintenance"));
  FieldReader reader(object);
  MaintenanceTold told;
  told.stage = reader.word("stage", parse_maintenance_stage);
  told.window.starts_at = reader.time("begin");
  told.window.ends_at = reader.time("end");
  TC_TRY(reader.finish("news of a maintenance"));
  return told;
}

Review Engine::review_of(std::int64_t number) const {
  const auto found = reviews_.find(number);
  if (found != reviews_.end()) return *found->second;
  Review review;
  review.incident = number;
  return review;
}

void Engine::put_review(Review review) {
  result_.change.records_upsert.push_back(review_record(review));
  const std::int64_t number = review.incident;
  reviews_[number] = std::make_shared<const Review>(std::move(review));
}

/// The number of an incident that exists or existed: its report may be written long afterwards.
std::optional<std::int64_t> Engine::known_number(const std::string& id) const {
  if (!id.starts_with("T-")) return std::nullopt;
  const auto number = base::parse_i64(std::string_view(id).substr(2));
  if (!number || *number <= 0 || *number > last_number_) return std::nullopt;
  return Incident::incident_id(*number) == id ? number : std::nullopt;
}

Result<IncidentRecord> Engine::edit_review(const Command& command) {
  const auto number = known_number(command.incident_id);
  if (!number) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no incident '{}'", command.incident_id));
  }
  Review review = review_of(*number);
  TC_TRY(const std::int64_t item, apply_edit(review, command.review, command.actor, now_));
  put_review(std::move(review));
  if (Incident* incident = find(command.incident_id)) {
    add_event(*incident, now_, "report", command.actor, audit_text(command), result_.change.events);
    changed_.insert(incident->number);
  }
  IncidentRecord record;
  record.number = *number;
  record.id = item == 0 ? command.incident_id : action_id(*number, item);
  return record;
}

std::vector<const Audience*> Engine::audiences_of(const Incident& incident) const {
  std::vector<const Audience*> audiences;
  const Communication& communication = *settings_.communication;
  if (communication.audiences.empty() || incident.storm || incident.merged_into != 0 ||
      incident.group_labels.get("drill") == "true") {
    return audiences;
  }
  const auto severity = static_cast<std::size_t>(incident.peak_severity);
  const bool anybody =
      std::any_of(communication.audiences.begin(), communication.audiences.end(),
                  [severity](const auto& each) { return each.severities[severity]; });
  if (!anybody) return audiences;  // most incidents end here, in each step
  const std::set<std::string> services = services_of(settings_.dependencies, incident);
  for (const Audience& each : communication.audiences) {
    if (concerns(each, communication, services, incident.group_labels, incident.peak_severity)) {
      audiences.push_back(&each);
    }
  }
  return audiences;
}

Result<IncidentRecord> Engine::tell_news(const Command& command) {
  Incident* incident = find(command.incident_id);
  if (!incident) {
    return base::error(ErrorCode::NotFound, fmt::format("there is no open incident '{}'; the news "
                                                        "of one that is long over is its report",
                                                        command.incident_id));
  }
  News news = command.news;
  if (news.text.size() > kReviewTextMax) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("the news is {} bytes, limit {}",
                                                             news.text.size(), kReviewTextMax));
  }
  TC_TRY(check_no_internals(alerts_of(*incident), news.text));
  const Communication& communication = *settings_.communication;
  std::vector<const Audience*> audiences;
  for (const std::string& name : news.audiences) {
    const Audience* audience = communication.find(name);
    if (!audience) {
      return base::error(ErrorCode::NotFound, fmt::format("there is no audience '{}'", name));
    }
    audiences.push_back(audience);
  }
  news.everybody = audiences.empty();
  if (news.everybody) audiences = audiences_of(*incident);
  if (audiences.empty()) {
    return base::error(
        ErrorCode::InvalidArgument,
        fmt::format(
            "no [[audience]] is concerned by {}: its [[service]]s are {}", incident->id(), [&] {
              const auto names = services_of(settings_.dependencies, *incident);
              return names.empty()
                         ? std::string("none")
                         : base::join(std::vector<std::string>(names.begin(), names.end()), ", ");
            }()));
  }
  if (review_of(incident->number).news.size() >= kNewsMax) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("an incident has at most {} pieces of news", kNewsMax));
  }
  news.by = command.actor;
  write_news(*incident, std::move(news), audiences);
  return incident_record(*incident);
}

void Engine::write_news(Incident& incident, News news,
                        const std::vector<const Audience*>& audiences) {
  const Communication& communication = *settings_.communication;
  NewsFacts facts;
  for (const std::string& name : services_of(settings_.dependencies, incident)) {
    const auto service = communication.services.find(name);
    if (service != communication.services.end()) facts.services.push_back(&service->second);
  }
  facts.state = news.state;
  facts.severity = incident.peak_severity;
  facts.since = incident.opened_at;
  facts.now = now_;
  facts.text = news.text;
  facts.status_url = communication.status_url;
  news.at = now_;
  news.audiences.clear();
  Notification message;
  message.incident.id = incident.id();
  message.incident.opened_at = incident.opened_at;
  if (news.state == NewsState::Resolved) message.incident.state = IncidentState::Resolved;
  for (const Audience* audience : audiences) {
    const auto cadence = cadence_of(*audience, incident);
    facts.next_update.reset();
    if (cadence && news.state != NewsState::Resolved) facts.next_update = now_ + *cadence;
    if (facts.next_update) {
      news.next_update =
          std::min(news.next_update.value_or(*facts.next_update), *facts.next_update);
    }
    message.thread_key = base::sha256_hex("news:" + audience->name + ":" + incident.id());
    message.thread_key.resize(16);
    tell_audience(*audience, news_words(*audience, facts), message);
    news.audiences.push_back(audience->name);
  }
  add_event(incident, now_, "news", news.by,
            fmt::format("{} to {}{}{}", to_string(news.state), base::join(news.audiences, ", "),
                        news.text.empty() ? "" : ": ", news.text),
            result_.change.events);
  changed_.insert(incident.number);
  Review review = review_of(incident.number);
  review.news.push_back(std::move(news));
  review.updated_at = now_;
  put_review(std::move(review));
}

void Engine::tell_audience(const Audience& audience, NewsWords words, Notification message) {
  message.kind = NotificationKind::News;
  message.reason = Reason::News;
  message.incident.title = std::move(words.title);
  message.incident.severity = message.incident.peak_severity = model::Severity::Low;
  message.words = std::move(words.text);
  message.group_key = "news:" + audience.name;
  message.created_at = now_;
  const std::vector<Address> addresses = addresses_.in_order(audience.addresses);
  decided(addresses.empty() ? Reason::NoChannel : Reason::News, !addresses.empty());
  for (const Address& address : addresses) {
    // Of one step each has its own: two audiences may share a receiver.
    message.sequence = static_cast<std::uint64_t>(base::to_ms(now_)) + result_.change.outbox.size();
    message.receiver = address.receiver;
    message.channel = address.channel;
    message.key = delivery_key(message.incident.id + message.group_key, address.receiver,
                               address.channel, message.kind, message.sequence);
    result_.change.outbox.push_back(message);
  }
}

/// What an automatic audience should hear now; nullopt: nothing.
std::optional<NewsState> Engine::automatic_news(const Incident& incident,
                                                const Audience& audience) const {
  if (!audience.automatic) return std::nullopt;
  const auto review = reviews_.find(incident.number);
  const News* last =
      last_news(review == reviews_.end() ? nullptr : review->second.get(), audience.name);
  const bool told_end = !last || last->state == NewsState::Resolved;
  if (incident.resolved()) {
    return told_end ? std::nullopt : std::optional(NewsState::Resolved);
  }
  if (!told_end || incident.held_for != 0 || suppressed(incident)) return std::nullopt;
  if (last && last->at + kAutomaticPause > now_) return std::nullopt;
  return NewsState::Investigating;
}

void Engine::inform_stakeholders(Incident& incident) {
  const std::vector<const Audience*> concerned = audiences_of(incident);
  if (concerned.empty()) return;
  for (const NewsState state : {NewsState::Investigating, NewsState::Resolved}) {
    std::vector<const Audience*> audiences;
    for (const Audience* each : concerned) {
      if (automatic_news(incident, *each) == state) audiences.push_back(each);
    }
    if (audiences.empty() || review_of(incident.number).news.size() >= kNewsMax) continue;
    News news;
    news.state = state;
    write_news(incident, std::move(news), audiences);
  }
  remind_of_news(incident);
}

/// When somebody must be reminded, or automatic words may leave again.
std::optional<WallTime> Engine::news_due(const Incident& incident) const {
  if (incident.resolved() || suppressed(incident)) return std::nullopt;
  const auto found = reviews_.find(incident.number);
  const Review* review = found == reviews_.end() ? nullptr : found->second.get();
  std::optional<WallTime> due;
  for (const Audience* each : audiences_of(incident)) {
    const News* last = last_news(review, each->name);
    if (each->automatic && last && last->state == NewsState::Resolved) {
      const WallTime again = last->at + kAutomaticPause;
      if (again > now_) due = std::min(due.value_or(again), again);
    }
    const auto cadence = cadence_of(*each, incident);
    if (!cadence) continue;
    WallTime from = last ? last->at : incident.opened_at;
    if (review && review->reminded_at) from = std::max(from, *review->reminded_at);
    due = std::min(due.value_or(from + *cadence), from + *cadence);
  }
  return due;
}

/// Whoever works on it promised an update by being silent about it.
void Engine::remind_of_news(Incident& incident) {
  const auto due = news_due(incident);
  if (!due || *due > now_) return;
  Review review = review_of(incident.number);
  review.reminded_at = now_;
  put_review(std::move(review));
  Addresses addresses;
  const auto owner = settings_.directory.persons.find(std::string(incident.owner));
  if (owner != settings_.directory.persons.end()) {
    const auto receiver = settings_.receivers.find(owner->second.receiver);
    if (receiver != settings_.receivers.end()) {
      for (const std::string& channel : receiver->second) {
        addresses.insert(Address{receiver->first, channel});
      }
    }
  }
  if (addresses.empty()) addresses = told(incident);
  if (addresses.empty()) addresses = route_addresses(incident);
  add_event(incident, now_, "news_due", "", "stakeholders wait for an update",
            result_.change.events);
  notify(incident, update_message(incident, Reason::NewsDue), addresses);
}

void Engine::run_maintenance_news() {
  if (maintenance_looked_at_ && (!maintenance_due_ || *maintenance_due_ > now_)) return;
  maintenance_looked_at_ = true;
  maintenance_due_.reset();
  std::optional<base::Duration> lead;
  for (const Audience& each : settings_.communication->audiences) {
    if (each.maintenance) lead = std::max(lead.value_or(base::Duration{0}), *each.maintenance);
  }
  if (!lead) return;
  const auto consider = [this](WallTime at) {
    if (at > now_) maintenance_due_ = std::min(maintenance_due_.value_or(at), at);
  };
  const auto& all = pipeline_.maintenances().all();
  for (const auto& [name, maintenance] : all) {
    const auto found = maintenance_told_.find(name);
    const bool began =
        found != maintenance_told_.end() && found->second.stage == MaintenanceStage::Started;
    if (const auto open = routing::window_at(maintenance, now_)) {
      if (!began) tell_maintenance(maintenance, MaintenanceStage::Started, *open);
      consider(open->ends_at);
      continue;
    }
    if (began) {
      tell_maintenance(maintenance, MaintenanceStage::Ended, found->second.window);
    }
    const auto next = routing::next_window(maintenance, now_);
    if (!next) continue;
    const auto told = maintenance_told_.find(name);
    const bool announced = told != maintenance_told_.end() &&
                           told->second.stage == MaintenanceStage::Announced &&
                           told->second.window == *next;
    if (!announced && next->starts_at - *lead <= now_) {
      tell_maintenance(maintenance, MaintenanceStage::Announced, *next);
    }
    consider(next->starts_at - *lead);
    consider(next->starts_at);
  }
  std::erase_if(maintenance_told_, [&](const auto& each) {
    if (all.contains(each.first)) return false;
    result_.change.records_delete.push_back({std::string(kMaintenanceNewsKind), each.first});
    return true;
  });
}

void Engine::tell_maintenance(const routing::Maintenance& maintenance, MaintenanceStage stage,
                              const routing::Window& window) {
  const Communication& communication = *settings_.communication;
  for (const Audience& audience : communication.audiences) {
    if (!audience.maintenance) continue;
    std::vector<const Service*> services;
    for (const auto& [name, service] : communication.services) {
      if (!audience.services.empty() && !audience.services.contains(name)) continue;
      if (is_about(maintenance, name)) services.push_back(&service);
    }
    if (services.empty()) continue;
    Notification message;
    message.incident.opened_at = window.starts_at;
    if (stage == MaintenanceStage::Ended) message.incident.state = IncidentState::Resolved;
    message.thread_key =
        base::sha256_hex("maintenance:" + audience.name + ":" + maintenance.name).substr(0, 16);
    tell_audience(audience,
                  maintenance_words(audience, services, stage, window.starts_at, window.ends_at,
                                    communication.status_url),
                  message);
  }
  maintenance_told_[maintenance.name] = {stage, window};
  result_.change.records_upsert.push_back(
      maintenance_told_record(maintenance.name, maintenance_told_[maintenance.name]));
}

}  // namespace tocsin::incident
