// Log-ins, the kernel's texts, ends of logs and of the journal.
#include <fmt/format.h>
#include <systemd/sd-journal.h>
#include <utmpx.h>

#include <cstring>
#include <deque>

#include "agent/snapshot/scrub.h"
#include "agent/snapshot/sections.h"
#include "common/base/strings.h"
#include "common/base/time.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kKernelBytesMax = 256 << 10;

template <std::size_t N>
std::string field_text(const char (&field)[N]) {
  return scrub(std::string_view(field, ::strnlen(field, N)));
}

/// The newest `lines_max` records of utmp(5).
boost::json::array logins_of(const std::string& bytes, std::size_t lines_max, bool only_users) {
  std::deque<boost::json::object> newest;
  for (std::size_t at = bytes.size() % sizeof(utmpx); at + sizeof(utmpx) <= bytes.size();
       at += sizeof(utmpx)) {
    utmpx record;
    std::memcpy(&record, bytes.data() + at, sizeof record);
    if (only_users && record.ut_type != USER_PROCESS) continue;
    boost::json::object login;
    login["user"] = field_text(record.ut_user);
    login["line"] = field_text(record.ut_line);
    login["from"] = field_text(record.ut_host);
    login["pid"] = record.ut_pid;
    login["kind"] = record.ut_type == USER_PROCESS   ? "login"
                    : record.ut_type == DEAD_PROCESS ? "logout"
                    : record.ut_type == BOOT_TIME    ? "boot"
                                                     : "other";
    login["time"] = base::format_rfc3339(base::wall_time(std::int64_t{record.ut_tv.tv_sec} * 1000));
    newest.push_back(std::move(login));
    if (newest.size() > lines_max) newest.pop_front();
  }
  return boost::json::array(newest.begin(), newest.end());
}

boost::json::array last_lines(std::string_view text, std::size_t lines_max) {
  std::deque<std::string_view> newest;
  base::for_each_line(text, [&](std::string_view line) {
    newest.push_back(line);
    if (newest.size() > lines_max) newest.pop_front();
  });
  boost::json::array lines;
  for (const std::string_view line : newest) lines.emplace_back(scrub(line));
  return lines;
}

std::string field_of(sd_journal* journal, const char* name) {
  const void* data = nullptr;
  std::size_t length = 0;
  if (::sd_journal_get_data(journal, name, &data, &length) < 0) return {};
  const std::string_view text(static_cast<const char*>(data), length);
  return std::string(text.substr(std::min(text.size(), std::strlen(name) + 1)));
}

base::Error journal_error(int code) {
  return base::error(base::ErrorCode::PermissionDenied,
                     fmt::format("the journal cannot be read: {}; members of the group "
                                 "systemd-journal may",
                                 std::strerror(-code)));
}

}  // namespace

void add_logins(SnapshotWork& work) {
  const auto read = [&](const char* name, const char* path, bool only_users) {
    if (const auto bytes = work.end_of_file(work.root(path))) {
      work.document[name] = logins_of(*bytes, work.request.limits.lines_max, only_users);
    }
  };
  read("logged_in", "/run/utmp", true);
  read("logins", "/var/log/wtmp", false);
  read("failed_logins", "/var/log/btmp", false);
}

void add_texts(SnapshotWork& work) {
  boost::json::object texts;
  for (const char* name :
       {"/version", "/loadavg", "/meminfo", "/vmstat", "/pressure/cpu", "/pressure/io",
        "/pressure/memory", "/diskstats", "/modules", "/net/dev", "/net/route", "/net/ipv6_route",
        "/net/arp", "/1/mounts", "/sys/kernel/tainted"}) {
    if (const auto text = work.files.read(work.proc(name), kKernelBytesMax)) {
      texts["/proc" + std::string(name)] = scrub(*text);
    } else if (text.error().code != base::ErrorCode::NotFound) {
      work.lacks("/proc" + std::string(name), text.error());
    }
  }
  work.document["texts"] = std::move(texts);
}

void add_logs(SnapshotWork& work) {
  boost::json::object logs;
  for (const char* path : {"/var/log/auth.log", "/var/log/secure", "/var/log/syslog",
                           "/var/log/messages", "/var/log/kern.log", "/var/log/dpkg.log",
                           "/var/log/apt/history.log", "/var/log/dnf.rpm.log"}) {
    if (const auto text = work.end_of_file(work.root(path))) {
      logs[path] = last_lines(*text, work.request.limits.lines_max);
    }
  }
  work.document["logs"] = std::move(logs);
}

void add_journal(SnapshotWork& work) {
  sd_journal* opened = nullptr;
  const int code = ::sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
  if (code < 0) return work.lacks("journal", journal_error(code));
  const std::unique_ptr<sd_journal, decltype(&::sd_journal_close)> journal(opened,
                                                                           ::sd_journal_close);
  std::deque<boost::json::object> entries;
  if (::sd_journal_seek_tail(opened) < 0) return;
  while (entries.size() < work.request.limits.lines_max && ::sd_journal_previous(opened) > 0) {
    std::uint64_t micros = 0;
    static_cast<void>(::sd_journal_get_realtime_usec(opened, &micros));
    boost::json::object entry;
    entry["time"] = base::format_rfc3339(base::wall_time(static_cast<std::int64_t>(micros / 1000)));
    entry["unit"] = scrub(field_of(opened, "_SYSTEMD_UNIT"));
    entry["program"] = scrub(field_of(opened, "SYSLOG_IDENTIFIER"));
    entry["message"] = scrub(field_of(opened, "MESSAGE"));
    entries.push_front(std::move(entry));
  }
  work.document["journal"] = boost::json::array(entries.begin(), entries.end());
}

}  // namespace tocsin::agent
