#include "agent/collectors/nagios/perfdata.h"

#include <array>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kLabelBytesMax = 100;

struct Unit {
  std::string_view text;
  std::string_view name;
  double factor;
};
constexpr double kKilo = 1e3;
constexpr double kKibi = 1024;
constexpr std::array<Unit, 19> kUnits{
    {{"", "value", 1},
     {"s", "seconds", 1},
     {"ms", "seconds", 1e-3},
     {"us", "seconds", 1e-6},
     {"ns", "seconds", 1e-9},
     {"%", "ratio", 0.01},
     {"c", "total", 1},
     {"B", "bytes", 1},
     // Plugins mean powers of two by them, check_disk at the head.
     {"KB", "bytes", kKibi},
     {"MB", "bytes", kKibi* kKibi},
     {"GB", "bytes", kKibi* kKibi* kKibi},
     {"TB", "bytes", kKibi* kKibi* kKibi* kKibi},
     {"kB", "bytes", kKilo},
     {"KiB", "bytes", kKibi},
     {"MiB", "bytes", kKibi* kKibi},
     {"GiB", "bytes", kKibi* kKibi* kKibi},
     {"TiB", "bytes", kKibi* kKibi* kKibi* kKibi},
     {"m", "seconds", 60},
     {"h", "seconds", 3600}}};

/// A number with '.' or, as plugins in some languages print it, ','.
std::optional<double> number(std::string_view text) {
  std::string dotted(text);
  if (dotted.find('.') == std::string::npos) {
    if (const std::size_t comma = dotted.find(','); comma != std::string::npos) dotted[comma] = '.';
  }
  const auto value = base::parse_double(dotted);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

void scale(std::optional<double>& value, double factor) {
  if (value) *value *= factor;
}

void scale(std::optional<NagiosRange>& range, double factor) {
  if (!range) return;
  scale(range->low, factor);
  scale(range->high, factor);
}

/// "label" or "'label with ''quotes'''"; `rest` begins behind the '='. False if there is none.
bool take_label(std::string_view& rest, std::string& label) {
  label.clear();
  std::size_t at = 0;
  if (rest.starts_with('\'')) {
    for (at = 1; at < rest.size(); ++at) {
      if (rest[at] != '\'') {
        label.push_back(rest[at]);
      } else if (at + 1 < rest.size() && rest[at + 1] == '\'') {
        label.push_back(rest[at++]);
      } else {
        break;
      }
    }
    ++at;
  } else {
    while (at < rest.size() && rest[at] != '=' && rest[at] != ' ') label.push_back(rest[at++]);
  }
  if (at >= rest.size() || rest[at] != '=' || label.empty()) return false;
  rest.remove_prefix(at + 1);
  return true;
}

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = rest.find_first_of(" \t\r\n");
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(word.size());
  return word;
}

bool read_number(std::string_view word, NagiosNumber& out) {
  const std::vector<std::string_view> fields = base::split(word, ';');
  const std::size_t digits = fields[0].find_last_of("0123456789.");
  if (digits == std::string_view::npos) return false;  // "U": the plugin does not know
  const auto value = number(fields[0].substr(0, digits + 1));
  if (!value) return false;
  const std::string_view unit = fields[0].substr(digits + 1);
  double factor = 1;
  out.unit = "value";
  for (const Unit& known : kUnits) {
    if (known.text != unit) continue;
    out.unit = known.name;
    factor = known.factor;
  }
  out.value = *value * factor;
  const auto field = [&](std::size_t at) {
    return at < fields.size() ? fields[at] : std::string_view();
  };
  out.warning = parse_nagios_range(field(1));
  out.critical = parse_nagios_range(field(2));
  out.min = number(field(3));
  out.max = number(field(4));
  scale(out.warning, factor);
  scale(out.critical, factor);
  scale(out.min, factor);
  scale(out.max, factor);
  return true;
}

void parse_numbers(std::string_view rest, std::size_t numbers_max, NagiosOutput& out) {
  for (;;) {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t' || rest.front() == '\r')) {
      rest.remove_prefix(1);
    }
    if (rest.empty()) return;
    NagiosNumber one;
    if (!take_label(rest, one.label)) {
      ++out.unreadable;
      if (take_word(rest).empty()) return;
      continue;
    }
    const std::string_view word = take_word(rest);
    if (one.label.size() > kLabelBytesMax || !base::is_utf8(one.label) ||
        out.numbers.size() >= numbers_max || !read_number(word, one)) {
      ++out.unreadable;
      continue;
    }
    one.label = base::escape_control(one.label);
    out.numbers.push_back(std::move(one));
  }
}

}  // namespace

std::optional<NagiosRange> parse_nagios_range(std::string_view text) {
  NagiosRange range;
  if (text.starts_with('@')) {
    range.inverted = true;
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  const std::size_t colon = text.find(':');
  const std::string_view low =
      colon == std::string_view::npos ? std::string_view("0") : text.substr(0, colon);
  const std::string_view high = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (low != "~") {
    range.low = low.empty() ? std::optional(0.0) : number(low);
    if (!range.low) return std::nullopt;
  }
  if (!high.empty()) {
    range.high = number(high);
    if (!range.high) return std::nullopt;
  }
  return range;
}

NagiosOutput parse_nagios_output(std::string_view text, std::size_t numbers_max) {
  NagiosOutput out;
  bool first = true;
  bool numbers_only = false;  // after the '|' of a further line
  base::for_each_line(text, [&](std::string_view line) {
    const std::size_t bar = line.find('|');
    if (first) out.first_line = std::string(base::trim(line.substr(0, bar)));
    if (numbers_only) {
      parse_numbers(line, numbers_max, out);
    } else if (bar != std::string_view::npos) {
      parse_numbers(line.substr(bar + 1), numbers_max, out);
      numbers_only = !first;
    }
    first = false;
  });
  return out;
}

}  // namespace tocsin::agent
