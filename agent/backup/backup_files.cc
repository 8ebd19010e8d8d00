#include "agent/backup/backup_files.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <tuple>

#include "agent/backup/backup_time.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr std::size_t kItemsMax = 10'000;
constexpr std::size_t kFolderFilesMax = 200'000;
constexpr int kFolderDepthMax = 12;
constexpr std::size_t kBeginBytes = 4096;
constexpr base::Duration kFuture{300'000};

bool has_wildcard(std::string_view part) {
  return part.find_first_of("*?[") != std::string_view::npos;
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [name](std::string_view ending) { return name.ends_with(ending); });
}

/// What lies beside backups and is none.
bool is_beside(std::string_view name) {
  return name == "SHA256SUMS" || name == "sha256sums" ||
         ends_with_any(name, {".sha256", ".sha512", ".sha1", ".md5", ".sig", ".asc", ".log"});
}

bool is_temporary(std::string_view name) {
  return name.starts_with('.') || ends_with_any(name, {".tmp", ".part", ".partial", ".incomplete",
                                                       ".filepart", ".inprogress", "~"});
}

base::WallTime wall_of(std::int64_t ns) {
  return base::wall_time(ns / 1'000'000);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

const BackupItem* BackupLook::changed_last() const {
  const auto last = std::max_element(
      items.begin(), items.end(),
      [](const BackupItem& a, const BackupItem& b) { return a.modified < b.modified; });
  return last == items.end() ? nullptr : &*last;
}

Result<std::vector<std::string>> expand_backup_pattern(const base::FileSystem& files,
                                                       const std::string& pattern,
                                                       std::size_t paths_max) {
  std::vector<std::string> paths = {"/"};
  bool exact = true;  // no wildcard so far: what is missing is an error
  for (const std::string_view part : base::split(std::string_view(pattern).substr(1), '/')) {
    if (part.empty()) continue;
    std::vector<std::string> next;
    for (const std::string& path : paths) {
      if (!has_wildcard(part)) {
        std::string one = base::join_path(path, part);
        if (exact || files.exists(one)) next.push_back(std::move(one));
        continue;
      }
      const auto names = files.list(path);
      if (!names) {
        const bool ours = exact || names.error().code == base::ErrorCode::PermissionDenied;
        if (ours) return names.error();
        continue;  // a file where a folder was looked for
      }
      const std::string mask(part);
      for (const std::string& name : *names) {
        if (::fnmatch(mask.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
        next.push_back(base::join_path(path, name));
        if (next.size() >= paths_max) break;
      }
    }
    exact = exact && !has_wildcard(part);
    paths = std::move(next);
  }
  if (exact) std::erase_if(paths, [&](const std::string& path) { return !files.exists(path); });
  return paths;
}

std::string BackupFiles::mark_of(const std::string& path, bool folder) const {
  if (!folder) return path;
  for (const char* name : {"backup_manifest", "toc.dat"}) {
    std::string mark = base::join_path(path, name);
    if (files_.exists(mark)) return mark;
  }
  // Of a folder of any files nothing says that it is finished, but its age.
  return set_.kind == BackupKind::Files ? path : std::string();
}

void BackupFiles::read_content(const std::string& path, bool folder, Seen& seen) const {
  std::optional<ContentTime> content = time_in_name(name_of(path));
  if (folder) {
    const auto label = files_.read(base::join_path(path, "backup_label"), kBeginBytes);
    if (const auto time = label ? time_in_backup_label(*label) : std::nullopt) content = time;
  } else if (const auto file = files_.open_read(path)) {
    const auto begin = (*file)->read_at(0, kBeginBytes);
    if (const auto time = begin ? time_in_content(*begin) : std::nullopt) content = time;
  }
  const base::WallTime modified = wall_of(seen.modified_ns);
  seen.touched = content && touched(modified, *content, set_.touched_after);
  if (seen.touched) seen.content_at = content->at;
}

std::uint64_t BackupFiles::size_of_folder(const std::string& folder, int depth,
                                          std::size_t& budget) const {
  const auto names = files_.list(folder);
  if (!names) return 0;
  std::uint64_t bytes = 0;
  for (const std::string& name : *names) {
    if (budget == 0) return bytes;
    --budget;
    const std::string path = base::join_path(folder, name);
    if (files_.read_link(path)) continue;  // a tablespace is somewhere else
    if (files_.is_folder(path)) {
      if (depth < kFolderDepthMax) bytes += size_of_folder(path, depth + 1, budget);
    } else {
      bytes += files_.size(path) ? *files_.size(path) : 0;
    }
  }
  return bytes;
}

void BackupFiles::look_at(const std::string& path, base::WallTime now,
                          std::map<std::string, Seen>& seen, BackupLook& look) {
  const std::string name = name_of(path);
  if (is_beside(name)) return;
  const bool folder = files_.is_folder(path);
  const std::string mark = mark_of(path, folder);
  if (is_temporary(name) || mark.empty()) {
    ++look.unfinished;
    return;
  }
  const auto size = files_.size(mark);
  const auto modified = files_.modified_ns(mark);
  if (!size || !modified) {
    // Gone since the folder was listed: rotated away.
    if (size.has_error() && size.error().code == base::ErrorCode::NotFound) return;
    look.failed.push_back(size ? modified.error() : size.error());
    return;
  }
  if (wall_of(*modified) > now + kFuture) {
    look.failed.push_back(
        base::error(base::ErrorCode::InvalidArgument,
                    fmt::format("'{}' was changed in the future; is the clock right?", path)));
    return;
  }
  const auto before = seen_.find(path);
  Seen one;
  one.modified_ns = *modified;
  one.size = *size;
  const bool same = before != seen_.end() && before->second.modified_ns == *modified &&
                    (before->second.folder_known || before->second.size == *size);
  if (same) {
    one = before->second;
  } else {
    read_content(path, folder, one);
  }
  const bool grew = before != seen_.end() && !same;
  seen[path] = one;
  if (grew || now - wall_of(*modified) < set_.settle) {
    ++look.unfinished;
    return;
  }
  Seen& kept = seen[path];
  if (folder && !kept.folder_known) {
    std::size_t budget = kFolderFilesMax;
    kept.size = size_of_folder(path, 0, budget);
    kept.folder_known = true;
  }
  BackupItem item;
  item.path = path;
  item.folder = folder;
  item.size_bytes = kept.size;
  item.modified = wall_of(*modified);
  item.touched = kept.touched;
  item.at = kept.content_at.value_or(item.modified);
  look.items.push_back(std::move(item));
}

BackupLook BackupFiles::look(base::WallTime now) {
  BackupLook look;
  std::map<std::string, Seen> seen;
  for (const std::string& pattern : set_.paths) {
    const auto paths = expand_backup_pattern(files_, pattern, kItemsMax);
    if (!paths) {
      look.failed.push_back(paths.error());
      continue;
    }
    for (const std::string& path : *paths) {
      if (!seen.contains(path)) look_at(path, now, seen, look);
    }
  }
  seen_ = std::move(seen);
  // Of one moment the later name first: names have dates.
  std::sort(look.items.begin(), look.items.end(), [](const BackupItem& a, const BackupItem& b) {
    return std::tie(a.at, a.path) > std::tie(b.at, b.path);
  });
  return look;
}

}  // namespace tocsin::agent
