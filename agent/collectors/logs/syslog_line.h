// The head of a line that a syslog daemon wrote: when, which program, and what it said.
#pragma once

#include <optional>
#include <string_view>

#include "common/base/time.h"

namespace tocsin::agent {

struct SyslogLine {
  std::optional<base::WallTime> time;
  std::string_view program;  ///< Without path and number: "sshd".
  std::string_view pid;      ///< "" if not written.
  std::string_view message;
};

/// Reads "Nov 27 22:04:13 host sshd[123]: text" (RFC 3164: this machine's local time, the year that
/// brings it closest below `now`) and "2026-11-27T22:04:13.123456+01:00 host sshd[123]: text".
/// nullopt: neither.
std::optional<SyslogLine> parse_syslog(std::string_view line, base::WallTime now);

}  // namespace tocsin::agent
