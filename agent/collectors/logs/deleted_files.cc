#include "agent/collectors/logs/deleted_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kDeletedBytes{"node_deleted_open_bytes",
                                   "Bytes of files that were deleted and are open still."};
constexpr MetricInfo kDeletedFiles{"node_deleted_open_files",
                                   "Files that were deleted and are open still."};
constexpr MetricInfo kHidden{"node_deleted_open_hidden_processes",
                             "Processes whose descriptors may not be seen."};
constexpr std::string_view kDeletedMark = " (deleted)";
constexpr std::size_t kCommBytes = 64;

bool is_pid(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Memory that has a name only: it is no space on a disk.
bool is_memory(std::string_view target) {
  return !target.starts_with('/') || target.starts_with("/memfd:") || target.starts_with("/dev/") ||
         target.starts_with("/SYSV") || target.starts_with("/i915") || target.starts_with("/[");
}

}  // namespace

base::Result<void> DeletedFiles::step(base::MonotonicTime deadline) {
  if (pids_.empty() && clock_.monotonic() >= next_) {
    next_ = clock_.monotonic() + options_.interval;
    TC_TRY(pids_, files_.list(options_.proc));
    std::erase_if(pids_, [](const std::string& name) { return !is_pid(name); });
    scan_.clear();
    seen_.clear();
    hidden_ = 0;
    budget_ = 0;
  }
  if (!pids_.empty()) {
    budget_ = options_.descriptors_per_round;
    while (!pids_.empty() && budget_ > 0 && clock_.monotonic() < deadline) {
      const std::string pid = std::move(pids_.back());
      pids_.pop_back();
      if (!look_at(pid)) ++hidden_;
    }
    if (pids_.empty()) finish();
  }
  if (result_hidden_ == 0) return base::ok();
  return base::error(
      base::ErrorCode::PermissionDenied,
      fmt::format("the open files of {} processes may not be seen: deleted ones among them are not "
                  "counted; AmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH in the agent's "
                  "service shows them",
                  result_hidden_));
}

bool DeletedFiles::look_at(const std::string& pid) {
  const std::string folder = fmt::format("{}/{}/fd", options_.proc, pid);
  const auto names = files_.list(folder);
  if (!names) return names.error().code != base::ErrorCode::PermissionDenied;
  for (const std::string& name : *names) {
    if (budget_ > 0) --budget_;
    const std::string path = base::join_path(folder, name);
    // The link's text costs nothing; a stat may hang on a dead server's file, so only where needed.
    const auto target = files_.read_link(path);
    if (!target || !target->ends_with(kDeletedMark) || is_memory(*target)) continue;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 0) {
      continue;
    }
    if (!seen_.emplace(status.st_dev, status.st_ino).second) continue;
    std::string process = "unknown";
    if (const auto comm = files_.read(fmt::format("{}/{}/comm", options_.proc, pid), kCommBytes)) {
      process = base::escape_control(base::trim(*comm));
      if (!base::is_utf8(process)) process = "unknown";
    }
    Held& held = scan_[process];
    held.bytes += static_cast<double>(status.st_blocks) * 512;
    ++held.files;
  }
  return true;
}

void DeletedFiles::finish() {
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [process, held] : scan_) order.emplace_back(-held.bytes, process);
  std::sort(order.begin(), order.end());
  ByProcess told{{"other", {}}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Held& held = scan_[order[i].second];
    Held& into = told[i < options_.processes_told ? order[i].second : "other"];
    into.bytes += held.bytes;
    into.files += held.files;
  }
  // Who let go is told with 0 once more: an alert about him ends by a value, not by silence.
  if (result_) {
    for (const auto& [process, held] : *result_) {
      if (held.files > 0) told.try_emplace(process);
    }
  }
  result_ = std::move(told);
  result_hidden_ = hidden_;
  scan_.clear();
  seen_.clear();
}

void DeletedFiles::tell(MetricSink& sink) const {
  if (!result_) return;
  for (const auto& [process, held] : *result_) {
    sink.add(kDeletedBytes, {{"process", process}}, held.bytes);
    sink.add(kDeletedFiles, {{"process", process}}, held.files);
  }
  sink.add(kHidden, static_cast<double>(result_hidden_));
}

}  // namespace tocsin::agent
