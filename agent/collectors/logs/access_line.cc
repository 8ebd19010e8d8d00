#include "agent/collectors/logs/access_line.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "agent/collectors/logs/json_field.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr int kGroupsMax = 24;

std::optional<int> parse_status(std::string_view text) {
  const auto status = base::parse_u64(text);
  // nginx writes 000 for a request that ended before its answer began.
  if (!status || text.size() != 3 || *status > 599 || (*status != 0 && *status < 100)) {
    return std::nullopt;
  }
  return static_cast<int>(*status);
}

double parse_size(std::string_view text) {
  const auto bytes = base::parse_double(text);
  return bytes && std::isfinite(*bytes) && *bytes >= 0 ? *bytes : 0;
}

std::optional<double> parse_seconds(std::string_view text, double unit) {
  const auto value = base::parse_double(text);
  if (!value || !std::isfinite(*value) || *value < 0) return std::nullopt;
  return *value * unit;
}

/// Takes `"..."` from the front, with \" inside.
std::optional<std::string_view> take_quoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return std::nullopt;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      const std::string_view text = rest.substr(1, i - 1);
      rest.remove_prefix(i + 1);
      return text;
    }
  }
  return std::nullopt;
}

std::string_view take_word(std::string_view& rest) {
  const std::size_t begin = rest.find_first_not_of(' ');
  rest.remove_prefix(begin == std::string_view::npos ? rest.size() : begin);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

RE2::Options access_pattern_options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(std::int64_t{1} << 20U);
  return options;
}

}  // namespace

void set_request(std::string_view request, AccessEntry& entry) {
  const std::size_t first = request.find(' ');
  const std::size_t last = request.rfind(' ');
  if (first == std::string_view::npos || first == 0) return;
  const bool versioned = last > first && request.substr(last + 1).starts_with("HTTP/");
  entry.method = request.substr(0, first);
  entry.path = request.substr(first + 1, versioned ? last - first - 1 : std::string_view::npos);
}

std::optional<AccessEntry> parse_combined(std::string_view line) {
  // address identity user [time] "request" status bytes "referer" "agent" ... duration
  // The user may hold anything, quotes and brackets included: the request is what a time precedes.
  std::size_t at = line.find("] \"");
  if (at == std::string_view::npos || line.find(" [") > at) return std::nullopt;
  std::string_view rest = line.substr(at + 2);
  const auto request = take_quoted(rest);
  if (!request) return std::nullopt;
  const auto status = parse_status(take_word(rest));
  if (!status) return std::nullopt;
  AccessEntry entry;
  set_request(*request, entry);
  entry.status = *status;
  entry.bytes = parse_size(take_word(rest));
  const std::size_t space = rest.rfind(' ');
  if (space != std::string_view::npos && !rest.ends_with('"')) {
    entry.seconds = parse_seconds(rest.substr(space + 1), 1);
  }
  return entry;
}

std::optional<AccessEntry> parse_access_json(std::string_view line,
                                             const AccessFormatSettings& settings) {
  boost::json::value value;
  const boost::json::object* object = parse_json_line(line, value);
  if (object == nullptr) return std::nullopt;
  const auto status = json_field(*object, settings.status_field);
  if (!status) return std::nullopt;
  AccessEntry entry;
  const auto number = parse_status(*status == "0" ? "000" : *status);
  if (!number) return std::nullopt;
  entry.status = *number;
  entry.path = json_field(*object, settings.path_field).value_or("");
  if (auto method = json_field(*object, settings.method_field)) {
    entry.method = std::move(*method);
  } else {
    const std::string request = std::exchange(entry.path, {});
    set_request(request, entry);
  }
  entry.bytes = parse_size(json_field(*object, settings.bytes_field).value_or("0"));
  if (const auto duration = json_field(*object, settings.duration_field)) {
    entry.seconds = parse_seconds(*duration, settings.duration_unit_seconds);
  }
  return entry;
}

struct AccessFormat::State {
  AccessFormatSettings settings;
  std::unique_ptr<RE2> pattern;
  // Groups by number; 0: there is none.
  int method = 0;
  int path = 0;
  int request = 0;
  int status = 0;
  int bytes = 0;
  int duration = 0;

  std::optional<AccessEntry> parse_pattern(std::string_view line) const {
    std::array<re2::StringPiece, kGroupsMax + 1> groups;
    const int count = 1 + pattern->NumberOfCapturingGroups();
    if (!pattern->Match({line.data(), line.size()}, 0, line.size(), RE2::UNANCHORED, groups.data(),
                        count)) {
      return std::nullopt;
    }
    const auto group = [&](int number) {
      const re2::StringPiece piece = groups[static_cast<std::size_t>(number)];
      return number == 0 ? std::string_view() : std::string_view(piece.data(), piece.size());
    };
    const auto code = parse_status(group(status));
    if (!code) return std::nullopt;
    AccessEntry entry;
    entry.status = *code;
    if (request != 0) set_request(group(request), entry);
    if (method != 0) entry.method = group(method);
    if (path != 0) entry.path = group(path);
    entry.bytes = parse_size(group(bytes));
    if (duration != 0) {
      entry.seconds = parse_seconds(group(duration), settings.duration_unit_seconds);
    }
    return entry;
  }
};

AccessFormat::AccessFormat(std::unique_ptr<State> state) : state_(std::move(state)) {}
AccessFormat::AccessFormat(AccessFormat&&) noexcept = default;
AccessFormat& AccessFormat::operator=(AccessFormat&&) noexcept = default;
AccessFormat::~AccessFormat() = default;

base::Result<AccessFormat> AccessFormat::make(AccessFormatSettings settings) {
  auto state = std::make_unique<State>();
  state->settings = std::move(settings);
  if (state->settings.kind != AccessFormatSettings::Kind::Pattern) {
    return AccessFormat(std::move(state));
  }
  state->pattern = std::make_unique<RE2>(state->settings.pattern, access_pattern_options());
  const auto bad = [](std::string why) {
    return base::error(base::ErrorCode::InvalidArgument, std::move(why));
  };
  if (!state->pattern->ok()) return bad("bad regular expression: " + state->pattern->error());
  if (state->pattern->NumberOfCapturingGroups() > kGroupsMax) {
    return bad(fmt::format("the pattern has more than {} groups", kGroupsMax));
  }
  for (const auto& [name, number] : state->pattern->NamedCapturingGroups()) {
    if (name == "method") state->method = number;
    if (name == "path") state->path = number;
    if (name == "request") state->request = number;
    if (name == "status") state->status = number;
    if (name == "bytes") state->bytes = number;
    if (name == "duration") state->duration = number;
  }
  if (state->status == 0 || (state->path == 0 && state->request == 0)) {
    return bad(
        "the pattern needs the groups (?P<status>...) and (?P<path>...) or "
        "(?P<request>...)");
  }
  return AccessFormat(std::move(state));
}

std::optional<AccessEntry> AccessFormat::parse(std::string_view line) const {
  switch (state_->settings.kind) {
    case AccessFormatSettings::Kind::Combined:
      return parse_combined(line);
    case AccessFormatSettings::Kind::Json:
      return parse_access_json(line, state_->settings);
    case AccessFormatSettings::Kind::Pattern:
      return state_->parse_pattern(line);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
