#include "alertd/backup/restore.h"

#include <fmt/core.h>

#include <set>

namespace tocsin::backup {
namespace {

using base::ErrorCode;

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

std::string target_of(const FileEntry& entry, const std::string& data_folder) {
  std::string_view path = entry.path;
  if (path.starts_with(kDataPrefix)) {
    return base::join_path(data_folder, path.substr(kDataPrefix.size()));
  }
  if (path.starts_with(kConfigurationPrefix)) path.remove_prefix(kConfigurationPrefix.size());
  return base::join_path(base::join_path(data_folder, kRestoredConfiguration), path);
}

}  // namespace

base::Result<void> check_no_unfinished_restore(const base::FileSystem& files,
                                               const std::string& data_folder) {
  if (!files.exists(base::join_path(data_folder, kRestoringName))) return base::ok();
  return base::error(
      ErrorCode::Unavailable,
      fmt::format("a restore into '{}' did not come to its end: empty the folder and "
                  "run `tocsin restore` again",
                  data_folder));
}

base::Result<Restored> restore(const ArchiveReader& source, base::FileSystem& files,
                               const std::string& data_folder) {
  if (files.exists(data_folder)) {
    TC_TRY(const auto names, files.list(data_folder));
    if (!names.empty()) {
      return base::error(
          ErrorCode::InvalidArgument,
          fmt::format("'{}' is not empty (there is '{}'): restore into a new folder, "
                      "or move what is there away",
                      data_folder, names.front()));
    }
  }
  TC_TRY(source.verify());
  TC_TRY(files.create_folders(data_folder));
  const std::string marker = base::join_path(data_folder, kRestoringName);
  TC_TRY(files.write_atomic(marker, "tocsin restore\n", 0600));

  Restored done;
  std::set<std::string> folders{data_folder};
  for (const FileEntry& entry : source.manifest().files) {
    const std::string path = target_of(entry, data_folder);
    const std::string folder = folder_of(path);
    if (folders.insert(folder).second) TC_TRY(files.create_folders(folder));
    TC_TRY(const auto file, files.open_append(path, entry.mode));
    TC_TRY(source.read(entry, [&](std::string_view bytes) { return file->append(bytes); }));
    TC_TRY(file->sync());
    ++done.files;
    done.bytes += entry.bytes;
    done.configuration = done.configuration || !entry.path.starts_with(kDataPrefix);
  }
  for (const std::string& folder : folders) TC_TRY(files.sync_folder(folder));
  TC_TRY(files.remove(marker));
  TC_TRY(files.sync_folder(data_folder));
  return done;
}

}  // namespace tocsin::backup
