#include "alertd/api/incident_commands.h"

#include <fmt/core.h>

#include "alertd/api/incident_handlers.h"
#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTextBytesMax = 4000;
constexpr base::Duration kHoldMax = std::chrono::hours(24 * 30);

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace

struct IncidentCommandHandlers::Action {
  IncidentAction action;
  std::string_view path;                ///< After the id; empty: POST /api/v1/incidents.
  std::vector<std::string_view> needs;  ///< Keys of the body, beside "by".
  std::vector<std::string_view> may;    ///< More keys.
};

namespace {

using Texts = std::map<std::string, std::string>;

base::Result<void> check_sizes(const Texts& texts) {
  for (const auto& [name, text] : texts) {
    const std::size_t max = name == "comment" || name == "title" ? kTextBytesMax : kNameBytesMax;
    if (text.size() > max) {
      return bad(fmt::format("request body: '{}' is {} bytes, limit {}", name, text.size(), max));
    }
  }
  return base::ok();
}

base::Result<void> fill(Texts& texts, IncidentCommand& command) {
  command.by = texts["by"];
  command.comment = texts["comment"];
  command.title = texts["title"];
  command.receiver = texts["receiver"];
  command.policy = texts["policy"];
  command.target = texts["into"].empty() ? texts["owner"] : texts["into"];
  if (const std::string& text = texts["severity"]; !text.empty()) {
    command.severity = model::parse_severity(text);
    if (!command.severity) {
      return bad("request body: 'severity' is none of critical, high, medium, low");
    }
  }
  if (const std::string& text = texts["for"]; !text.empty()) {
    TC_TRY(const base::Duration hold, base::parse_duration(text));
    if (hold <= base::Duration{0} || hold > kHoldMax) {
      return bad(fmt::format("request body: 'for' is {}, at most {}", text,
                             base::format_duration(kHoldMax)));
    }
    command.hold = hold;
  }
  return base::ok();
}

base::Result<model::Labels> read_labels(const std::map<std::string, std::string>& given) {
  model::LabelsBuilder labels;
  for (const auto& [name, value] : given) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
      return bad(fmt::format("request body: label name '{}' is not allowed", clean(name)));
    }
    labels.set(name, value);
  }
  return labels.build();
}

base::Result<IncidentCommand> read(const ApiCall& call, std::vector<std::string> allowed,
                                   const std::vector<std::string_view>& needs) {
  TC_TRY(JsonBody body, json_body(call.request, allowed));
  for (const auto& [name, object] : body.objects) {
    if (name != "labels") return bad(fmt::format("request body: '{}' must be a text", name));
  }
  if (body.texts.contains("labels")) {
    return bad("request body: 'labels' must be an object of texts");
  }
  TC_TRY(check_sizes(body.texts));
  if (base::trim(body.texts["by"]).empty()) {
    return bad("request body: 'by' is missing: who does this?");
  }
  for (const std::string_view need : needs) {
    if (base::trim(body.texts[std::string(need)]).empty()) {
      return bad(fmt::format("request body: '{}' is missing", need));
    }
  }
  IncidentCommand command;
  TC_TRY(fill(body.texts, command));
  TC_TRY(command.labels, read_labels(body.objects["labels"]));
  if (!call.path.empty()) command.id = call.path.front();
  command.source = call.source;
  return command;
}

}  // namespace

std::vector<Route> IncidentCommandHandlers::routes() const {
  static const std::vector<Action> kActions{
      {IncidentAction::Create,
       "",
       {"title", "severity"},
       {"comment", "receiver", "policy", "labels"}},
      {IncidentAction::Unacknowledge, "/unack", {}, {"comment"}},
      {IncidentAction::Note, "/note", {"comment"}, {}},
      {IncidentAction::Snooze, "/snooze", {}, {"for", "comment"}},
      {IncidentAction::Unsnooze, "/unsnooze", {}, {"comment"}},
      {IncidentAction::Merge, "/merge", {"into"}, {"comment"}},
      {IncidentAction::Unmerge, "/unmerge", {}, {"comment"}},
      {IncidentAction::Severity, "/severity", {"severity"}, {"comment"}},
      {IncidentAction::Owner, "/owner", {}, {"owner", "comment"}},
      {IncidentAction::Mitigate, "/mitigate", {}, {"for", "comment"}},
      {IncidentAction::Review, "/review", {}, {"comment"}},
  };
  std::vector<Route> routes;
  for (const Action& action : kActions) {
    const std::string pattern = action.action == IncidentAction::Create
                                    ? "/api/v1/incidents"
                                    : "/api/v1/incidents/<id>" + std::string(action.path);
    routes.push_back({"POST", pattern, Access::Write,
                      [this, &action](ApiCall call) { run(action, std::move(call)); }});
  }
  return routes;
}

void IncidentCommandHandlers::run(const Action& action, ApiCall call) const {
  std::vector<std::string> allowed{"by"};
  allowed.insert(allowed.end(), action.needs.begin(), action.needs.end());
  allowed.insert(allowed.end(), action.may.begin(), action.may.end());
  auto command = read(call, std::move(allowed), action.needs);
  if (!command) {
    call.respond(failure(command.error(), 400));
    return;
  }
  commands_.act(action.action, std::move(*command), answer_with_incident(std::move(call.respond)));
}

}  // namespace tocsin::api
