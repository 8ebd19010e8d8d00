#include "agent/collectors/mail/spool_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

/// No vowels, so that no id is a word.
constexpr std::string_view kPostfixDigits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
constexpr std::string_view kEximDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kSecondsDigits = 6;
/// Six digits of seconds, four of microseconds, 'z', the file's number.
constexpr std::size_t kPostfixMark = 10;

struct DirectoryClose {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryClose>;

Result<Directory> open_folder(int at, const char* name, const std::string& shown) {
  const int fd = ::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0) {
    if (Directory directory{::fdopendir(fd)}) return directory;
    ::close(fd);
  }
  const int number = errno;
  char buffer[128];
  const ErrorCode code = number == ENOENT                      ? ErrorCode::NotFound
                         : number == EACCES || number == EPERM ? ErrorCode::PermissionDenied
                                                               : ErrorCode::Io;
  return base::error(
      code, fmt::format("cannot list '{}': {}", shown, strerror_r(number, buffer, sizeof buffer)));
}

bool is_message(std::string_view name, MailServer server) {
  // Exim: a header file and a data file for each.
  return server == MailServer::Postfix || name.ends_with("-H");
}

std::optional<std::int64_t> digits_value(std::string_view text, std::string_view digits) {
  std::int64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == digits.npos) return std::nullopt;
    value = value * static_cast<std::int64_t>(digits.size()) + static_cast<std::int64_t>(digit);
  }
  return value;
}

base::WallTime time_of(const struct statx_timestamp& stamp) {
  return base::wall_time(stamp.tv_sec * 1000 + stamp.tv_nsec / 1'000'000);
}

class Walk {
 public:
  Walk(MailServer server, const SpoolLimits& limits, base::WallTime now)
      : server_(server), limits_(limits), now_(now) {}

  Result<void> folder(int at, const char* name, const std::string& shown, int depth) {
    TC_TRY(const Directory directory, open_folder(at, name, shown));
    const int fd = ::dirfd(directory.get());
    while (const dirent* entry = ::readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      struct statx about {};
      if (::statx(fd, entry->d_name, AT_SYMLINK_NOFOLLOW,
                  STATX_TYPE | STATX_MTIME | STATX_CTIME | STATX_BTIME, &about) != 0) {
        if (errno == ENOENT) continue;  // delivered meanwhile
        return base::error(ErrorCode::PermissionDenied,
                           fmt::format("cannot look at the files in '{}'", shown));
      }
      if (S_ISDIR(about.stx_mode) && depth < limits_.depth_max) {
        auto below = folder(fd, entry->d_name, shown + "/" + entry->d_name, depth + 1);
        // A hash folder may be removed while we look.
        if (!below && below.error().code != ErrorCode::NotFound) return below.error();
      } else if (S_ISREG(about.stx_mode) && is_message(entry->d_name, server_)) {
        message(entry->d_name, about);
      }
      if (count_.cut) break;
    }
    return base::ok();
  }

  SpoolCount count() const { return count_; }

 private:
  void message(std::string_view name, const struct statx& about) {
    if (count_.messages >= static_cast<double>(limits_.files_max)) {
      count_.cut = true;
      return;
    }
    ++count_.messages;
    std::optional<base::WallTime> came = queue_id_time(name, server_);
    if (!came && (about.stx_mask & STATX_BTIME) != 0) came = time_of(about.stx_btime);
    if (!came) came = std::min(time_of(about.stx_mtime), time_of(about.stx_ctime));
    came = std::min(*came, now_);
    if (!count_.oldest || *came < *count_.oldest) count_.oldest = came;
  }

  MailServer server_;
  const SpoolLimits& limits_;
  base::WallTime now_;
  SpoolCount count_;
};

}  // namespace

Result<SpoolCount> count_spool(const std::string& folder, MailServer server,
                               const SpoolLimits& limits, base::WallTime now) {
  Walk walk(server, limits, now);
  TC_TRY(walk.folder(AT_FDCWD, folder.c_str(), folder, 0));
  return walk.count();
}

std::optional<base::WallTime> queue_id_time(std::string_view id, MailServer server) {
  std::string_view digits = kEximDigits;
  if (server == MailServer::Postfix) {
    // A short id is hexadecimal: upper case, and no 'z'.
    if (id.size() <= kPostfixMark || id[kPostfixMark] != 'z') return std::nullopt;
    digits = kPostfixDigits;
  } else if (id.size() <= kSecondsDigits || id[kSecondsDigits] != '-') {
    return std::nullopt;
  }
  const auto seconds = digits_value(id.substr(0, kSecondsDigits), digits);
  if (!seconds) return std::nullopt;
  return base::wall_time(*seconds * 1000);
}

}  // namespace tocsin::agent
