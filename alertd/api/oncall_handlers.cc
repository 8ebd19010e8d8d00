#include "alertd/api/oncall_handlers.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kTextBytesMax = 1000;
constexpr base::Duration kSpanMax = std::chrono::hours(24 * 366);
constexpr base::Duration kSpanDefault = std::chrono::hours(24 * 28);

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

json::array names_json(const std::vector<std::string>& names) {
  json::array array;
  for (const std::string& name : names) array.emplace_back(clean(name));
  return array;
}

json::object on_call_json(const OnCallInfo& info) {
  return {{"schedule", clean(info.schedule)},
          {"timeZone", info.time_zone},
          {"persons", names_json(info.persons)},
          {"layer", clean(info.layer)},
          {"until", info.until ? json::value(base::format_rfc3339(*info.until)) : json::value()},
          {"next", names_json(info.next)}};
}

json::object shift_json(const ShiftInfo& shift) {
  return {{"schedule", clean(shift.schedule)},
          {"begin", base::format_rfc3339(shift.begin)},
          {"end", base::format_rfc3339(shift.end)},
          {"persons", names_json(shift.persons)},
          {"layer", clean(shift.layer)}};
}

json::object change_json(const ChangeInfo& change) {
  return {{"id", change.id},
          {"at", base::format_rfc3339(change.at)},
          {"service", clean(change.service)},
          {"version", clean(change.version)},
          {"author", clean(change.author)},
          {"link", clean(change.link)},
          {"text", clean(change.text)}};
}

template <class Info, class ToJson>
Done<std::vector<Info>> answer_list(net::Respond respond, const char* name, ToJson to_json) {
  return [respond = std::move(respond), name, to_json](base::Result<std::vector<Info>> list) {
    if (!list) return respond(failure(list.error(), 400));
    json::array array;
    for (const Info& one : *list) array.push_back(to_json(one));
    respond(success(json::object{{name, std::move(array)}}));
  };
}

Done<std::string> answer_id(net::Respond respond) {
  return [respond = std::move(respond)](base::Result<std::string> id) {
    if (!id) return respond(failure(id.error(), 400));
    auto response = success(json::object{{"id", *id}});
    response.status = 201;
    respond(std::move(response));
  };
}

using Texts = std::map<std::string, std::string>;

base::Result<Texts> read_texts(const ApiCall& call, const std::vector<std::string>& allowed) {
  TC_TRY(JsonBody body, json_body(call.request, allowed));
  if (!body.objects.empty()) {
    return bad(fmt::format("request body: '{}' must be a text", body.objects.begin()->first));
  }
  for (const auto& [name, text] : body.texts) {
    if (text.size() <= kTextBytesMax) continue;
    return bad(
        fmt::format("request body: '{}' is {} bytes, limit {}", name, text.size(), kTextBytesMax));
  }
  if (base::trim(body.texts["by"]).empty()) {
    return bad("request body: 'by' is missing: who does this?");
  }
  return std::move(body.texts);
}

base::Result<OverrideRequest> read_override(const ApiCall& call, base::WallTime now) {
  TC_TRY(Texts texts,
         read_texts(call, {"by", "schedule", "person", "from", "to", "for", "comment"}));
  OverrideRequest request;
  request.schedule = texts["schedule"];
  request.by = texts["by"];
  request.comment = texts["comment"];
  request.source = call.source;
  for (const std::string_view person : base::split(texts["person"], '+')) {
    if (!base::trim(person).empty()) request.persons.emplace_back(base::trim(person));
  }
  if (request.schedule.empty()) return bad("request body: 'schedule' is missing");
  if (request.persons.empty()) return bad("request body: 'person' is missing");
  request.begin = now;
  if (!texts["from"].empty()) {
    TC_TRY(request.begin, base::parse_rfc3339(texts["from"]));
  }
  if (texts["to"].empty() == texts["for"].empty()) {
    return bad("request body: give one of 'to' and 'for'");
  }
  if (!texts["to"].empty()) {
    TC_TRY(request.end, base::parse_rfc3339(texts["to"]));
  } else {
    TC_TRY(const base::Duration length, base::parse_duration(texts["for"]));
    request.end = request.begin + length;
  }
  return request;
}

base::Result<ChangeInfo> read_change(const ApiCall& call, base::WallTime now) {
  TC_TRY(Texts texts,
         read_texts(call, {"by", "at", "service", "version", "author", "link", "text"}));
  ChangeInfo change;
  change.at = now;
  if (!texts["at"].empty()) {
    TC_TRY(change.at, base::parse_rfc3339(texts["at"]));
  }
  change.service = texts["service"];
  change.version = texts["version"];
  change.author = texts["author"].empty() ? texts["by"] : texts["author"];
  change.link = texts["link"];
  change.text = texts["text"];
  if (change.service.empty() && change.text.empty()) {
    return bad("request body: give 'service' or 'text': what changed?");
  }
  return change;
}

}  // namespace

std::vector<Route> OnCallHandlers::routes() const {
  const auto to = [this](auto method) {
    return [this, method](ApiCall call) { (this->*method)(std::move(call)); };
  };
  using H = OnCallHandlers;
  return {{"GET", "/api/v1/oncall", Access::Read, to(&H::on_call)},
          {"GET", "/api/v1/oncall/shifts", Access::Read, to(&H::shifts)},
          {"POST", "/api/v1/oncall/overrides", Access::Write, to(&H::put_override)},
          {"DELETE", "/api/v1/oncall/overrides/<id>", Access::Write, to(&H::remove_override)},
          {"GET", "/api/v1/changes", Access::Read, to(&H::changes)},
          {"POST", "/api/v1/changes", Access::Write, to(&H::add_change)}};
}

void OnCallHandlers::on_call(ApiCall call) const {
  const auto at = time_parameter(call.request, "at", clock_.wall());
  if (!at) return call.respond(failure(at.error(), 400));
  view_.on_call(*at, answer_list<OnCallInfo>(std::move(call.respond), "schedules", on_call_json));
}

void OnCallHandlers::shifts(ApiCall call) const {
  const auto from = time_parameter(call.request, "from", clock_.wall());
  if (!from) return call.respond(failure(from.error(), 400));
  const auto to = time_parameter(call.request, "to", *from + kSpanDefault);
  if (!to) return call.respond(failure(to.error(), 400));
  if (*to <= *from || *to - *from > kSpanMax) {
    return call.respond(bad_data("'to' must be after 'from', by at most a year"));
  }
  view_.shifts(std::string(call.request.parameter("schedule")), *from, *to,
               answer_list<ShiftInfo>(std::move(call.respond), "shifts", shift_json));
}

void OnCallHandlers::put_override(ApiCall call) const {
  auto request = read_override(call, clock_.wall());
  if (!request) return call.respond(failure(request.error(), 400));
  view_.put_override(std::move(*request), answer_id(std::move(call.respond)));
}

void OnCallHandlers::remove_override(ApiCall call) const {
  std::string by(call.request.parameter("by"));
  if (by.empty()) by = call.source;
  view_.remove_override(
      call.path.front(), std::move(by), call.source,
      [respond = std::move(call.respond), id = call.path.front()](base::Result<void> removed) {
        respond(removed ? success(json::object{{"removed", id}}) : failure(removed.error(), 400));
      });
}

void OnCallHandlers::add_change(ApiCall call) const {
  auto change = read_change(call, clock_.wall());
  if (!change) return call.respond(failure(change.error(), 400));
  view_.add_change(std::move(*change), call.source, answer_id(std::move(call.respond)));
}

void OnCallHandlers::changes(ApiCall call) const {
  view_.changes(answer_list<ChangeInfo>(std::move(call.respond), "changes", change_json));
}

}  // namespace tocsin::api
