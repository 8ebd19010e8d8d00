#include "alertd/story/story.h"

#include <fmt/format.h>

#include "alertd/incident/record_codec.h"
#include "alertd/story/cause.h"
#include "alertd/story/desk.h"
#include "alertd/story/timeline.h"
#include "common/base/strings.h"

namespace tocsin::story {

using base::WallTime;

namespace {

DecisionLine line_of(const incident::DecisionRecord& row, bool of_group) {
  return {row.at, row.sent, row.reason, row.text, row.incident_id, of_group};
}

/// Both kinds in the order in which they were decided; of one moment: the alert's own first.
std::vector<DecisionLine> in_order(const Evidence& evidence) {
  std::vector<DecisionLine> lines;
  auto group = evidence.of_groups.begin();
  for (const incident::DecisionRecord& row : evidence.own) {
    for (; group != evidence.of_groups.end() && group->at < row.at; ++group) {
      lines.push_back(line_of(*group, true));
    }
    lines.push_back(line_of(row, false));
  }
  for (; group != evidence.of_groups.end(); ++group) lines.push_back(line_of(*group, true));
  return lines;
}

GroupStory story_of(const routing::Explanation::InGroup& group) {
  GroupStory story;
  story.key = group.group_key;
  story.route = group.route;
  story.receiver = group.receiver;
  story.exists = group.exists;
  story.firing = group.firing;
  story.resolved = group.resolved;
  story.timing = group.timing;
  story.told_at = group.told_at;
  story.next_turn = group.next_turn;
  story.muted = routing::describe(group.mute);
  return story;
}

std::string escalation_text(const incident::Incident& incident) {
  if (!incident.escalation || incident.resolved()) return {};
  const incident::Escalation& escalation = *incident.escalation;
  std::string text = fmt::format("policy '{}', {}", escalation.policy.name, escalation.position());
  if (escalation.due) text += ", next at " + time_text(*escalation.due);
  for (const incident::Waiting& each : escalation.waiting) {
    text += fmt::format(", {} at {}", each.person, time_text(each.at));
  }
  return text;
}

IncidentStory story_of(const incident::IncidentDetail& detail, bool past) {
  IncidentStory story;
  story.id = detail.incident.id;
  story.title = detail.incident.title;
  story.state = replay(detail.timeline).state;
  if (!past) {
    const auto full = incident::incident_from_record(detail.incident);
    if (full) story.escalation = escalation_text(*full);
  }
  for (const incident::TimelineEvent& event : detail.timeline) {
    story.timeline.push_back({event.at, event.kind, event.actor, event.text});
  }
  return story;
}

AttemptStory story_of(const incident::AttemptRecord& attempt, bool last_of_pending) {
  AttemptStory story;
  story.attempt = attempt.attempt;
  story.started_at = attempt.started_at;
  story.outcome = attempt.finished_at ? attempt.outcome : last_of_pending ? "under way" : "unknown";
  story.reply = attempt.text;
  return story;
}

DeliveryStory story_of(const Delivery& delivery, bool past) {
  const incident::OutboxRow& row = delivery.record.row;
  const incident::Notification& message = row.notification;
  DeliveryStory story;
  story.incident_id = message.incident.id;
  story.receiver = message.receiver;
  story.channel = message.channel;
  story.kind = incident::to_string(message.kind);
  story.reason = routing::describe(message.reason);
  story.state = incident::to_string(row.state);
  story.note = row.note.empty() ? message.note : row.note;
  story.created_at = message.created_at;
  const bool pending = row.state == incident::DeliveryState::Pending;
  if (pending && !past) story.next_attempt = row.due;
  const auto& attempts = delivery.record.attempts;
  for (const incident::AttemptRecord& attempt : attempts) {
    story.attempts.push_back(story_of(attempt, pending && &attempt == &attempts.back()));
  }
  story.names_alert = delivery.names_alert;
  return story;
}

RuleStory story_of(const RuleSight& rule) {
  std::string text;
  switch (rule.state) {
    case RuleSight::State::Firing:
      text = "firing";
      break;
    case RuleSight::State::Pending:
      text = "pending";
      if (rule.since) {
        text += fmt::format(" since {}, `for` is {}", time_text(*rule.since),
                            base::format_duration(rule.hold));
      }
      break;
    case RuleSight::State::Inactive:
      text = "its condition does not hold";
      break;
    case RuleSight::State::NoData:
      text = "no data: " + rule.detail;
      break;
    case RuleSight::State::Failing:
      text = "cannot be evaluated: " + rule.detail;
      break;
    case RuleSight::State::Waiting:
      text = "not evaluated yet";
      break;
  }
  if (rule.evaluated_at) text += ", last evaluated at " + time_text(*rule.evaluated_at);
  return {rule.name, rule.source, std::move(text)};
}

/// Returns "firing", "resolved", "pending" or "unknown", of now.
std::string state_of(const Evidence& evidence) {
  if (evidence.alert) return evidence.firing ? "firing" : "resolved";
  for (const RuleSight& rule : evidence.rules) {
    if (rule.state == RuleSight::State::Pending) return "pending";
  }
  return evidence.own.empty() ? "unknown" : "resolved";
}

}  // namespace

Story write_story(const Evidence& evidence) {
  Story story;
  const Cause cause = find_cause(evidence);
  story.verdict = cause.text;
  story.called = cause.called;
  story.at = evidence.at;
  story.past = evidence.past;
  story.labels = evidence.labels;
  story.fingerprint = evidence.fingerprint;
  story.state = state_of(evidence);
  if (evidence.past) {
    story.notes.emplace_back(
        "decisions, incidents and deliveries are those of the time asked about; routes, groups, "
        "what hides the alert and its state are those of now");
  }
  if (evidence.standing_by) {
    story.notes.emplace_back(
        "this daemon stands by: another one decides, and knows what holds now");
  }
  story.walk = evidence.routing.walk;
  for (const auto& group : evidence.routing.groups) story.groups.push_back(story_of(group));
  story.suppressed_by = evidence.routing.suppressed_by;
  for (const auto& detail : evidence.incidents) {
    story.incidents.push_back(story_of(detail, evidence.past));
  }
  for (const Delivery& delivery : evidence.deliveries) {
    story.deliveries.push_back(story_of(delivery, evidence.past));
  }
  story.decisions = in_order(evidence);
  for (const RuleSight& rule : evidence.rules) story.rules.push_back(story_of(rule));
  return story;
}

}  // namespace tocsin::story
