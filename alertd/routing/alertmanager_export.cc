#include "alertd/routing/alertmanager_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "common/base/time.h"

namespace tocsin::routing {
namespace {

/// Alertmanager has no "never"; ten years of 365 days are one to everybody who waits.
constexpr base::Duration kNever = std::chrono::hours(24 * 3650);

class Writer {
 public:
  void line(int indent, std::string_view text) {
    out_.append(static_cast<std::size_t>(indent), ' ');
    out_ += text;
    out_ += '\n';
  }

  void route(const Route& route, const Route* parent, int indent) {
    line(indent, "receiver: " + yaml_quoted(route.receiver));
    group_by(route, parent, indent);
    if (!route.matchers.empty()) {
      line(indent, "matchers:");
      for (const model::Matcher& matcher : route.matchers) {
        line(indent, "- " + yaml_quoted(matcher.to_string()));
      }
    }
    timing(route, parent, indent);
    if (!route.mute_time_intervals.empty()) {
      line(indent, "mute_time_intervals: " + list(route.mute_time_intervals));
    }
    if (!route.active_time_intervals.empty()) {
      line(indent, "active_time_intervals: " + list(route.active_time_intervals));
    }
    if (route.continues) line(indent, "continue: true");
    if (route.children.empty()) return;
    line(indent, "routes:");
    for (const Route& child : route.children) {
      // A comment may hold no line end; a name with one is not worth a second encoding.
      if (!child.name.starts_with('{') && child.name.find('\n') == std::string::npos) {
        line(indent, fmt::format("# route '{}'", child.name));
      }
      const std::size_t begin = out_.size();
      this->route(child, &route, indent + 2);
      out_[begin + static_cast<std::size_t>(indent)] = '-';
    }
  }

  void interval(const TimeInterval& interval) {
    line(0, "- name: " + yaml_quoted(interval.name));
    line(2, "time_intervals:");
    for (const TimePeriod& period : interval.periods) {
      line(2, "- location: " + yaml_quoted(period.zone.name()));
      if (!period.times.empty()) line(4, "times:");
      for (const Range& range : period.times) {
        line(4, fmt::format("- start_time: \"{}\"", clock_text(range.begin)));
        line(4, fmt::format("  end_time: \"{}\"", clock_text(range.end)));
      }
      ranges("weekdays", period.weekdays, true);
      ranges("days_of_month", period.days_of_month, false);
      ranges("months", period.months, false);
      ranges("years", period.years, false);
    }
  }

  void inhibit(const InhibitRule& rule) {
    if (rule.sources.size() != 1) {
      line(0, fmt::format("# not expressible: an inhibition with {} kinds of sources",
                          rule.sources.size()));
      return;
    }
    line(0, "- source_matchers: " + list(texts(rule.sources.front())));
    line(2, "target_matchers: " + list(texts(rule.target)));
    if (!rule.equal.empty()) line(2, "equal: " + list(rule.equal));
  }

  std::string take() { return std::move(out_); }

 private:
  void group_by(const Route& route, const Route* parent, int indent) {
    if (parent && parent->group_by == route.group_by &&
        parent->group_by_all == route.group_by_all) {
      return;
    }
    line(indent, "group_by: " +
                     list(route.group_by_all ? std::vector<std::string>{"..."} : route.group_by));
  }

  static std::string list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
      if (out.size() > 1) out += ", ";
      out += yaml_quoted(text);
    }
    return out + "]";
  }

  static std::vector<std::string> texts(const std::vector<model::Matcher>& matchers) {
    std::vector<std::string> out;
    for (const model::Matcher& matcher : matchers) out.push_back(matcher.to_string());
    return out;
  }

  static std::string clock_text(int minutes) {
    return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
  }

  void ranges(std::string_view key, const std::vector<Range>& ranges, bool weekdays) {
    if (ranges.empty()) return;
    constexpr std::array<std::string_view, 7> kDays{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};
    const auto text = [&](int value) {
      return weekdays ? std::string(kDays.at(static_cast<std::size_t>(value)))
                      : std::to_string(value);
    };
    std::vector<std::string> out;
    for (const Range& range : ranges) {
      out.push_back(range.begin == range.end ? text(range.begin)
                                             : text(range.begin) + ":" + text(range.end));
    }
    line(4, fmt::format("{}: {}", key, list(out)));
  }

  void timing(const Route& route, const Route* parent, int indent) {
    const auto write = [&](std::string_view key, auto member, base::Duration zero) {
      const Timing mine = route.timing_for(model::Severity::Medium);
      const auto value = mine.*member;
      if (parent && parent->timing_for(model::Severity::Medium).*member == value) return;
      const base::Duration shown = value.count() == 0 ? zero : value;
      line(indent, fmt::format("{}: {}", key, base::format_duration(shown)));
    };
    write("group_wait", &Timing::group_wait, base::Duration{0});
    write("group_interval", &Timing::group_interval, std::chrono::seconds(1));
    write("repeat_interval", &Timing::repeat_interval, kNever);
  }

  std::string out_;
};

void add_receivers(const Route& route, std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), route.receiver) == names.end()) {
    names.push_back(route.receiver);
  }
  for (const Route& child : route.children) add_receivers(child, names);
}

}  // namespace

std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string export_alertmanager(const Routing& routing, std::span<const std::string> receivers,
                                base::Duration resolve_timeout) {
  Writer writer;
  writer.line(0, "global:");
  writer.line(2, "resolve_timeout: " + base::format_duration(resolve_timeout));
  writer.line(0, "route:");
  writer.route(routing.root, nullptr, 2);
  std::vector<std::string> names(receivers.begin(), receivers.end());
  add_receivers(routing.root, names);
  if (!routing.inhibit_rules.empty()) writer.line(0, "inhibit_rules:");
  for (const InhibitRule& rule : routing.inhibit_rules) writer.inhibit(rule);
  if (!routing.time_intervals.empty()) writer.line(0, "time_intervals:");
  for (const TimeInterval& interval : routing.time_intervals) writer.interval(interval);
  writer.line(0, "receivers:");
  for (const std::string& name : names) writer.line(0, "- name: " + yaml_quoted(name));
  return writer.take();
}

}  // namespace tocsin::routing
