#include "agent/backup/tablespaces.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

bool is_oid(std::string_view text) {
  return !text.empty() && text.size() <= 10 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Returns whether the path is below the folder, by its names alone.
bool is_below(const std::string& path, std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  const auto parts = base::split(path, '/');
  const bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
  return !climbs && path.starts_with(folder + "/");
}

std::string place_of(const Tablespace& tablespace, const ScratchCluster& cluster) {
  return cluster.file("tablespace-" + tablespace.oid);
}

Found judge(const base::Result<base::CommandResult>& done, const char* program) {
  if (!done) return unreadable(done.error());
  if (done->timed_out) return finding("timeout", fmt::format("{} took too long", program));
  if (done->exit_status == 0 && done->signal == 0) return {};
  return finding("restore_failed", fmt::format("{} of a tablespace: {}", program,
                                               base::escape_control(done->output.substr(0, 300))));
}

}  // namespace

Found find_tablespaces(const base::FileSystem& files, const std::string& path,
                       const std::vector<std::string>& allowed, std::vector<Tablespace>& found) {
  const auto names = files.list(path);
  if (!names) return unreadable(names.error());
  for (const std::string& name : *names) {
    const std::size_t dot = name.find(".tar");
    if (dot == name.npos || !is_oid(name.substr(0, dot))) continue;
    found.push_back({name.substr(0, dot), base::join_path(path, name), true});
  }
  if (!found.empty()) return {};
  const std::string folder = base::join_path(path, "pg_tblspc");
  if (!files.exists(folder)) return {};
  const auto links = files.list(folder);
  if (!links) return unreadable(links.error());
  std::vector<std::string> places = allowed;
  places.push_back(path.substr(0, path.rfind('/')));
  for (const std::string& name : *links) {
    const auto target = files.read_link(base::join_path(folder, name));
    if (!target || !is_oid(name)) {
      return finding("tablespaces",
                     fmt::format("'{}/{}' is no link to a tablespace", folder, name));
    }
    const bool good = std::any_of(places.begin(), places.end(), [&](const std::string& place) {
      return place.size() > 1 && is_below(*target, place);
    });
    if (!good) {
      return finding("tablespaces",
                     fmt::format("the tablespace {} leads to '{}', which may be the live one; name "
                                 "the folder in [backup.drill] tablespaces if it is the backup's",
                                 name, *target));
    }
    found.push_back({name, *target, false});
  }
  return {};
}

Found restore_tablespace(
    base::FileSystem& files, const Tablespace& tablespace, const ScratchCluster& cluster,
    const std::function<base::Result<base::CommandResult>(std::vector<std::string>)>& run) {
  const std::string place = place_of(tablespace, cluster);
  if (const auto made = files.create_folders(place); !made) return unreadable(made.error());
  if (tablespace.tar) {
    if (Found bad = judge(run({"/bin/tar", "-x", "-f", tablespace.from, "-C", place}), "tar")) {
      return bad;
    }
  } else if (Found bad = judge(run({"/bin/cp", "-a", "--", tablespace.from + "/.", place}), "cp")) {
    return bad;
  }
  const std::string links = base::join_path(cluster.data(), "pg_tblspc");
  if (const auto made = files.create_folders(links); !made) return unreadable(made.error());
  // -n: an older link is replaced, not followed.
  return judge(run({"/bin/ln", "-sfn", "--", place, base::join_path(links, tablespace.oid)}), "ln");
}

Found map_tablespaces(base::FileSystem& files, const std::vector<Tablespace>& all,
                      const ScratchCluster& cluster) {
  const std::string map = base::join_path(cluster.data(), "tablespace_map");
  if (!files.exists(map)) return {};
  std::string text;
  for (const Tablespace& one : all) {
    text += fmt::format("{} {}\n", one.oid, place_of(one, cluster));
  }
  const auto written = files.write_atomic(map, text, 0600);
  return written ? Found{} : Found(unreadable(written.error()));
}

}  // namespace tocsin::agent
