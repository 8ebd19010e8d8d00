#include "alertd/api/explain_handlers.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "alertd/routing/matcher_text.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kLabelsBytesMax = 16 << 10;
constexpr std::size_t kNameBytesMax = 64;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

std::string time_text(base::WallTime time) {
  return base::format_rfc3339(time);
}

json::value time_json(const std::optional<base::WallTime>& time) {
  return time ? json::value(time_text(*time)) : json::value(nullptr);
}

// ---- the answer

json::object step_json(const routing::RouteStep& step) {
  json::array matchers;
  for (const routing::MatcherVerdict& one : step.matchers) {
    matchers.push_back(json::object{
        {"matcher", clean(one.matcher)}, {"value", clean(one.value)}, {"matched", one.matched}});
  }
  return {{"route", clean(step.route)},
          {"depth", step.depth},
          {"matched", step.matched},
          {"matchers", std::move(matchers)}};
}

json::object group_json(const story::GroupStory& group) {
  return {{"key", clean(group.key)},
          {"route", clean(group.route)},
          {"receiver", clean(group.receiver)},
          {"exists", group.exists},
          {"firing", group.firing},
          {"resolved", group.resolved},
          {"groupWait", base::format_duration(group.timing.group_wait)},
          {"groupInterval", base::format_duration(group.timing.group_interval)},
          {"repeatInterval", base::format_duration(group.timing.repeat_interval)},
          {"toldAt", time_json(group.told_at)},
          {"nextTurn", time_json(group.next_turn)},
          {"muted", clean(group.muted)}};
}

json::object incident_json(const story::IncidentStory& incident) {
  json::array timeline;
  for (const story::EventLine& event : incident.timeline) {
    timeline.push_back(json::object{{"at", time_text(event.at)},
                                    {"kind", event.kind},
                                    {"actor", clean(event.actor)},
                                    {"text", clean(event.text)}});
  }
  return {{"id", incident.id},
          {"title", clean(incident.title)},
          {"state", incident.state},
          {"escalation", clean(incident.escalation)},
          {"timeline", std::move(timeline)}};
}

json::object delivery_json(const story::DeliveryStory& delivery) {
  json::array attempts;
  for (const story::AttemptStory& one : delivery.attempts) {
    attempts.push_back(json::object{{"attempt", one.attempt},
                                    {"startedAt", time_text(one.started_at)},
                                    {"outcome", one.outcome},
                                    {"reply", clean(one.reply)}});
  }
  return {{"incident", delivery.incident_id},
          {"receiver", clean(delivery.receiver)},
          {"channel", clean(delivery.channel)},
          {"kind", delivery.kind},
          {"reason", delivery.reason},
          {"state", delivery.state},
          {"note", clean(delivery.note)},
          {"createdAt", time_text(delivery.created_at)},
          {"nextAttempt", time_json(delivery.next_attempt)},
          {"namesAlert", delivery.names_alert},
          {"attempts", std::move(attempts)}};
}

json::object decision_json(const story::DecisionLine& line) {
  return {{"at", time_text(line.at)},     {"sent", line.sent},
          {"reason", line.reason},        {"text", clean(line.text)},
          {"incident", line.incident_id}, {"of", line.of_group ? "group" : "alert"}};
}

json::object rule_json(const story::RuleStory& rule) {
  return {{"name", clean(rule.name)}, {"source", clean(rule.source)}, {"text", clean(rule.text)}};
}

template <class Items, class ToJson>
json::array array_of(const Items& items, ToJson to_json) {
  json::array array;
  for (const auto& item : items) array.push_back(to_json(item));
  return array;
}

json::object story_json(const story::Story& story) {
  json::array notes;
  for (const std::string& note : story.notes) notes.emplace_back(clean(note));
  return {{"verdict", clean(story.verdict)},
          {"called", story.called},
          {"at", time_text(story.at)},
          {"past", story.past},
          {"labels", labels_json(story.labels)},
          {"fingerprint", story.fingerprint},
          {"state", story.state},
          {"notes", std::move(notes)},
          {"walk", array_of(story.walk, step_json)},
          {"groups", array_of(story.groups, group_json)},
          {"suppressedBy", clean(story.suppressed_by)},
          {"incidents", array_of(story.incidents, incident_json)},
          {"deliveries", array_of(story.deliveries, delivery_json)},
          {"decisions", array_of(story.decisions, decision_json)},
          {"rules", array_of(story.rules, rule_json)},
          {"nearest", array_of(story.nearest, labels_json)}};
}

// ---- the question

base::Result<model::Labels> labels_of_json(const json::value& value) {
  model::LabelsBuilder labels;
  if (!value.is_object()) return bad("parameter 'labels' is no JSON object");
  for (const auto& [name, text] : value.get_object()) {
    if (!text.is_string()) {
      return bad(fmt::format("parameter 'labels': '{}' must be a text", std::string_view(name)));
    }
    labels.set(std::string(name), std::string(text.get_string()));
  }
  return labels.build();
}

base::Result<model::Labels> read_labels(std::string_view text) {
  if (text.size() > kLabelsBytesMax) {
    return bad(
        fmt::format("parameter 'labels' is {} bytes, limit {}", text.size(), kLabelsBytesMax));
  }
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (!error) return labels_of_json(value);
  const auto matchers = routing::parse_matchers(text);
  if (!matchers) return bad("parameter 'labels': " + matchers.error().message);
  model::LabelsBuilder labels;
  for (const model::Matcher& matcher : *matchers) {
    if (matcher.op() != model::MatchOp::Equal) {
      return bad(fmt::format("parameter 'labels': {} names no one alert; write {}=\"...\"",
                             clean(matcher.to_string()), clean(matcher.name())));
    }
    labels.set(matcher.name(), matcher.value());
  }
  return labels.build();
}

base::Result<story::Question> read_question(const net::ServerRequest& request) {
  story::Question question;
  const std::string_view labels = request.parameter("labels");
  question.fingerprint = request.parameter("fingerprint");
  question.incident = request.parameter("incident");
  const int asked = (labels.empty() ? 0 : 1) + (question.fingerprint.empty() ? 0 : 1) +
                    (question.incident.empty() ? 0 : 1);
  if (asked != 1) return bad("give one of the parameters 'labels', 'fingerprint' and 'incident'");
  if (question.fingerprint.size() > kNameBytesMax || question.incident.size() > kNameBytesMax) {
    return bad("the fingerprint or the incident is too long to be one");
  }
  if (!labels.empty()) {
    TC_TRY(question.labels, read_labels(labels));
    if (question.labels.empty()) return bad("parameter 'labels' names no label");
  }
  if (!request.parameter("at").empty()) {
    TC_TRY(question.at, time_parameter(request, "at", {}));
  }
  return question;
}

void handle(story::Storyteller& teller, const ApiCall& call) {
  auto question = read_question(call.request);
  if (!question) {
    call.respond(failure(question.error(), 400));
    return;
  }
  teller.tell(std::move(*question),
              [respond = call.respond](const base::Result<story::Story>& story) {
                respond(story ? success(story_json(*story)) : failure(story.error(), 400));
              });
}

}  // namespace

std::vector<Route> explain_routes(story::Storyteller& teller) {
  return {{"GET", "/api/v1/explain", Access::Read,
           [&teller](const ApiCall& call) { handle(teller, call); }}};
}

}  // namespace tocsin::api
