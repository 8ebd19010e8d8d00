// What a line of an application's log says, whatever its format. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::agent {

enum class LineLevel { None, Debug, Info, Warning, Error, Critical };

/// The value of the label `level`: "none", "debug", "info", "warning", "error", "critical".
std::string_view to_string(LineLevel level);

/// Reads a level's name as programs write it, in any case: "WARN", "err", "fatal", "50" (Python),
/// "emerg". None: unknown.
LineLevel level_of_name(std::string_view name);

/// Finds the level within the first bytes of a line: a word in capitals ("ERROR", "FATAL:"), or in
/// any case where its place tells that it is a level ("[error]", "level=error", "\"error\"").
/// None: there is none, as in the further lines of a traceback.
LineLevel level_of_line(std::string_view line);

/// Returns the level of a syslog priority, 0 to 7. Source: RFC 5424, table 2.
LineLevel level_of_priority(int priority);

/// Returns the line without what differs from one event to the next and may be about people:
/// numbers and dates as "#", quoted text as "'...'", addresses as "<email>", long tokens as "#",
/// what is no ASCII as "*". At most 200 bytes, one line, printable.
std::string fingerprint_text(std::string_view line);

/// Returns whether there is an e-mail address in the line.
bool has_email(std::string_view line);

struct AuditEvent {
  std::string action;  ///< "other" if it is no plain word.
  std::string status;
};

/// Reads the JSON that follows `marker` in a line; nullopt: the marker is not there. JSON that
/// cannot be read is an event all the same, with "malformed" as its action.
std::optional<AuditEvent> audit_event(std::string_view line, std::string_view marker,
                                      std::string_view action_field, std::string_view status_field);

}  // namespace tocsin::agent
