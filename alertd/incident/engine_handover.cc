// Hand-over notices: whoever goes on call and whoever goes off is told, with what is open.
//
// The hand-over that was told last is kept for each schedule, so that a restart neither repeats nor
// loses a notice; one that is more than an hour late is not told any more.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"
#include "common/base/strings.h"

namespace tocsin::incident {

using base::WallTime;

namespace {

constexpr base::Duration kHorizon = std::chrono::hours(24 * 60);
constexpr base::Duration kTooLate = std::chrono::hours(1);
constexpr std::size_t kOpenShown = 20;

}  // namespace

/// Returns when the next hand-over of the schedule is that nobody was told of; nullopt: none soon.
std::optional<WallTime> Engine::next_handover(const oncall::Schedule& schedule) const {
  const auto told = handovers_.find(schedule.name);
  const WallTime from = now_ - kTooLate;
  const WallTime after = told == handovers_.end() ? from : std::max(from, told->second);
  return oncall::next_change(schedule, after, now_ + kHorizon);
}

void Engine::run_handovers() {
  if (handovers_looked_at_ && (!handovers_due_ || *handovers_due_ > now_)) return;
  handovers_looked_at_ = true;
  handovers_due_.reset();
  for (const auto& [name, schedule] : settings_.directory.schedules) {
    if (!schedule.notice) continue;
    auto at = next_handover(schedule);
    if (at && *at - *schedule.notice <= now_) {
      tell_handover(schedule, *at);
      handovers_[name] = *at;
      result_.change.records_upsert.push_back(
          {std::string(kHandoverKind), name, std::to_string(base::to_ms(*at))});
      at = next_handover(schedule);
    }
    if (!at) at = now_ + kHorizon / 2;
    const WallTime due = *at - *schedule.notice;
    handovers_due_ = std::min(handovers_due_.value_or(due), due);
  }
}

void Engine::tell_handover(const oncall::Schedule& schedule, WallTime at) {
  const oncall::OnCall before = oncall::who(schedule, at - base::Duration(1));
  const oncall::OnCall after = oncall::who(schedule, at);
  const auto until = oncall::next_change(schedule, at, at + kHorizon);
  const std::string begin = timezone::format_local(schedule.zone, at);
  const std::string end = until ? " until " + timezone::format_local(schedule.zone, *until) : "";
  const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& person : after.persons) {
    if (is_in(before.persons, person)) continue;
    tell_person(schedule, at, person,
                fmt::format("You are on call for '{}' from {}{}", schedule.name, begin, end));
  }
  for (const std::string& person : before.persons) {
    if (is_in(after.persons, person)) continue;
    tell_person(schedule, at, person,
                fmt::format("You go off call for '{}' at {}; then: {}", schedule.name, begin,
                            after.persons.empty() ? "nobody" : base::join(after.persons, ", ")));
  }
}

void Engine::tell_person(const oncall::Schedule& schedule, WallTime at, const std::string& name,
                         const std::string& text) {
  const auto person = settings_.directory.persons.find(name);
  if (person == settings_.directory.persons.end()) return;
  const auto receiver = settings_.receivers.find(person->second.receiver);
  if (receiver == settings_.receivers.end()) return;
  Notification message;
  message.incident.title = text;
  message.incident.severity = message.incident.peak_severity = model::Severity::Low;
  message.incident.opened_at = now_;
  message.incident.url_path = "/incidents";
  for (const Incident& incident : incidents_) {
    if (incident.resolved() || incident.merged_into != 0) continue;
    if (message.alerts.size() < kOpenShown) {
      message.alerts.push_back(digest_line(incident));
    } else {
      ++message.truncated_alerts;
    }
  }
  message.kind = NotificationKind::Update;
  message.reason = Reason::HandOver;
  message.sequence = static_cast<std::uint64_t>(base::to_ms(at));
  message.created_at = now_;
  message.receiver = person->second.receiver;
  message.group_key = fmt::format("handover:{}:{}", schedule.name, name);
  message.thread_key = message.group_key;
  for (const std::string& channel : receiver->second) {
    message.channel = channel;
    message.key =
        delivery_key(message.group_key, message.receiver, channel, message.kind, message.sequence);
    decided(Reason::HandOver, true);
    result_.change.outbox.push_back(message);
  }
}

}  // namespace tocsin::incident
