#include "agent/collectors/host/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kFirstReadBytes = 4096;
constexpr std::size_t kKeptMax = 8;
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

base::Error read_error(const std::string& path, int number) {
  base::ErrorCode code = base::ErrorCode::Io;
  if (number == ENOENT || number == ENOTDIR || number == ESRCH) code = base::ErrorCode::NotFound;
  if (number == EACCES || number == EPERM) code = base::ErrorCode::PermissionDenied;
  if (number == EFBIG) code = base::ErrorCode::LimitExceeded;
  char text[128];
  return base::error(code, "cannot read '" + path + "': " + strerror_r(number, text, sizeof text));
}

template <class T>
std::optional<T> whole(std::string_view text, int base) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string HostPaths::under_root(std::string_view path) const {
  std::string out = root;
  while (out.ends_with('/')) out.pop_back();
  return out.append(path);
}

Folder::Folder(const std::string& path)
    : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Folder::~Folder() {
  if (fd_ >= 0) ::close(fd_);
}

FileReader::~FileReader() {
  for (const Kept& kept : kept_) ::close(kept.fd);
}

// Returns 0 or the error number. From the beginning, wherever the last read ended.
int FileReader::read_all(int fd, Pieces pieces, std::string_view& content) {
  if (buffer_.size() < kFirstReadBytes) buffer_.resize(kFirstReadBytes);
  std::size_t done = 0;
  int failure = 0;
  for (;;) {
    if (done == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    const ssize_t got =
        ::pread(fd, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure = errno;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
    if (done > bytes_max_) {
      failure = EFBIG;
      break;
    }
    if (pieces == Pieces::One && done < buffer_.size()) break;
  }
  content = std::string_view(buffer_).substr(0, done);
  return failure;
}

int FileReader::read_attribute(int folder, const char* path, std::string_view& content) {
  const int fd = ::openat(folder, path, kOpenFlags);
  if (fd < 0) return errno;
  const int failure = read_all(fd, Pieces::One, content);
  ::close(fd);
  return failure;
}

base::Result<std::string_view> FileReader::read(const std::string& path) {
  std::string_view content;
  for (const Kept& kept : kept_) {
    if (kept.path == path && read_all(kept.fd, Pieces::Many, content) == 0) return content;
  }
  const int fd = ::open(path.c_str(), kOpenFlags);
  if (fd < 0) return read_error(path, errno);
  const int failure = read_all(fd, Pieces::Many, content);
  const bool known =
      std::any_of(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.path == path; });
  if (failure == 0 && !known && kept_.size() < kKeptMax && is_procfs(fd)) {
    kept_.push_back({path, fd});
  } else {
    ::close(fd);
  }
  if (failure != 0) return read_error(path, failure);
  return content;
}

std::optional<std::string_view> FileReader::attribute(const std::string& path) {
  std::string_view content;
  if (read_attribute(AT_FDCWD, path.c_str(), content) != 0) return std::nullopt;
  return base::trim(content);
}

std::optional<std::string_view> FileReader::attribute(const Folder& folder, const char* name) {
  std::string_view content;
  if (!folder || read_attribute(folder.fd(), name, content) != 0) return std::nullopt;
  return base::trim(content);
}

bool is_procfs(int fd) {
  struct statfs status {};
  return ::fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  return names;
}

bool path_exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::string_view Fields::next() {
  std::size_t begin = 0;
  while (begin < rest_.size() && (rest_[begin] == ' ' || rest_[begin] == '\t')) ++begin;
  std::size_t end = begin;
  while (end < rest_.size() && rest_[end] != ' ' && rest_[end] != '\t') ++end;
  const std::string_view field = rest_.substr(begin, end - begin);
  rest_.remove_prefix(end);
  return field;
}

std::optional<std::uint64_t> Fields::next_number() {
  return whole<std::uint64_t>(next(), 10);
}

bool Fields::at_end() {
  return rest_.find_first_not_of(" \t") == std::string_view::npos;
}

std::optional<std::int64_t> parse_c_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.front() == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  if (text.starts_with('-')) return std::nullopt;
  const auto value = whole<std::int64_t>(text, base);
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  return whole<std::uint64_t>(text, 16);
}

base::Error malformed(std::string_view file, std::string_view what) {
  constexpr std::size_t kShownBytes = 160;
  return base::error(
      base::ErrorCode::InvalidArgument,
      "'" + std::string(file) + "': " + base::escape_control(what.substr(0, kShownBytes)));
}

}  // namespace tocsin::agent
