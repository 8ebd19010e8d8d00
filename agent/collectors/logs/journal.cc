#include "agent/collectors/logs/journal.h"

#include <fmt/format.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFieldBytesMax = 64U << 10U;

struct JournalClose {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};
using JournalPtr = std::unique_ptr<sd_journal, JournalClose>;

base::Error journal_error(std::string_view what, int number) {
  char buffer[128];
  std::string message =
      fmt::format("cannot {} the journal: {}", what, strerror_r(-number, buffer, sizeof buffer));
  if (number == -EACCES || number == -EPERM) {
    message += "; put the agent's user into the group systemd-journal";
    return {ErrorCode::PermissionDenied, std::move(message)};
  }
  return {number == -ENOENT ? ErrorCode::NotFound : ErrorCode::Io, std::move(message)};
}

Result<JournalPtr> open_journal(const std::string& directory) {
  sd_journal* opened = nullptr;
  const int done = directory.empty() ? sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY)
                                     : sd_journal_open_directory(&opened, directory.c_str(), 0);
  if (done < 0) return journal_error("open", done);
  JournalPtr journal(opened);
  // Files that may not be read are as good as absent to libsystemd.
  if (directory.empty() && sd_journal_has_runtime_files(opened) <= 0 &&
      sd_journal_has_persistent_files(opened) <= 0) {
    return base::error(ErrorCode::PermissionDenied,
                       "no file of the journal can be read; put the agent's user into the group "
                       "systemd-journal, and see that journald runs");
  }
  return journal;
}

int add_matches(sd_journal* journal, std::string_view field,
                const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    const std::string match = fmt::format("{}={}", field, value);
    if (const int done = sd_journal_add_match(journal, match.data(), match.size()); done < 0) {
      return done;
    }
  }
  return values.empty() ? 0 : sd_journal_add_disjunction(journal);
}

Result<void> add_filters(sd_journal* journal, const JournalOptions& options) {
  int done = add_matches(journal, "_SYSTEMD_UNIT", options.units);
  if (done >= 0) done = add_matches(journal, "SYSLOG_IDENTIFIER", options.identifiers);
  if (done >= 0 && options.auth) {
    // Anybody may call himself sshd; _UID is the kernel's word.
    for (const char* match : {"SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10", "_UID=0"}) {
      if (done >= 0) done = sd_journal_add_match(journal, match, 0);
    }
  }
  if (done < 0) return journal_error("filter", done);
  return base::ok();
}

std::string_view field_of(sd_journal* journal, const char* name) {
  const void* data = nullptr;
  std::size_t length = 0;
  if (sd_journal_get_data(journal, name, &data, &length) < 0) return {};
  const std::string_view field(static_cast<const char*>(data), length);
  const std::size_t begin = std::strlen(name) + 1;  // NAME=
  return field.size() < begin ? std::string_view() : field.substr(begin);
}

std::string cursor_of(sd_journal* journal) {
  char* text = nullptr;
  if (sd_journal_get_cursor(journal, &text) < 0) return {};
  std::string cursor(text);
  ::free(text);  // NOLINT: libsystemd's allocation
  return cursor;
}

}  // namespace

Result<void> JournalReader::read(const LineSink& line, base::MonotonicTime deadline) {
  TC_TRY(const JournalPtr opened, open_journal(options_.directory));
  sd_journal* journal = opened.get();
  static_cast<void>(sd_journal_set_data_threshold(journal, kFieldBytesMax));
  TC_TRY(add_filters(journal, options_));
  int moved = 0;
  if (!cursor_.empty()) {
    moved = sd_journal_seek_cursor(journal, cursor_.c_str());
    if (moved >= 0) moved = sd_journal_next(journal);
    // The entry itself was read; if it is gone, this is the next one already.
    if (moved > 0 && sd_journal_test_cursor(journal, cursor_.c_str()) > 0) {
      moved = sd_journal_next(journal);
    }
  } else if (first_ && !options_.from_start) {
    moved = sd_journal_seek_tail(journal);
    if (moved >= 0) moved = sd_journal_previous(journal);
    if (moved > 0) {
      cursor_ = cursor_of(journal);
      moved = 0;
    }
  } else {
    moved = sd_journal_seek_head(journal);
    if (moved >= 0) moved = sd_journal_next(journal);
  }
  first_ = false;
  std::uint64_t bytes = 0;
  behind_ = false;
  const std::string own_pid = std::to_string(::getpid());
  while (moved > 0) {
    LogLine entry;
    std::uint64_t realtime_us = 0;
    if (sd_journal_get_realtime_usec(journal, &realtime_us) >= 0) {
      entry.time = base::wall_time(static_cast<std::int64_t>(realtime_us / 1000));
      last_entry_ = entry.time;
    }
    // Each field has memory of its own until the next of that name is asked for.
    const std::string program(field_of(journal, "SYSLOG_IDENTIFIER"));
    const std::string pid(field_of(journal, "_PID"));
    const auto priority = base::parse_u64(field_of(journal, "PRIORITY"));
    const std::string message(field_of(journal, "MESSAGE"));
    entry.program = program;
    entry.pid = pid;
    entry.priority = priority && *priority <= 7 ? static_cast<int>(*priority) : -1;
    entry.text = message;
    // What we say about the lines that we read is no news to us.
    if (pid != own_pid) line(entry);
    ++entries_;
    bytes += message.size() + 256;
    cursor_ = cursor_of(journal);
    if (bytes >= options_.bytes_per_round || clock_.monotonic() >= deadline) {
      behind_ = true;
      break;
    }
    moved = sd_journal_next(journal);
  }
  if (moved < 0) return journal_error("read", moved);
  return base::ok();
}

}  // namespace tocsin::agent
