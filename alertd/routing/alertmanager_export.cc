#include "alertd/routing/alertmanager_export.h"

#include <fmt/format.h>

#include <algorithm>
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

  std::string take() { return std::move(out_); }

 private:
  void group_by(const Route& route, const Route* parent, int indent) {
    if (parent && parent->group_by == route.group_by &&
        parent->group_by_all == route.group_by_all) {
      return;
    }
    std::string list = route.group_by_all ? "\"...\"" : "";
    if (!route.group_by_all) {
      for (const std::string& label : route.group_by) {
        list += (list.empty() ? "" : ", ") + yaml_quoted(label);
      }
    }
    line(indent, "group_by: [" + list + "]");
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
  writer.line(0, "receivers:");
  for (const std::string& name : names) writer.line(0, "- name: " + yaml_quoted(name));
  return writer.take();
}

}  // namespace tocsin::routing
