#include "alertd/api/report_handlers.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;
using Texts = std::map<std::string, std::string>;

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTextBytesMax = 16U << 10U;
constexpr base::Duration kStatisticsDefault = std::chrono::hours(24 * 30);
constexpr base::Duration kStatisticsMax = std::chrono::hours(24 * 400);
/// Nothing but its own style: no script, no frame around it.
constexpr std::string_view kContentPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'";

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

json::value time_json(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::format_rfc3339(*time)) : json::value(nullptr);
}

json::object action_json(const ActionInfo& item) {
  return {{"id", item.id},
          {"incident", item.incident},
          {"text", clean(item.text)},
          {"owner", clean(item.owner)},
          {"due", time_json(item.due)},
          {"type", item.type},
          {"ticket", clean(item.ticket)},
          {"createdAt", base::format_rfc3339(item.created_at)},
          {"createdBy", clean(item.created_by)},
          {"doneAt", time_json(item.done_at)},
          {"doneBy", clean(item.done_by)}};
}

json::object news_json(const NewsInfo& news) {
  json::array audiences;
  for (const std::string& name : news.audiences) audiences.emplace_back(clean(name));
  return {{"at", base::format_rfc3339(news.at)},
          {"by", clean(news.by)},
          {"state", news.state},
          {"text", clean(news.text)},
          {"audiences", std::move(audiences)},
          {"nextUpdate", time_json(news.next_update)}};
}

/// Reads the texts of the body; `by` must be among them.
base::Result<JsonBody> read_body(const ApiCall& call, std::vector<std::string> allowed) {
  allowed.emplace_back("by");
  TC_TRY(JsonBody body, json_body(call.request, allowed));
  for (const auto& [name, text] : body.texts) {
    const std::size_t max = name == "text" ? kTextBytesMax : kNameBytesMax;
    if (text.size() <= max) continue;
    return bad(fmt::format("request body: '{}' is {} bytes, limit {}", name, text.size(), max));
  }
  if (base::trim(body.texts["by"]).empty()) {
    return bad("request body: 'by' is missing: who does this?");
  }
  for (const auto& [name, object] : body.objects) {
    if (name != "fields") return bad(fmt::format("request body: '{}' must be a text", name));
  }
  return body;
}

/// A day is meant to its end (UTC); "14d" is from now.
base::Result<std::optional<base::WallTime>> read_due(const std::string& text, base::WallTime now) {
  constexpr std::size_t kDay = 10;
  std::optional<base::WallTime> due;
  if (text.empty()) return due;
  if (const auto length = base::parse_duration(text)) {
    due = now + *length;
    return due;
  }
  const auto at = base::parse_rfc3339(text.size() == kDay ? text + "T23:59:59Z" : text);
  if (!at) {
    return bad(
        fmt::format("request body: 'due' is '{}': expected a day such as 2026-12-24, a time "
                    "in RFC 3339, or a duration such as 14d",
                    clean(text)));
  }
  due = *at;
  return due;
}

net::ServerResponse created(const std::string& id) {
  auto response = success(json::object{{"id", id}});
  response.status = 201;
  return response;
}

/// The routes over one view.
class Handlers {
 public:
  Handlers(ReportView& view, const base::Clock& clock) : view_(view), clock_(clock) {}

  void report(const ApiCall& call) const {
    const std::string format(call.request.parameter("format"));
    constexpr std::array<std::string_view, 4> kFormats{"markdown", "html", "json", ""};
    const auto found = std::find(kFormats.begin(), kFormats.end(), format);
    if (found == kFormats.end()) {
      return call.respond(bad_data("parameter 'format' is none of markdown, html, json"));
    }
    const auto chosen = format.empty() ? ReportFormat::Markdown
                                       : static_cast<ReportFormat>(found - kFormats.begin());
    view_.report(call.path.front(), chosen,
                 [respond = call.respond, chosen](base::Result<std::string> text) {
                   if (!text) return respond(failure(text.error(), 400));
                   respond(answer(chosen, clean(*text)));
                 });
  }

  void change_report(const ApiCall& call) const {
    auto body = read_body(call, {"fields"});
    if (!body) return call.respond(failure(body.error(), 400));
    ReportChange change{call.path.front(), body->texts["by"], call.source, body->objects["fields"]};
    if (change.fields.empty()) {
      return call.respond(bad_data("request body: 'fields' is missing: {\"root_cause\": \"...\"}"));
    }
    view_.change_report(std::move(change), answer_done(call));
  }

  void add_action(const ApiCall& call) const {
    auto body = read_body(call, {"text", "owner", "due", "type", "ticket"});
    if (!body) return call.respond(failure(body.error(), 400));
    Texts& texts = body->texts;
    ActionChange change;
    change.incident = call.path.front();
    change.by = texts["by"];
    change.source = call.source;
    change.item.text = texts["text"];
    change.item.owner = texts["owner"];
    change.item.ticket = texts["ticket"];
    if (!texts["type"].empty()) change.item.type = texts["type"];
    const auto due = read_due(texts["due"], clock_.wall());
    if (!due) return call.respond(failure(due.error(), 400));
    change.item.due = *due;
    view_.change_action(std::move(change), [respond = call.respond](base::Result<std::string> id) {
      respond(id ? created(*id) : failure(id.error(), 400));
    });
  }

  void change_action(const ApiCall& call, bool done) const {
    auto body = read_body(
        call, done ? std::vector<std::string>{} : std::vector<std::string>{"owner", "due"});
    if (!body) return call.respond(failure(body.error(), 400));
    Texts& texts = body->texts;
    ActionChange change;
    change.id = call.path.front();
    change.by = texts["by"];
    change.source = call.source;
    change.done = done;
    if (const auto owner = texts.find("owner"); owner != texts.end()) change.owner = owner->second;
    const auto due = read_due(texts["due"], clock_.wall());
    if (!due) return call.respond(failure(due.error(), 400));
    change.due = *due;
    view_.change_action(std::move(change), [respond = call.respond](base::Result<std::string> id) {
      respond(id ? success(json::object{{"id", *id}}) : failure(id.error(), 400));
    });
  }

  void actions(const ApiCall& call) const {
    const std::string_view state = call.request.parameter("state");
    if (!state.empty() && state != "open" && state != "all") {
      return call.respond(bad_data("parameter 'state' is none of open, all"));
    }
    view_.actions([respond = call.respond, all = state == "all"](auto items) {
      if (!items) return respond(failure(items.error(), 400));
      json::array array;
      for (const ActionInfo& item : *items) {
        if (all || !item.done_at) array.push_back(action_json(item));
      }
      respond(success(json::object{{"actions", std::move(array)}}));
    });
  }

  void news(const ApiCall& call) const {
    view_.news(call.path.front(), [respond = call.respond](auto list) {
      if (!list) return respond(failure(list.error(), 400));
      json::array array;
      for (const NewsInfo& each : *list) array.push_back(news_json(each));
      respond(success(json::object{{"news", std::move(array)}}));
    });
  }

  void tell(const ApiCall& call) const {
    auto body = read_body(call, {"state", "text", "audience"});
    if (!body) return call.respond(failure(body.error(), 400));
    Texts& texts = body->texts;
    NewsRequest request;
    request.id = call.path.front();
    request.by = texts["by"];
    request.source = call.source;
    request.state = texts["state"];
    request.text = texts["text"];
    for (const std::string_view name : base::split(texts["audience"], ',')) {
      if (!base::trim(name).empty()) request.audiences.emplace_back(base::trim(name));
    }
    if (request.state.empty()) {
      return call.respond(bad_data(
          "request body: 'state' is missing: investigating, identified, monitoring or resolved"));
    }
    view_.tell(std::move(request), answer_done(call));
  }

  void statistics(const ApiCall& call) const {
    const base::WallTime now = clock_.wall();
    const auto to = time_parameter(call.request, "to", now);
    if (!to) return call.respond(failure(to.error(), 400));
    const auto from = time_parameter(call.request, "from", *to - kStatisticsDefault);
    if (!from) return call.respond(failure(from.error(), 400));
    if (*from >= *to || *to - *from > kStatisticsMax) {
      return call.respond(bad_data("'from' must be before 'to', by 400 days at most"));
    }
    view_.statistics(*from, *to, [respond = call.respond](base::Result<std::string> text) {
      respond(text ? success(std::string_view(clean(*text))) : failure(text.error(), 400));
    });
  }

 private:
  static net::ServerResponse answer(ReportFormat format, const std::string& text) {
    if (format == ReportFormat::Json) return success(std::string_view(text));
    net::ServerResponse response = plain_text(200, text);
    response.content_type = "text/markdown; charset=utf-8";
    if (format == ReportFormat::Html) {
      response.content_type = "text/html; charset=utf-8";
      response.headers = {{"Content-Security-Policy", std::string(kContentPolicy)},
                          {"Referrer-Policy", "no-referrer"},
                          {"X-Content-Type-Options", "nosniff"}};
    }
    return response;
  }

  static Done<void> answer_done(const ApiCall& call) {
    return [respond = call.respond, id = call.path.front()](base::Result<void> done) {
      respond(done ? success(json::object{{"id", id}}) : failure(done.error(), 400));
    };
  }

  ReportView& view_;
  const base::Clock& clock_;
};

}  // namespace

std::vector<Route> report_routes(ReportView& view, const base::Clock& clock) {
  const auto handlers = std::make_shared<const Handlers>(view, clock);
  const auto to = [&handlers](auto method) {
    return [handlers, method](ApiCall call) { ((*handlers).*method)(call); };
  };
  const auto change = [&handlers](bool done) {
    return [handlers, done](ApiCall call) { handlers->change_action(call, done); };
  };
  using H = Handlers;
  return {{"GET", "/api/v1/incidents/<id>/report", Access::Read, to(&H::report)},
          {"PUT", "/api/v1/incidents/<id>/report", Access::Write, to(&H::change_report)},
          {"GET", "/api/v1/incidents/<id>/news", Access::Read, to(&H::news)},
          {"POST", "/api/v1/incidents/<id>/news", Access::Write, to(&H::tell)},
          {"POST", "/api/v1/incidents/<id>/actions", Access::Write, to(&H::add_action)},
          {"GET", "/api/v1/actions", Access::Read, to(&H::actions)},
          {"POST", "/api/v1/actions/<id>", Access::Write, change(false)},
          {"POST", "/api/v1/actions/<id>/done", Access::Write, change(true)},
          {"GET", "/api/v1/statistics", Access::Read, to(&H::statistics)}};
}

}  // namespace tocsin::api
