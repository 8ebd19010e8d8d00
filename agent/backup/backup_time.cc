#include "agent/backup/backup_time.h"

#include <re2/re2.h>

#include "agent/backup/pg_archive.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kDay = std::chrono::hours(24);

std::optional<ContentTime> content_time(int year, int month, int day, int hour, int minute) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  ContentTime time;
  time.day_only = hour < 0;
  time.at = base::WallTime(
      std::chrono::duration_cast<base::Duration>(std::chrono::sys_days(date).time_since_epoch()));
  if (!time.day_only) time.at += std::chrono::hours(hour) + std::chrono::minutes(minute);
  return time;
}

int number_or(const std::string& text, int otherwise) {
  return text.empty() ? otherwise : std::stoi(text);
}

}  // namespace

std::optional<ContentTime> time_in_name(std::string_view name) {
  static const re2::RE2 pattern(
      R"((?:^|\D)(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01]))"
      R"((?:[-_.T ]?([01]\d|2[0-3])[-_.:hH]?([0-5]\d)(?:[-_.:m]?[0-5]\d)?)?(?:\D|$))");
  re2::StringPiece rest(name.data(), name.size());
  std::optional<ContentTime> last;
  std::string year;
  std::string month;
  std::string day;
  std::string hour;
  std::string minute;
  while (re2::RE2::FindAndConsume(&rest, pattern, &year, &month, &day, &hour, &minute)) {
    const auto time = content_time(std::stoi(year), std::stoi(month), std::stoi(day),
                                   number_or(hour, -1), number_or(minute, 0));
    if (time) last = time;
  }
  return last;
}

std::optional<ContentTime> time_in_content(std::string_view begin) {
  if (is_pg_archive(begin)) {
    bool given = false;
    ArchiveInput input([&]() -> base::Result<std::string_view> {
      if (given) return std::string_view();
      given = true;
      return begin;
    });
    PgArchiveHeader header;
    if (read_pg_archive_header(input, header) || header.created_seconds == 0) return std::nullopt;
    return ContentTime{base::wall_time(header.created_seconds * 1'000), false};
  }
  // gzip writes the time of the file that it compressed, and 0 for a pipe.
  if (begin.size() >= 8 && compression::format_of(begin) == compression::Format::Gzip) {
    std::int64_t seconds = 0;
    for (int i = 7; i >= 4; --i) seconds = seconds << 8 | static_cast<unsigned char>(begin[i]);
    if (seconds != 0) return ContentTime{base::wall_time(seconds * 1'000), false};
  }
  return std::nullopt;
}

std::optional<ContentTime> time_in_backup_label(std::string_view text) {
  static const re2::RE2 pattern(R"(START TIME: (\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):\d\d)");
  int parts[5] = {};
  const re2::StringPiece input(text.data(), text.size());
  if (!re2::RE2::PartialMatch(input, pattern, &parts[0], &parts[1], &parts[2], &parts[3],
                              &parts[4])) {
    return std::nullopt;
  }
  return content_time(parts[0], parts[1], parts[2], parts[3], parts[4]);
}

bool touched(base::WallTime modified, const ContentTime& content, base::Duration slack) {
  return modified - content.at > slack + (content.day_only ? kDay : base::Duration{0});
}

std::string_view encryption_of(std::string_view begin) {
  using namespace std::string_view_literals;
  if (begin.starts_with("age-encryption.org/") ||
      begin.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")) {
    return "age";
  }
  if (begin.starts_with("-----BEGIN PGP MESSAGE-----")) return "gpg";
  if (begin.starts_with("Salted__")) return "openssl";
  // OpenPGP packets: a session key for a public key (version 3), or for a passphrase (version 4).
  // Source: RFC 4880, 4.2, 5.1 and 5.3.
  const bool public_key = begin.starts_with("\x84"sv) || begin.starts_with("\x85"sv);
  if (public_key && begin.size() > 3 && begin[begin[0] == '\x84' ? 2 : 3] == '\x03') return "gpg";
  if (begin.starts_with("\x8c\x0d\x04"sv) || begin.starts_with("\xc1"sv) ||
      begin.starts_with("\xc3\x0d\x04"sv)) {
    return "gpg";
  }
  return {};
}

}  // namespace tocsin::agent
