#include "alertd/app/runbooks.h"

#include <algorithm>

namespace tocsin::alertd {
namespace {

constexpr std::size_t kRunbookBytesMax = 1 << 20;

bool is_runbook_name(const std::string& name) {
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

}  // namespace

api::Route runbook_route(const std::vector<std::string>& rule_paths,
                         const base::FileSystem& files) {
  std::vector<std::string> folders;
  for (const std::string& path : rule_paths) {
    folders.push_back(base::join_path(folder_of(path, files), "runbooks"));
  }
  const auto handler = [folders = std::move(folders), &files](api::ApiCall call) {
    net::ServerResponse response;
    response.content_type = "text/plain; charset=utf-8";
    response.status = 404;
    response.body = "no such runbook\n";
    for (const std::string& folder : folders) {
      if (!is_runbook_name(call.path.front())) break;
      auto text = files.read(base::join_path(folder, call.path.front() + ".md"), kRunbookBytesMax);
      if (!text) continue;
      response.status = 200;
      response.body = std::move(*text);
      break;
    }
    call.respond(std::move(response));
  };
  return {"GET", "/runbooks/<name>", api::Access::Read, handler};
}

}  // namespace tocsin::alertd
