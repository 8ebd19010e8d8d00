#include "alertd/app/links.h"

#include <algorithm>
#include <string_view>

#include "common/net/url.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kRunbookBytesMax = 1 << 20;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

std::string folder_of(const std::string& path, const base::FileSystem& files) {
  if (files.is_folder(path)) return path;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Only for names that are safe in a URL as they are; everything else is not found.
void redirect(const api::ApiCall& call, const std::string& target) {
  net::ServerResponse response;
  response.status = 307;
  response.headers.emplace_back("Location", target);
  response.content_type = "text/plain; charset=utf-8";
  response.body = target + "\n";
  call.respond(std::move(response));
}

void not_found(const api::ApiCall& call, const std::string& what) {
  net::ServerResponse response;
  response.status = 404;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "no such " + what + "\n";
  call.respond(std::move(response));
}

void show_incident(const api::ApiCall& call) {
  if (!is_plain_name(call.path.front())) return not_found(call, "incident");
  redirect(call, "/api/v1/incidents/" + call.path.front());
}

void show_expression(const api::ApiCall& call) {
  const std::string_view expr = call.request.parameter("g0.expr");
  redirect(call, "/api/v1/query?query=" + net::percent_encode(expr));
}

api::Route runbook_route(const std::vector<std::string>& rule_paths,
                         const base::FileSystem& files) {
  std::vector<std::string> folders;
  for (const std::string& path : rule_paths) {
    folders.push_back(base::join_path(folder_of(path, files), "runbooks"));
  }
  const auto handler = [folders = std::move(folders), &files](const api::ApiCall& call) {
    for (const std::string& folder : folders) {
      if (!is_plain_name(call.path.front())) break;
      auto text = files.read(base::join_path(folder, call.path.front() + ".md"), kRunbookBytesMax);
      if (!text) continue;
      net::ServerResponse response;
      response.content_type = "text/plain; charset=utf-8";
      response.body = std::move(*text);
      return call.respond(std::move(response));
    }
    not_found(call, "runbook");
  };
  return {"GET", "/runbooks/<name>", api::Access::Read, handler};
}

}  // namespace

std::vector<api::Route> link_routes(const std::vector<std::string>& rule_paths,
                                    const base::FileSystem& files) {
  return {runbook_route(rule_paths, files),
          {"GET", "/incidents/<id>", api::Access::Read, show_incident},
          {"GET", "/graph", api::Access::Read, show_expression}};
}

}  // namespace tocsin::alertd
