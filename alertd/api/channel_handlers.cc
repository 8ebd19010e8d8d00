#include "alertd/api/channel_handlers.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kTemplateBytesMax = 64 << 10;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

json::value time_json(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::format_rfc3339(*time)) : json::value(nullptr);
}

void list(ChannelDirectory& channels, const ApiCall& call) {
  channels.list([respond = call.respond](const base::Result<std::vector<ChannelStatus>>& all) {
    if (!all) {
      respond(failure(all.error(), 400));
      return;
    }
    json::array array;
    for (const ChannelStatus& one : *all) {
      array.push_back(json::object{{"name", clean(one.name)},
                                   {"state", one.state},
                                   {"waiting", one.waiting},
                                   {"inFlight", one.in_flight},
                                   {"failover", clean(one.failover)},
                                   {"lastProven", time_json(one.last_proven)},
                                   {"lastFailed", time_json(one.last_failed)},
                                   {"lastError", clean(one.last_error)},
                                   {"delivered", one.delivered},
                                   {"failed", one.failed}});
    }
    respond(success(json::object{{"channels", std::move(array)}}));
  });
}

base::Result<PreviewRequest> read_preview(const ApiCall& call) {
  TC_TRY(JsonBody body, json_body(call.request, {"channel", "incident", "template"}));
  if (!body.objects.empty()) {
    return bad(fmt::format("request body: '{}' must be a text", body.objects.begin()->first));
  }
  PreviewRequest request{body.texts["channel"], body.texts["incident"], body.texts["template"]};
  if (request.channel.empty()) return bad("request body: 'channel' is missing");
  if (request.text.size() > kTemplateBytesMax) {
    return bad(fmt::format("request body: template is {} bytes, limit {}", request.text.size(),
                           kTemplateBytesMax));
  }
  return request;
}

void preview(ChannelDirectory& channels, const ApiCall& call) {
  auto request = read_preview(call);
  if (!request) {
    call.respond(failure(request.error(), 400));
    return;
  }
  channels.preview(std::move(*request),
                   [respond = call.respond](const base::Result<MessagePreview>& preview) {
                     respond(preview ? success(json::object{{"of", clean(preview->of)},
                                                            {"title", clean(preview->title)},
                                                            {"text", clean(preview->text)},
                                                            {"html", clean(preview->html)},
                                                            {"failure", clean(preview->failure)}})
                                     : failure(preview.error(), 400));
                   });
}

base::Result<DrillRequest> read_drill(const ApiCall& call) {
  TC_TRY(JsonBody body, json_body(call.request, {"severity", "labels"}));
  if (body.texts.contains("labels"))
    return bad("request body: 'labels' must be an object of texts");
  DrillRequest request{body.texts["severity"], {}, call.source};
  if (request.severity.empty()) request.severity = "high";
  if (!model::parse_severity(request.severity)) {
    return bad("request body: 'severity' must be critical, high, medium or low");
  }
  model::LabelsBuilder labels;
  for (const auto& [name, value] : body.objects["labels"]) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__") || name == "drill" ||
        name == "severity") {
      return bad(fmt::format("request body: label name '{}' is not allowed", clean(name)));
    }
    labels.set(name, value);
  }
  request.labels = labels.build();
  return request;
}

void drill(ChannelDirectory& channels, const ApiCall& call) {
  auto request = read_drill(call);
  if (!request) {
    call.respond(failure(request.error(), 400));
    return;
  }
  const auto labels = channels.drill(std::move(*request));
  call.respond(labels ? success(json::object{{"labels", labels_json(*labels)}})
                      : failure(labels.error(), 400));
}

}  // namespace

std::vector<Route> channel_routes(ChannelDirectory& channels) {
  const auto to = [&channels](void (*handler)(ChannelDirectory&, const ApiCall&)) {
    return [&channels, handler](const ApiCall& call) { handler(channels, call); };
  };
  return {{"GET", "/api/v1/channels", Access::Read, to(list)},
          {"POST", "/api/v1/notify/preview", Access::Write, to(preview)},
          {"POST", "/api/v1/drill", Access::Write, to(drill), "drill"}};
}

}  // namespace tocsin::api
