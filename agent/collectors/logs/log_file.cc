#include "agent/collectors/logs/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kSiblingsMax = 500;

base::Error log_file_error(std::string_view what, const std::string& path, int number) {
  char buffer[128];
  std::string message =
      fmt::format("cannot {} '{}': {}", what, path, strerror_r(number, buffer, sizeof buffer));
  if (number == ENOENT || number == ENOTDIR) return {ErrorCode::NotFound, std::move(message)};
  if (number == EACCES || number == EPERM) {
    message +=
        "; put the agent's user into the group that may read it (usermod -aG adm tocsin),"
        " and see that its folders may be entered";
    return {ErrorCode::PermissionDenied, std::move(message)};
  }
  return {ErrorCode::Io, std::move(message)};
}

base::WallTime wall_of(const struct statx_timestamp& time) {
  return base::wall_time(time.tv_sec * 1000 + time.tv_nsec / 1'000'000);
}

Result<LogFileStatus> statx_of(int fd, const char* name, int flags, const std::string& path) {
  struct statx status {};
  constexpr unsigned kMask =
      STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_BTIME;  // NOLINT
  if (::statx(fd, name, flags, kMask, &status) != 0) return log_file_error("stat", path, errno);
  if (!S_ISREG(status.stx_mode)) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("'{}' is no regular file", path));
  }
  LogFileStatus result;
  result.identity.device = std::uint64_t{status.stx_dev_major} << 32U | status.stx_dev_minor;
  result.identity.inode = status.stx_ino;
  result.size = status.stx_size;
  result.modified = wall_of(status.stx_mtime);
  if ((status.stx_mask & STATX_BTIME) != 0) result.born = wall_of(status.stx_btime);
  return result;
}

bool is_wild(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

bool is_compressed(std::string_view name) {
  for (const std::string_view end : {".gz", ".xz", ".bz2", ".zst", ".lz4"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

}  // namespace

Result<LogFile> LogFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return log_file_error("open", path, errno);
  LogFile file(fd, path);
  TC_TRY(const LogFileStatus status, file.status());
  file.identity_ = status.identity;
  return file;
}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

LogFile::LogFile(LogFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      identity_(other.identity_) {}

LogFile& LogFile::operator=(LogFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  return *this;
}

Result<LogFileStatus> LogFile::status() const {
  return statx_of(fd_, "", AT_EMPTY_PATH, path_);
}

Result<std::string_view> LogFile::read_at(std::uint64_t offset, std::span<char> buffer) const {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t got =
        ::pread(fd_, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return log_file_error("read", path_, errno);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return std::string_view(buffer.data(), done);
}

Result<LogFileStatus> log_file_status(const std::string& path) {
  return statx_of(AT_FDCWD, path.c_str(), 0, path);
}

std::size_t name_begin(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? 0 : slash + 1;
}

Result<std::vector<std::string>> expand_pattern(const base::FileSystem& files,
                                                const std::string& pattern, std::size_t paths_max) {
  if (!is_wild(pattern)) return std::vector<std::string>{pattern};
  std::vector<std::string> found{"/"};
  std::optional<base::Error> first_error;
  for (const std::string_view part : base::split(std::string_view(pattern).substr(1), '/')) {
    const bool last = part.data() + part.size() == pattern.data() + pattern.size();
    std::vector<std::string> next;
    for (const std::string& folder : found) {
      if (!is_wild(part)) {
        next.push_back(base::join_path(folder, part));
        continue;
      }
      const auto names = files.list(folder);
      if (!names) {
        if (!first_error && names.error().code != ErrorCode::NotFound) first_error = names.error();
        continue;
      }
      for (const std::string& name : *names) {
        if (last && is_compressed(name)) continue;
        if (::fnmatch(std::string(part).c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
        if (next.size() < paths_max) next.push_back(base::join_path(folder, name));
      }
    }
    found = std::move(next);
  }
  std::erase_if(found, [&](const std::string& path) { return !files.exists(path); });
  if (found.empty() && first_error) return *first_error;
  return found;
}

std::vector<std::string> rotated_siblings(const base::FileSystem& files, const std::string& path) {
  const std::size_t begin = name_begin(path);
  const std::string folder = begin == 0 ? "." : path.substr(0, begin);
  const std::string name = path.substr(begin);
  const std::size_t dot = name.rfind('.');
  const std::string stem = name.substr(0, dot);
  const std::string end = dot == std::string::npos ? std::string() : name.substr(dot);
  std::vector<std::string> siblings;
  const auto names = files.list(folder);
  if (!names) return siblings;
  for (const std::string& other : *names) {
    if (other == name || siblings.size() >= kSiblingsMax) continue;
    const bool behind = other.starts_with(name + ".") || other.starts_with(name + "-");
    const bool inside = other.size() > stem.size() + 1 && other.starts_with(stem) &&
                        (other[stem.size()] == '-' || other[stem.size()] == '.') &&
                        other[stem.size() + 1] >= '0' && other[stem.size() + 1] <= '9' &&
                        other.find(end, stem.size()) != std::string::npos;
    if (behind || inside) siblings.push_back(base::join_path(folder, other));
  }
  return siblings;
}

}  // namespace tocsin::agent
