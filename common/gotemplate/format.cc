#include "common/gotemplate/format.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "common/base/strings.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr int kWidthMax = 10'000;

struct Spec {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  int width = -1;
  int precision = -1;
  char verb = 'v';
};

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string pad(std::string text, const Spec& spec, bool zeros_allowed = false) {
  const std::size_t length = count_characters(text);
  if (spec.width < 0 || length >= static_cast<std::size_t>(spec.width)) return text;
  const std::size_t missing = static_cast<std::size_t>(spec.width) - length;
  if (spec.minus) return text + std::string(missing, ' ');
  if (!spec.zero || !zeros_allowed) return std::string(missing, ' ') + text;
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
  return text.substr(0, sign) + std::string(missing, '0') + text.substr(sign);
}

std::string digits_of(std::uint64_t value, int base_number, bool upper) {
  std::array<char, 72> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, base_number);
  std::string text(buffer.data(), end.ptr);
  if (upper) {
    for (char& c : text) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return text;
}

std::string format_integer(std::int64_t value, const Spec& spec) {
  const int base_number = spec.verb == 'b'                       ? 2
                          : spec.verb == 'o' || spec.verb == 'O' ? 8
                          : spec.verb == 'x' || spec.verb == 'X' ? 16
                                                                 : 10;
  const bool negative = value < 0;
  const std::uint64_t size =
      negative ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  std::string digits = digits_of(size, base_number, spec.verb == 'X');
  while (spec.precision > 0 && digits.size() < static_cast<std::size_t>(spec.precision)) {
    digits.insert(0, 1, '0');
  }
  std::string prefix;
  if (spec.sharp && base_number == 16) prefix = spec.verb == 'X' ? "0X" : "0x";
  if (spec.sharp && base_number == 8) prefix = "0";
  if (spec.sharp && base_number == 2) prefix = "0b";
  if (spec.verb == 'O') prefix = "0o";
  const std::string sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  return pad(sign + prefix + digits, spec, spec.precision < 0);
}

std::string format_number(double value, const Spec& spec) {
  const char verb = spec.verb == 'v' ? 'g' : spec.verb;
  const bool shortest = spec.precision < 0 && (verb == 'g' || verb == 'G' || verb == 'x');
  std::string text =
      format_float(value, verb, spec.precision < 0 && !shortest ? 6 : spec.precision);
  if (std::isnan(value)) return pad(spec.plus ? "+NaN" : text, spec);
  if (std::isinf(value)) return pad(text, spec);
  if (text[0] != '-') {
    if (spec.plus) {
      text.insert(0, 1, '+');
    } else if (spec.space) {
      text.insert(0, 1, ' ');
    }
  }
  return pad(std::move(text), spec, true);
}

std::string hex_of(std::string_view text, const Spec& spec) {
  std::string out = spec.sharp && !text.empty() ? (spec.verb == 'X' ? "0X" : "0x") : "";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (spec.space && i > 0) out += ' ';
    const auto byte = static_cast<unsigned char>(text[i]);
    out += spec.verb == 'X' ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  }
  return out;
}

std::string format_string(std::string_view text, const Spec& spec) {
  if (spec.precision >= 0) {
    std::size_t end = 0;
    std::uint32_t point = 0;
    for (int i = 0; i < spec.precision && end < text.size(); ++i) {
      end += decode_utf8(text.substr(end), point);
    }
    text = text.substr(0, end);
  }
  if (spec.verb == 'q') return pad(quote(text), spec);
  if (spec.verb == 'x' || spec.verb == 'X') return pad(hex_of(text, spec), spec);
  if (spec.verb == 'v' && spec.sharp) return pad(quote(text), spec);
  return pad(std::string(text), spec, true);
}

bool verb_fits(const Value& value, char verb) {
  const auto in = [verb](std::string_view verbs) {
    return verbs.find(verb) != std::string_view::npos;
  };
  if (value.boolean() != nullptr) return in("vt");
  if (value.integer() != nullptr) return in("vdboOxXcqU");
  if (value.number() != nullptr) return in("veEfFgGxX");
  if (text_of(value) != nullptr) return in("vsqxX");
  return in("v");
}

void append_value(std::string& out, const Value& value, const Spec& spec);

void append_wrong(std::string& out, const Value& value, char verb) {
  out += fmt::format("%!{}(", verb);
  if (value.is_nil()) {
    out += "<nil>";
  } else {
    out += std::string(type_name(value)) + "=";
    append_value(out, value, Spec{});
  }
  out += ')';
}

void append_list(std::string& out, const List& list, const Spec& spec) {
  out += '[';
  for (std::size_t i = 0; i < list.size() && out.size() < kTextBytesMax; ++i) {
    if (i > 0) out += ' ';
    append_value(out, list[i], spec);
  }
  out += ']';
}

void append_map(std::string& out, const Map& map, const Spec& spec) {
  out += "map[";
  bool first = true;
  for (const auto& [key, value] : map) {
    if (is_method(key) || out.size() >= kTextBytesMax) continue;
    if (!first) out += ' ';
    first = false;
    append_value(out, Value(key), spec);
    out += ':';
    append_value(out, value, spec);
  }
  out += ']';
}

void append_integer(std::string& out, std::int64_t value, const Spec& spec) {
  if (spec.verb == 'c' || spec.verb == 'q') {
    std::string text;
    append_utf8(text, value);
    if (spec.verb == 'q') text = text == "'" ? "'\\''" : '\'' + text + '\'';
    out += pad(std::move(text), spec);
  } else if (spec.verb == 'U') {
    out += pad(fmt::format("U+{:04X}", value), spec);
  } else {
    out += format_integer(value, spec);
  }
}

void append_value(std::string& out, const Value& value, const Spec& spec) {
  if (spec.verb == 'T') {
    out += pad(std::string(type_name(value)), spec);
  } else if (const List* list = list_of(value)) {
    append_list(out, *list, spec);
  } else if (const Map* map = map_of(value)) {
    append_map(out, *map, spec);
  } else if (!verb_fits(value, spec.verb)) {
    append_wrong(out, value, spec.verb);
  } else if (value.is_nil()) {
    out += pad("<nil>", spec);
  } else if (const bool* boolean = value.boolean()) {
    out += pad(*boolean ? "true" : "false", spec);
  } else if (const auto* integer = value.integer()) {
    append_integer(out, *integer, spec);
  } else if (const auto* number = value.number()) {
    out += format_number(*number, spec);
  } else if (const std::string* text = text_of(value)) {
    out += format_string(*text, spec);
  } else {
    out += "<func>";
  }
}

/// One pass over a format.
class Printer {
 public:
  Printer(std::string_view format, std::span<const Value> arguments)
      : format_(format), arguments_(arguments) {}

  std::string run() {
    while (at_ < format_.size()) {
      const std::size_t percent = std::min(format_.find('%', at_), format_.size());
      out_ += format_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < format_.size()) directive();
    }
    if (next_ < arguments_.size()) {
      out_ += "%!(EXTRA ";
      for (std::size_t i = next_; i < arguments_.size(); ++i) {
        if (i > next_) out_ += ", ";
        out_ += std::string(type_name(arguments_[i]));
        if (arguments_[i].is_nil()) continue;
        out_ += '=';
        append_value(out_, arguments_[i], Spec{});
      }
      out_ += ')';
    }
    return std::move(out_);
  }

 private:
  void flags(Spec& spec) {
    for (; at_ < format_.size(); ++at_) {
      switch (format_[at_]) {
        case '-':
          spec.minus = true;
          break;
        case '+':
          spec.plus = true;
          break;
        case '#':
          spec.sharp = true;
          break;
        case ' ':
          spec.space = true;
          break;
        case '0':
          spec.zero = true;
          break;
        default:
          return;
      }
    }
  }

  // A number or '*'; -1 if there is none.
  int size(std::string_view complaint) {
    if (at_ < format_.size() && format_[at_] == '*') {
      ++at_;
      const auto* value = next_ < arguments_.size() ? arguments_[next_].integer() : nullptr;
      if (next_ < arguments_.size()) ++next_;
      if (value != nullptr && *value >= -kWidthMax && *value <= kWidthMax) {
        return static_cast<int>(*value);
      }
      out_ += complaint;
      return -1;
    }
    int value = -1;
    for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
      value = std::min(std::max(value, 0) * 10 + (format_[at_] - '0'), kWidthMax + 1);
    }
    if (value > kWidthMax) {
      out_ += complaint;
      return -1;
    }
    return value;
  }

  void directive() {
    Spec spec;
    flags(spec);
    spec.width = size("%!(BADWIDTH)");
    if (spec.width < -1) {
      spec.minus = true;
      spec.width = -spec.width;
    }
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      spec.precision = std::max(size("%!(BADPREC)"), 0);
    }
    if (at_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      return;
    }
    spec.verb = format_[at_++];
    if (spec.verb == '%') {
      out_ += '%';
    } else if (next_ >= arguments_.size()) {
      out_ += fmt::format("%!{}(MISSING)", spec.verb);
    } else {
      append_value(out_, arguments_[next_++], spec);
    }
  }

  std::string_view format_;
  std::span<const Value> arguments_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  std::string out_;
};

// The shortest digits that read back, but exponent form from 1e6 on: Go decides by six digits here,
// so a million prints as 1e+06.
std::string shortest_general(double value, bool upper) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  const std::size_t exponent_at = text.find('e');
  const int exponent = std::stoi(text.substr(exponent_at + 1));
  if (exponent < -4 || exponent >= 6) {
    if (upper) text[exponent_at] = 'E';
    return text;
  }
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return {buffer.data(), fixed.ptr};
}

}  // namespace

std::string format_float(double value, char verb, int precision) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  const bool upper = verb == 'E' || verb == 'G' || verb == 'X';
  if ((verb == 'g' || verb == 'G') && precision < 0) return shortest_general(value, upper);
  std::array<char, 1100> buffer{};
  const int digits = std::min(precision, 300);
  char conversion = static_cast<char>(verb | 0x20);
  if (conversion == 'x') conversion = 'a';
  const std::array<char, 5> pattern{
      '%', '.', '*', upper ? static_cast<char>(conversion & ~0x20) : conversion, '\0'};
  const int length =
      precision < 0 && conversion == 'a'
          ? std::snprintf(buffer.data(), buffer.size(), upper ? "%A" : "%a", value)
          : std::snprintf(buffer.data(), buffer.size(), pattern.data(), std::max(digits, 0), value);
  return {buffer.data(), static_cast<std::size_t>(length)};
}

std::string format_printf(std::string_view format, std::span<const Value> arguments) {
  return Printer(format, arguments).run();
}

std::string format_print(std::span<const Value> arguments) {
  std::string out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool texts =
        i > 0 && (arguments[i].string() != nullptr || arguments[i - 1].string() != nullptr);
    if (i > 0 && !texts) out += ' ';
    append_value(out, arguments[i], Spec{});
  }
  return out;
}

std::string format_println(std::span<const Value> arguments) {
  std::string out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0) out += ' ';
    append_value(out, arguments[i], Spec{});
  }
  return out + "\n";
}

std::string format_value(const Value& value) {
  std::string out;
  append_value(out, value, Spec{});
  return out;
}

void append_utf8(std::string& out, std::int64_t point) {
  const bool bad = point < 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff);
  const auto code = static_cast<std::uint32_t>(bad ? 0xfffd : point);
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
    return;
  }
  if (code < 0x800) {
    put(0xc0U | (code >> 6U));
  } else if (code < 0x10000) {
    put(0xe0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3fU));
  } else {
    put(0xf0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3fU));
    put(0x80U | ((code >> 6U) & 0x3fU));
  }
  put(0x80U | (code & 0x3fU));
}

std::size_t decode_utf8(std::string_view text, std::uint32_t& point) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  point = lead;
  if (length == 1) return 1;
  if (!base::is_utf8(text.substr(0, length)) || text.size() < length) {
    point = 0xfffd;
    return 1;
  }
  point = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  return length;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    std::uint32_t point = 0;
    const std::size_t length = decode_utf8(text, point);
    const char c = text[0];
    static constexpr std::string_view kFrom = "\a\b\f\n\r\t\v\\\"";
    static constexpr std::string_view kTo = "abfnrtv\\\"";
    if (const std::size_t known = kFrom.find(c); known != std::string_view::npos) {
      out += '\\';
      out += kTo[known];
    } else if (length == 1 && (point < 0x20 || point >= 0x7f)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out + '"';
}

}  // namespace tocsin::gotemplate
