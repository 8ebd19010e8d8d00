#include "agent/collectors/logs/app_line.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "agent/collectors/logs/json_field.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kLevelWithin = 200;
constexpr std::size_t kFingerprintBytes = 200;
constexpr std::size_t kQuotedMax = 400;
constexpr std::size_t kTokenMax = 24;
constexpr std::size_t kAuditWordMax = 48;

bool is_lower_letter(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper_letter(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_char(char c) {
  return is_lower_letter(c) || is_upper_letter(c) || is_ascii_digit(c) || c == '_';
}

constexpr std::array<std::pair<std::string_view, LineLevel>, 22> kLevelNames{{
    {"trace", LineLevel::Debug},       {"debug", LineLevel::Debug},
    {"10", LineLevel::Debug},          {"info", LineLevel::Info},
    {"information", LineLevel::Info},  {"notice", LineLevel::Info},
    {"log", LineLevel::Info},          {"20", LineLevel::Info},
    {"warn", LineLevel::Warning},      {"warning", LineLevel::Warning},
    {"30", LineLevel::Warning},        {"err", LineLevel::Error},
    {"error", LineLevel::Error},       {"severe", LineLevel::Error},
    {"40", LineLevel::Error},          {"crit", LineLevel::Critical},
    {"critical", LineLevel::Critical}, {"fatal", LineLevel::Critical},
    {"alert", LineLevel::Critical},    {"emerg", LineLevel::Critical},
    {"panic", LineLevel::Critical},    {"50", LineLevel::Critical},
}};

/// Whether the place of a word says that it is the level: [error] level=error "level":"error".
bool placed_as_level(std::string_view line, std::size_t begin, std::size_t end) {
  const char before = begin == 0 ? ' ' : line[begin - 1];
  const char after = end >= line.size() ? ' ' : line[end];
  if (before == '[') return after == ']' || after == ' ';
  if (before == '<') return after == '>';
  if (before == '=' || before == '"') {
    const std::string_view head = line.substr(0, begin - 1);
    const std::size_t key = head.find_last_not_of("\": =");
    const std::string_view name = key == std::string_view::npos ? "" : head.substr(0, key + 1);
    return name.ends_with("level") || name.ends_with("levelname") || name.ends_with("severity") ||
           name.ends_with("lvl");
  }
  return begin == 0 && after == ':';
}

bool is_calendar_word(std::string_view word) {
  constexpr std::array<std::string_view, 19> kWords{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
                                                    "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue",
                                                    "Wed", "Thu", "Fri", "Sat", "Sun"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

bool is_token_char(char c) {
  return is_word_char(c) || c == '-' || c == '.' || c == '@' || c == '+' || c == '%';
}

void append_token(std::string_view token, std::string& text) {
  if (token.find('@') != std::string_view::npos && has_email(token)) {
    text += "<email>";
    return;
  }
  const auto digits = std::count_if(token.begin(), token.end(), is_ascii_digit);
  const bool hexadecimal =
      token.size() >= 8 && std::all_of(token.begin(), token.end(), [](char c) {
        return is_ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
      });
  if (is_calendar_word(token) || (digits > 0 && (hexadecimal || token.size() > kTokenMax))) {
    text += '#';
    return;
  }
  bool in_number = false;
  for (const char c : token) {
    if (is_ascii_digit(c)) {
      if (!std::exchange(in_number, true)) text += '#';
    } else {
      in_number = false;
      text += c;
    }
  }
}

/// Returns the end of the quoted text that begins at `begin`; npos: nothing is quoted there.
std::size_t quoted_end(std::string_view line, std::size_t begin) {
  const char quote = line[begin];
  if (quote != '"' && quote != '\'' && quote != '`') return std::string_view::npos;
  // An apostrophe: "don't".
  if (begin > 0 && is_word_char(line[begin - 1])) return std::string_view::npos;
  for (std::size_t i = begin + 1; i < line.size() && i - begin < kQuotedMax; ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == quote) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

std::string audit_word(std::optional<std::string> value) {
  if (!value || value->empty()) return "none";
  const bool plain =
      value->size() <= kAuditWordMax && std::all_of(value->begin(), value->end(), [](char c) {
        return is_word_char(c) || c == '.' || c == ':' || c == '-';
      });
  return plain ? std::move(*value) : "other";
}

}  // namespace

std::string_view to_string(LineLevel level) {
  constexpr std::array<std::string_view, 6> kNames{"none",    "debug", "info",
                                                   "warning", "error", "critical"};
  return kNames[static_cast<std::size_t>(level)];
}

LineLevel level_of_name(std::string_view name) {
  if (name.size() > 12) return LineLevel::None;
  const std::string lower = base::to_lower(name);
  const auto found = std::find_if(kLevelNames.begin(), kLevelNames.end(),
                                  [&](const auto& one) { return one.first == lower; });
  return found == kLevelNames.end() ? LineLevel::None : found->second;
}

LineLevel level_of_line(std::string_view line) {
  line = line.substr(0, kLevelWithin);
  for (std::size_t begin = 0; begin < line.size();) {
    if (!is_word_char(line[begin])) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < line.size() && is_word_char(line[end])) ++end;
    const std::string_view word = line.substr(begin, end - begin);
    const bool capitals = std::all_of(word.begin(), word.end(), is_upper_letter);
    // Numbers are levels in JSON only; in brackets they are of processes.
    if (!is_ascii_digit(word.front()) && (capitals || placed_as_level(line, begin, end))) {
      const LineLevel level = level_of_name(word);
      if (level != LineLevel::None) return level;
    }
    begin = end;
  }
  return LineLevel::None;
}

LineLevel level_of_priority(int priority) {
  if (priority < 0 || priority > 7) return LineLevel::None;
  if (priority <= 2) return LineLevel::Critical;
  if (priority == 3) return LineLevel::Error;
  if (priority == 4) return LineLevel::Warning;
  return priority == 7 ? LineLevel::Debug : LineLevel::Info;
}

std::string fingerprint_text(std::string_view line) {
  std::string text;
  for (std::size_t at = 0; at < line.size() && text.size() < kFingerprintBytes;) {
    const char c = line[at];
    if (const std::size_t end = quoted_end(line, at); end != std::string_view::npos) {
      text += "'...'";
      at = end;
    } else if (is_token_char(c)) {
      std::size_t stop = at;
      while (stop < line.size() && is_token_char(line[stop])) ++stop;
      append_token(line.substr(at, stop - at), text);
      at = stop;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      while (at < line.size() && static_cast<unsigned char>(line[at]) >= 0x80) ++at;
      text += '*';
    } else {
      const bool blank = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
      if (!blank) text += c;
      if (blank && !text.empty() && text.back() != ' ') text += ' ';
      ++at;
    }
  }
  if (text.size() > kFingerprintBytes) text.resize(kFingerprintBytes);
  return text;
}

bool has_email(std::string_view line) {
  for (std::size_t at = line.find('@'); at != std::string_view::npos; at = line.find('@', at + 1)) {
    if (at == 0 || !is_word_char(line[at - 1])) continue;
    std::size_t end = at + 1;
    while (end < line.size() && (is_word_char(line[end]) || line[end] == '-' || line[end] == '.')) {
      ++end;
    }
    std::string_view domain = line.substr(at + 1, end - at - 1);
    while (domain.ends_with('.')) domain.remove_suffix(1);
    const std::size_t dot = domain.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || domain.size() - dot < 3) continue;
    if (std::all_of(domain.begin() + static_cast<std::ptrdiff_t>(dot) + 1, domain.end(),
                    [](char c) { return is_lower_letter(c) || is_upper_letter(c); })) {
      return true;
    }
  }
  return false;
}

std::optional<AuditEvent> audit_event(std::string_view line, std::string_view marker,
                                      std::string_view action_field,
                                      std::string_view status_field) {
  const std::size_t at = marker.empty() ? std::string_view::npos : line.find(marker);
  if (at == std::string_view::npos) return std::nullopt;
  boost::json::value value;
  const auto* object = parse_json_line(base::trim(line.substr(at + marker.size())), value);
  if (object == nullptr) return AuditEvent{"malformed", "none"};
  return AuditEvent{audit_word(json_field(*object, action_field)),
                    audit_word(json_field(*object, status_field))};
}

}  // namespace tocsin::agent
