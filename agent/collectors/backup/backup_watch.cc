#include "agent/collectors/backup/backup_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/backup/backup_time.h"
#include "agent/backup/verify.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr std::size_t kReportBytesMax = 8 << 20;
constexpr std::size_t kHistoryBytesMax = 64 << 10;
constexpr std::size_t kWalNamesMax = 500'000;
constexpr std::size_t kQuickMax = 10;  // newest ones that are tried for a good one
constexpr std::size_t kBeginBytes = 64;
constexpr base::Duration kCommandTimeout{30'000};

/// Names in the archive, and in its folders: tools put segments into one folder a log.
Result<std::vector<std::string>> wal_names(const base::FileSystem& files, const std::string& folder,
                                           int depth) {
  TC_TRY(auto names, files.list(folder));
  std::vector<std::string> all;
  for (std::string& name : names) {
    if (all.size() >= kWalNamesMax) break;
    if (parse_wal_name(name)) {
      all.push_back(std::move(name));
      continue;
    }
    const std::string path = base::join_path(folder, name);
    if (depth == 0 || !files.is_folder(path)) continue;
    // A folder of another server version, or one that is not ours to read, is no failure.
    if (auto more = wal_names(files, path, depth - 1)) {
      std::move(more->begin(), more->end(), std::back_inserter(all));
    }
  }
  return all;
}

/// Where a name of wal_names() is: beside, or in a folder named by its first 16 digits.
std::optional<std::int64_t> modified_of(const base::FileSystem& files, const std::string& folder,
                                        const std::string& name) {
  for (const std::string& path :
       {base::join_path(folder, name),
        base::join_path(base::join_path(folder, name.substr(0, 16)), name)}) {
    if (const auto modified = files.modified_ns(path)) return *modified;
  }
  return std::nullopt;
}

}  // namespace

const BackupStatus& BackupWatch::look() {
  const base::MonotonicTime now = world_.clock.monotonic();
  if (looked_at_ && now - *looked_at_ < set_.interval) return status_;
  looked_at_ = now;
  BackupStatus status;
  if (is_reported(set_.kind)) {
    look_at_report(status);
  } else if (!set_.paths.empty()) {
    look_at_files(status);
  }
  if (!set_.wal_archive.empty()) look_at_wal(status);
  status_ = std::move(status);
  return status_;
}

Found BackupWatch::quick_check(const BackupItem& item) {
  const auto known = quick_.find(item.path);
  if (known != quick_.end() && known->second.first == item.modified) return known->second.second;
  Found found = check_quickly(verify_request(set_, item.path, VerifyLevel::Size), world_.files);
  quick_[item.path] = {item.modified, found};
  return found;
}

void BackupWatch::look_at_files(BackupStatus& status) {
  last_look_ = files_.look(world_.clock.wall());
  const std::vector<BackupItem>& items = last_look_.items;
  status.backups = items.size();
  status.unfinished = last_look_.unfinished;
  if (!last_look_.failed.empty()) status.failed.emplace("files", last_look_.failed.front());
  std::erase_if(quick_, [&](const auto& each) {
    return std::none_of(items.begin(), items.end(),
                        [&](const BackupItem& item) { return item.path == each.first; });
  });
  if (const BackupItem* last = last_look_.changed_last()) status.touched = last->touched;
  if (items.empty()) return;
  status.newest = items.front();
  status.last_size_bytes = items.front().size_bytes;
  status.quick = quick_check(items.front());
  for (std::size_t i = 0; i < std::min(items.size(), kQuickMax); ++i) {
    if (quick_check(items[i])) continue;
    status.last_success = items[i].at;
    break;
  }
  if (items.front().folder) {
    status.encrypted = false;
    return;
  }
  const auto file = world_.files.open_read(items.front().path);
  const auto begin = file ? (*file)->read_at(0, kBeginBytes) : Result<std::string>(file.error());
  if (begin) status.encrypted = !encryption_of(*begin).empty();
}

Result<std::string> BackupWatch::report_text() {
  if (!set_.report.empty()) return world_.files.read(set_.report, kReportBytesMax);
  base::Command command;
  command.arguments = set_.command;
  command.environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}};
  command.timeout = kCommandTimeout;
  command.output_bytes_max = kReportBytesMax;
  TC_TRY(auto result, world_.run_command(std::move(command)));
  if (result.timed_out || result.signal != 0 || result.exit_status != 0) {
    return base::error(
        base::ErrorCode::Unavailable,
        fmt::format("{}: {}", set_.command.front(),
                    result.timed_out ? "no answer in time"
                                     : fmt::format("exit status {}", result.exit_status)));
  }
  return std::move(result.output);
}

void BackupWatch::look_at_report(BackupStatus& status) {
  auto report = [&]() -> Result<BackupReport> {
    TC_TRY(const std::string text, report_text());
    return parse_backup_report(set_.kind, text, set_.report_name);
  }();
  if (!report) {
    status.failed.emplace("report", report.error());
    return;
  }
  status.backups = report->backups;
  status.last_success = report->last;
  status.last_duration_seconds = report->last_duration_seconds;
  if (report->last) status.last_size_bytes = report->last_size_bytes;
  status.quick = std::move(report->found);
  if (report->has_wal && report->oldest && report->last) {
    status.reported_window = world_.clock.wall() - *report->oldest;
  }
}

void BackupWatch::look_at_wal(BackupStatus& status) {
  const auto names = wal_names(world_.files, set_.wal_archive, 2);
  if (!names) {
    status.failed.emplace("wal", names.error());
    return;
  }
  WalLook wal;
  const std::string* newest = nullptr;
  std::pair<std::uint32_t, std::uint64_t> newest_at;
  for (const std::string& name : *names) {
    const WalName parsed = *parse_wal_name(name);
    if (parsed.kind == WalName::Kind::History) {
      const auto text =
          world_.files.read(base::join_path(set_.wal_archive, name), kHistoryBytesMax);
      if (const auto where = text ? parse_wal_history(*text) : std::nullopt) {
        wal.switches[parsed.timeline] = *where;
      }
    }
    if (parsed.kind != WalName::Kind::Segment) continue;
    const std::pair at(parsed.timeline, parsed.number(set_.wal_segment_bytes));
    if (newest != nullptr && at < newest_at) continue;
    newest = &name;
    newest_at = at;
  }
  wal.timelines = look_through_wal(*names, set_.wal_segment_bytes, wal.switches);
  if (newest != nullptr) {
    const auto modified = modified_of(world_.files, set_.wal_archive, *newest);
    if (modified) wal.newest = base::wall_time(*modified / 1'000'000);
  }
  wal.window = window_of(wal, status);
  status.wal = std::move(wal);
}

/// From the oldest base backup whose WAL is there without a gap until the newest segment.
std::optional<base::Duration> BackupWatch::window_of(const WalLook& wal,
                                                     const BackupStatus& status) {
  if (set_.kind != BackupKind::BaseBackup) return std::nullopt;
  base::Duration window{0};
  for (const BackupItem& item : last_look_.items) {
    if (!item.folder) continue;
    auto& [modified, range] = starts_[item.path];
    if (modified != item.modified) {
      modified = item.modified;
      range.reset();
      Pace pace(world_.clock, 0, {});
      auto file =
          PacedFile::open(world_.files, base::join_path(item.path, "backup_manifest"), pace);
      Manifest manifest;
      if (file && !read_manifest(*file, {}, manifest) && !manifest.wal.empty()) {
        range = manifest.wal.front();
      }
    }
    if (!range || !wal.newest) continue;
    const bool reaches =
        wal_reaches_end(wal.timelines, wal.switches, range->timeline,
                        range->start / set_.wal_segment_bytes, set_.wal_segment_bytes);
    if (reaches && *wal.newest > item.at) window = std::max(window, *wal.newest - item.at);
  }
  std::erase_if(starts_, [&](const auto& each) {
    return std::none_of(last_look_.items.begin(), last_look_.items.end(),
                        [&](const BackupItem& item) { return item.path == each.first; });
  });
  return status.failed.contains("files") ? std::nullopt : std::optional(window);
}

}  // namespace tocsin::agent
