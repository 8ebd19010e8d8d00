#include "agent/collectors/application/statsd_line.h"

#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kValuesMax = 256;

bool set_kind(std::string_view type, StatsdLine& out) {
  if (type == "c") {
    out.kind = StatsdKind::Counter;
  } else if (type == "g") {
    out.kind = StatsdKind::Gauge;
  } else if (type == "ms") {
    out.kind = StatsdKind::Timer;
  } else if (type == "h" || type == "d") {
    out.kind = StatsdKind::Histogram;
  } else if (type == "s") {
    out.kind = StatsdKind::Set;
  } else {
    return false;
  }
  return true;
}

bool read_values(std::string_view text, StatsdLine& out) {
  if (out.kind == StatsdKind::Set) {
    out.text = text;
    return !text.empty();
  }
  for (const std::string_view value : base::split(text, ':')) {
    if (out.values.size() == kValuesMax) return false;
    const bool is_signed = value.starts_with('+') || value.starts_with('-');
    if (out.kind == StatsdKind::Gauge && is_signed) out.kind = StatsdKind::GaugeDelta;
    const auto number = base::parse_double(value.starts_with('+') ? value.substr(1) : value);
    if (!number || !std::isfinite(*number)) return false;
    out.values.push_back(*number);
  }
  return true;
}

void read_tags(std::string_view text, StatsdLine& out) {
  for (const std::string_view tag : base::split(text, ',')) {
    const std::size_t colon = tag.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == tag.size()) continue;
    out.tags.emplace_back(tag.substr(0, colon), tag.substr(colon + 1));
  }
}

}  // namespace

StatsdParse parse_statsd_line(std::string_view line, StatsdLine& out) {
  out = {};
  if (line.starts_with("_e{") || line.starts_with("_sc|")) return StatsdParse::Unsupported;
  const std::vector<std::string_view> fields = base::split(line, '|');
  const std::size_t colon = fields[0].find(':');
  if (fields.size() < 2 || colon == std::string_view::npos || colon == 0) {
    return StatsdParse::Malformed;
  }
  out.name = fields[0].substr(0, colon);
  if (!set_kind(fields[1], out) || !read_values(fields[0].substr(colon + 1), out)) {
    return StatsdParse::Malformed;
  }
  for (std::size_t at = 2; at < fields.size(); ++at) {
    if (fields[at].starts_with('@')) {
      const auto rate = base::parse_double(fields[at].substr(1));
      if (!rate || !(*rate > 0 && *rate <= 1)) return StatsdParse::Malformed;
      out.rate = *rate;
    } else if (fields[at].starts_with('#')) {
      read_tags(fields[at].substr(1), out);
    }
  }
  return StatsdParse::Ok;
}

bool match_statsd_name(std::string_view pattern, std::string_view name,
                       std::vector<std::string_view>& parts) {
  parts.clear();
  const auto wanted = base::split(pattern, '.');
  const auto given = base::split(name, '.');
  if (wanted.size() != given.size()) return false;
  for (std::size_t at = 0; at < wanted.size(); ++at) {
    if (wanted[at] == "*") {
      if (given[at].empty()) return false;
      parts.push_back(given[at]);
    } else if (wanted[at] != given[at]) {
      return false;
    }
  }
  return true;
}

}  // namespace tocsin::agent
