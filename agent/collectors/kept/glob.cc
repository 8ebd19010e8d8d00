#include "agent/collectors/kept/glob.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

bool has_wildcard(std::string_view part) {
  return part.find_first_of("*?[") != std::string_view::npos;
}

struct Search {
  const base::FileSystem& files;
  std::string_view root;
  std::vector<std::string_view> parts;
  std::size_t paths_max;
  Globbed found;

  void descend(const std::string& folder, std::size_t depth) {
    if (depth == parts.size()) {
      take(folder);
      return;
    }
    const std::string part(parts[depth]);
    if (!has_wildcard(part)) {
      descend(folder + "/" + part, depth + 1);
      return;
    }
    const auto names = files.list(below(root, folder.empty() ? "/" : folder));
    if (!names) {
      if (names.error().code != ErrorCode::NotFound) hide(folder, names.error());
      return;
    }
    for (const std::string& name : *names) {
      if (found.paths.size() > paths_max) return;
      if (fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) {
        descend(folder + "/" + name, depth + 1);
      }
    }
  }

  void take(const std::string& path) {
    const std::string full = below(root, path);
    if (files.exists(full)) {
      found.paths.push_back(path);
      return;
    }
    // A folder that may not be entered hides what is in it: not the same as nothing being there.
    const auto mode = files.mode(full);
    if (!mode && mode.error().code == ErrorCode::PermissionDenied) hide(path, mode.error());
  }

  void hide(const std::string& path, const base::Error& why) {
    found.denied = why;
    found.hidden.push_back(path);
  }
};

}  // namespace

std::string below(std::string_view root, std::string_view path) {
  while (root.ends_with('/')) root.remove_suffix(1);
  return std::string(root).append(path);
}

Globbed glob(const base::FileSystem& files, std::string_view root, std::string_view pattern,
             std::size_t paths_max) {
  Search search{files, root, {}, paths_max, {}};
  for (const std::string_view part : base::split(pattern, '/')) {
    if (!part.empty()) search.parts.push_back(part);
  }
  search.descend("", 0);
  Globbed found = std::move(search.found);
  std::sort(found.paths.begin(), found.paths.end());
  if (found.paths.size() > paths_max) {
    found.paths.resize(paths_max);
    found.hidden.emplace_back();
    found.denied = base::error(ErrorCode::LimitExceeded,
                               fmt::format("'{}' names more than {} files; the rest is not looked "
                                           "at",
                                           pattern, paths_max));
  }
  return found;
}

Globbed glob_all(const base::FileSystem& files, std::string_view root,
                 const std::vector<std::string>& patterns, std::size_t paths_max) {
  Globbed all;
  for (const std::string& pattern : patterns) {
    Globbed one = glob(files, root, pattern, paths_max - std::min(paths_max, all.paths.size()));
    all.paths.insert(all.paths.end(), one.paths.begin(), one.paths.end());
    if (one.denied) all.denied = std::move(one.denied);
    all.hidden.insert(all.hidden.end(), one.hidden.begin(), one.hidden.end());
  }
  std::sort(all.paths.begin(), all.paths.end());
  all.paths.erase(std::unique(all.paths.begin(), all.paths.end()), all.paths.end());
  return all;
}

}  // namespace tocsin::agent
