// The functions of Prometheus' and Alertmanager's templates that need nothing from outside.

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "common/base/strings.h"
#include "common/gotemplate/escape.h"
#include "common/gotemplate/format.h"
#include "common/gotemplate/go_time.h"
#include "common/gotemplate/humanize.h"
#include "common/gotemplate/text_case.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

using base::Result;
using Arguments = std::vector<Value>;

constexpr std::size_t kPatternBytesMax = 4096;
constexpr std::size_t kRegexMemoryMax = 1 << 20;
constexpr std::int64_t kGoZeroMs = -62'135'596'800'000;  // 0001-01-01

Result<void> want(const Arguments& arguments, std::size_t count) {
  if (arguments.size() == count) return base::ok();
  return fail(fmt::format("wrong number of args: want {} got {}", count, arguments.size()));
}

Result<std::string> text_at(const Arguments& arguments, std::size_t i) {
  if (i >= arguments.size()) return fail(fmt::format("wrong number of args: got {}", i));
  const std::string* text = text_of(arguments[i]);
  if (text != nullptr) return *text;
  if (list_of(arguments[i]) != nullptr || arguments[i].map() != nullptr) {
    return fail(fmt::format("wrong type: expected string; found {}", type_name(arguments[i])));
  }
  return arguments[i].to_text();
}

/// A function of one text.
Function of_text(std::string (*function)(std::string_view)) {
  return [function](const Arguments& arguments) -> Result<Value> {
    TC_TRY(want(arguments, 1));
    TC_TRY(const std::string text, text_at(arguments, 0));
    return Value(function(text));
  };
}

/// A function of one number.
Function of_number(std::string (*function)(double)) {
  return [function](const Arguments& arguments) -> Result<Value> {
    TC_TRY(want(arguments, 1));
    TC_TRY(const double number, to_number(arguments[0]));
    return Value(function(number));
  };
}

Result<Value> first(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  const List* list = list_of(arguments[0]);
  if (list == nullptr) return fail(fmt::format("first() called on {}", type_name(arguments[0])));
  if (list->empty()) return fail("first() called on vector with no elements");
  return list->front();
}

Value sample_label(const Value& sample, const std::string& name) {
  const Map* fields = sample.map();
  if (fields == nullptr) return Value("");
  const auto labels = fields->find("Labels");
  const Map* map = labels == fields->end() ? nullptr : labels->second.map();
  if (map == nullptr) return Value("");
  const auto found = map->find(name);
  return found == map->end() ? Value("") : found->second;
}

Result<Value> label(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string name, text_at(arguments, 0));
  return sample_label(arguments[1], name);
}

Result<Value> value(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  const Map* fields = arguments[0].map();
  const auto found = fields == nullptr ? Map::const_iterator{} : fields->find("Value");
  if (fields == nullptr || found == fields->end()) return fail("value() needs a sample");
  return found->second;
}

Result<Value> strvalue(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  return sample_label(arguments[0], "__value__");
}

Result<Value> sort_by_label(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string name, text_at(arguments, 0));
  const List* list = list_of(arguments[1]);
  if (list == nullptr) return fail("sortByLabel() needs a vector");
  List sorted = *list;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
    return sample_label(a, name).to_text() < sample_label(b, name).to_text();
  });
  return Value(std::move(sorted));
}

Result<Value> args(const Arguments& arguments) {
  Map map;
  for (std::size_t i = 0; i < arguments.size(); ++i) map[fmt::format("arg{}", i)] = arguments[i];
  return Value(std::move(map));
}

Result<std::unique_ptr<re2::RE2>> compile(const std::string& pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return fail(fmt::format("pattern is {} bytes, limit {}", pattern.size(), kPatternBytesMax));
  }
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kRegexMemoryMax);
  auto regex = std::make_unique<re2::RE2>(pattern, options);
  if (!regex->ok())
    return fail(fmt::format("error parsing regexp {}: {}", pattern, regex->error()));
  return regex;
}

// Expands $1, ${1}, $name, ${name} and $$. A name is the longest run of word characters; an unknown
// one is empty.
std::string expand(const std::string& replacement, const re2::RE2& regex,
                   const std::vector<re2::StringPiece>& groups) {
  std::string out;
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '$' || i + 1 >= replacement.size()) {
      out += replacement[i];
      continue;
    }
    if (replacement[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const bool braces = replacement[i + 1] == '{';
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (end < replacement.size() &&
           (std::isalnum(static_cast<unsigned char>(replacement[end])) != 0 ||
            replacement[end] == '_')) {
      ++end;
    }
    if (end == begin || (braces && (end >= replacement.size() || replacement[end] != '}'))) {
      out += '$';
      continue;
    }
    const std::string name = replacement.substr(begin, end - begin);
    std::size_t group = groups.size();
    if (const auto number = base::parse_u64(name)) {
      group = static_cast<std::size_t>(std::min<std::uint64_t>(*number, groups.size()));
    } else if (const auto named = regex.NamedCapturingGroups().find(name);
               named != regex.NamedCapturingGroups().end()) {
      group = static_cast<std::size_t>(named->second);
    }
    if (group < groups.size()) out.append(groups[group].data(), groups[group].size());
    i = braces ? end : end - 1;
  }
  return out;
}

Result<Value> replace_all(const Arguments& arguments) {
  TC_TRY(want(arguments, 3));
  TC_TRY(const std::string pattern, text_at(arguments, 0));
  TC_TRY(const std::string replacement, text_at(arguments, 1));
  TC_TRY(const std::string text, text_at(arguments, 2));
  TC_TRY(const auto regex, compile(pattern));
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex->NumberOfCapturingGroups()) +
                                       1);
  std::string out;
  std::size_t at = 0;
  std::size_t copied = 0;
  bool after_match = false;
  while (at <= text.size() && regex->Match(text, at, text.size(), re2::RE2::UNANCHORED,
                                           groups.data(), static_cast<int>(groups.size()))) {
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = begin + groups[0].size();
    // As in Go, an empty match right after a match does not count.
    if (!(end == begin && after_match && begin == copied)) {
      out.append(text, copied, begin - copied);
      out += expand(replacement, *regex, groups);
      copied = end;
      after_match = true;
      if (out.size() > kTextBytesMax * 16) return fail("result of reReplaceAll is too long");
    }
    std::uint32_t point = 0;
    at = end > begin         ? end
         : end < text.size() ? end + decode_utf8(std::string_view(text).substr(end), point)
                             : text.size() + 1;
  }
  out.append(text, std::min(copied, text.size()), std::string::npos);
  return Value(std::move(out));
}

Result<Value> match(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string pattern, text_at(arguments, 0));
  TC_TRY(const std::string text, text_at(arguments, 1));
  TC_TRY(const auto regex, compile(pattern));
  return Value(re2::RE2::PartialMatch(text, *regex));
}

Result<Value> join(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string separator, text_at(arguments, 0));
  const List* list = list_of(arguments[1]);
  if (list == nullptr)
    return fail(fmt::format("join needs a list, got {}", type_name(arguments[1])));
  std::string out;
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (i > 0) out += separator;
    out += (*list)[i].to_text();
    if (out.size() > kTextBytesMax * 16) return fail("result of join is too long");
  }
  return Value(std::move(out));
}

Result<Value> make_list(const Arguments& arguments) {
  return Value(List(arguments));
}

Result<Value> append(const Arguments& arguments) {
  const List* list = arguments.empty() ? nullptr : list_of(arguments[0]);
  if (list == nullptr) return fail("append needs a list first");
  List longer = *list;
  longer.insert(longer.end(), arguments.begin() + 1, arguments.end());
  return Value(std::move(longer));
}

Result<Value> dict(const Arguments& arguments) {
  if (arguments.size() % 2 != 0) return fail("dict needs pairs of key and value");
  Map map;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string* key = arguments[i].string();
    if (key == nullptr || is_method(*key)) return fail("keys of dict must be strings");
    map[*key] = arguments[i + 1];
  }
  return Value(std::move(map));
}

Result<void> append_json(std::string& out, const Value& value) {
  if (out.size() > kTextBytesMax) return fail("result of toJson is too long");
  if (value.is_nil()) {
    out += "null";
  } else if (const auto* number = value.number()) {
    if (!std::isfinite(*number)) return fail("json: unsupported value: " + value.to_text());
    out += base::format_double(*number);
  } else if (const std::string* text = text_of(value)) {
    out += escape_json(*text);
  } else if (const List* list = list_of(value)) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ',';
      TC_TRY(append_json(out, (*list)[i]));
    }
    out += ']';
  } else if (const Map* map = map_of(value)) {
    out += '{';
    bool later = false;
    for (const auto& [key, item] : *map) {
      if (is_method(key)) continue;
      if (std::exchange(later, true)) out += ',';
      out += escape_json(key) + ':';
      TC_TRY(append_json(out, item));
    }
    out += '}';
  } else if (value.function() != nullptr) {
    return fail("json: unsupported type: func");
  } else {
    out += value.to_text();
  }
  return base::ok();
}

Result<Value> to_json(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  std::string out;
  TC_TRY(append_json(out, arguments[0]));
  return Value(std::move(out));
}

struct HostPort {
  std::string host;
  std::string port;
};

// As net.SplitHostPort: nullopt where that gives an error.
std::optional<HostPort> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (text.starts_with('[')) {
    if (!host.ends_with(']') || host.find(']') != host.size() - 1) return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return HostPort{std::string(host), std::string(text.substr(colon + 1))};
}

bool is_ip_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    return text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  const auto parts = base::split(text, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto number = base::parse_u64(part);
           return number && *number <= 255 && (part.size() == 1 || part[0] != '0');
         });
}

std::string strip_port(std::string_view text) {
  const auto split = split_host_port(text);
  return split ? split->host : std::string(text);
}

std::string strip_domain(std::string_view text) {
  const auto split = split_host_port(text);
  const std::string host = split ? split->host : std::string(text);
  if (is_ip_address(host)) return std::string(text);
  const std::string name = host.substr(0, host.find('.'));
  return split && !split->port.empty() ? name + ":" + split->port : name;
}

std::string same(std::string_view text) {
  return std::string(text);
}
std::string trimmed(std::string_view text) {
  return std::string(base::trim(text));
}

Result<Value> url_unescape(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  TC_TRY(const std::string text, text_at(arguments, 0));
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const auto byte =
          i + 2 < text.size() + 0 ? base::parse_double("0x" + text.substr(i + 1, 2)) : std::nullopt;
      if (!byte) return fail(fmt::format("invalid URL escape {}", quote(text.substr(i, 3))));
      out += static_cast<char>(static_cast<unsigned char>(*byte));
      i += 2;
    }
  }
  return Value(std::move(out));
}

Result<Value> to_time(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  TC_TRY(const double seconds, to_number(arguments[0]));
  if (!(std::fabs(seconds) * 1e9 < 9223372036854775807.0)) {
    return fail(
        fmt::format("{} cannot be represented as a nanoseconds timestamp since it "
                    "overflows int64",
                    format_float(seconds, 'g', -1)));
  }
  return time_value(base::wall_time(static_cast<std::int64_t>(seconds * 1e9) / 1'000'000));
}

Result<Value> to_duration(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  TC_TRY(const double seconds, to_number(arguments[0]));
  return duration_value(seconds);
}

Result<Value> parse_duration(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  TC_TRY(const std::string text, text_at(arguments, 0));
  const auto duration = base::parse_duration(text);
  if (!duration) return duration.error();
  return Value(static_cast<double>(duration->count()) / 1000.0);
}

// {{ date "15:04" .StartsAt }}
Result<Value> date(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  const Map* time = arguments[1].map();
  const auto format = time == nullptr ? Map::const_iterator{} : time->find(method_key("Format"));
  if (time == nullptr || format == time->end()) return fail("date needs a time");
  return (*format->second.function())({arguments[0]});
}

// {{ toDate "2006-01-02" "2026-11-23" }}; what cannot be read is the zero time.
Result<Value> to_date(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string layout, text_at(arguments, 0));
  TC_TRY(const std::string text, text_at(arguments, 1));
  const auto time = go_time_parse(layout, text);
  return time_value(time ? *time : base::wall_time(kGoZeroMs));
}

Result<Value> must_to_date(const Arguments& arguments) {
  TC_TRY(want(arguments, 2));
  TC_TRY(const std::string layout, text_at(arguments, 0));
  TC_TRY(const std::string text, text_at(arguments, 1));
  TC_TRY(const base::WallTime time, go_time_parse(layout, text));
  return time_value(time);
}

Result<Value> timestamp(const Arguments& arguments) {
  TC_TRY(want(arguments, 1));
  TC_TRY(const double seconds, to_number(arguments[0]));
  TC_TRY(std::string text, humanize_timestamp(seconds));
  return Value(std::move(text));
}

std::string graph_link(std::string_view expression) {
  return "/graph?g0.expr=" + escape_query(expression) + "&g0.tab=0";
}
std::string table_link(std::string_view expression) {
  return "/graph?g0.expr=" + escape_query(expression) + "&g0.tab=1";
}

}  // namespace

Functions standard_functions() {
  return {{"first", first},
          {"label", label},
          {"value", value},
          {"strvalue", strvalue},
          {"sortByLabel", sort_by_label},
          {"args", args},
          {"reReplaceAll", replace_all},
          {"match", match},
          {"title", of_text(title_case)},
          {"toUpper", of_text(upper_case)},
          {"toLower", of_text(lower_case)},
          {"trimSpace", of_text(trimmed)},
          {"join", join},
          {"stringSlice", make_list},
          {"list", make_list},
          {"append", append},
          {"dict", dict},
          {"toJson", to_json},
          {"humanize", of_number(humanize)},
          {"humanize1024", of_number(humanize_1024)},
          {"humanizeDuration", of_number(humanize_duration)},
          {"humanizePercentage", of_number(humanize_percentage)},
          {"humanizeTimestamp", timestamp},
          {"toTime", to_time},
          {"toDuration", to_duration},
          {"parseDuration", parse_duration},
          {"date", date},
          {"toDate", to_date},
          {"mustToDate", must_to_date},
          {"stripPort", of_text(strip_port)},
          {"stripDomain", of_text(strip_domain)},
          {"safeHtml", of_text(same)},
          {"safeUrl", of_text(same)},
          {"urlQueryEscape", of_text(escape_query)},
          {"urlUnescape", url_unescape},
          {"graphLink", of_text(graph_link)},
          {"tableLink", of_text(table_link)}};
}

}  // namespace tocsin::gotemplate
