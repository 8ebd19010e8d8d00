#include "alertd/api/bulletin_handlers.h"

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"

namespace tocsin::api {
namespace {

/// Its own style and nothing else: no script, no frame around it.
constexpr const char* kContentPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'";

base::Result<std::optional<base::WallTime>> optional_time(const net::ServerRequest& request,
                                                          const char* name) {
  std::optional<base::WallTime> time;
  if (request.parameter(name).empty()) return time;
  TC_TRY(time, time_parameter(request, name, base::WallTime{}));
  return time;
}

base::Result<BulletinRequest> read(const ApiCall& call) {
  BulletinRequest request;
  request.kind = call.path.front();
  request.format = call.request.parameter("format");
  if (request.format.empty()) request.format = "html";
  request.time_zone = call.request.parameter("timezone");
  TC_TRY(request.from, optional_time(call.request, "from"));
  TC_TRY(request.to, optional_time(call.request, "to"));
  return request;
}

net::ServerResponse page(BulletinText text) {
  net::ServerResponse response;
  response.content_type = std::move(text.content_type);
  response.headers = {{"Content-Security-Policy", kContentPolicy},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = clean(text.body);
  return response;
}

}  // namespace

std::vector<Route> bulletin_routes(BulletinView& view) {
  return {{"GET", "/api/v1/reports/<kind>", Access::Read, [&view](const ApiCall& call) {
             auto request = read(call);
             if (!request) return call.respond(failure(request.error(), 400));
             view.bulletin(std::move(*request),
                           [respond = call.respond](base::Result<BulletinText> text) {
                             if (!text) return respond(failure(text.error(), 400));
                             respond(page(std::move(*text)));
                           });
           }}};
}

}  // namespace tocsin::api
