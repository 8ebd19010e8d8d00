#include "alertd/routing/route_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "alertd/routing/matcher_config.h"
#include "alertd/routing/suppression_config.h"
#include "common/base/strings.h"

namespace tocsin::routing {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kRoutesMax = 10'000;

std::string path_name(const Route& route, const std::string& parent) {
  std::string text;
  for (const model::Matcher& matcher : route.matchers) {
    text += (text.empty() ? "" : ",") + matcher.to_string();
  }
  return (parent.empty() ? "" : parent + "/") + "{" + text + "}";
}

void complete(Route& route, const std::string& parent_path, std::set<std::string>& names) {
  const std::string path = path_name(route, parent_path);
  if (route.name.empty()) {
    route.name = path;
    for (int twin = 2; names.contains(route.name); ++twin)
      route.name = fmt::format("{}#{}", path, twin);
  }
  names.insert(route.name);
  for (Route& child : route.children) {
    if (child.receiver.empty()) child.receiver = route.receiver;
    if (child.policy.empty()) child.policy = route.policy;
    const auto inherit = [](auto& mine, const auto& parents) {
      if (!mine) mine = parents;
    };
    inherit(child.timing.group_wait, route.timing.group_wait);
    inherit(child.timing.group_interval, route.timing.group_interval);
    inherit(child.timing.repeat_interval, route.timing.repeat_interval);
    complete(child, path, names);
  }
}

/// Returns the names in an array of tables; what is wrong with it others say.
std::vector<std::string> names_of(const config::Node* tables) {
  std::vector<std::string> names;
  if (!tables) return names;
  for (const config::Node& each : tables->items) {
    if (const config::Node* name = each.find("name")) names.push_back(name->text);
  }
  return names;
}

class Reader {
 public:
  /// `policies` are the names of all [[policy]].
  Reader(const std::optional<std::vector<std::string>>& receivers,
         std::vector<std::string> policies, const std::vector<TimeInterval>& intervals)
      : receivers_(receivers), policies_(std::move(policies)) {
    for (const TimeInterval& interval : intervals) intervals_.push_back(interval.name);
  }

  Route read(config::Table& table, const Route* parent, int depth) {
    Route route;
    ++count_;
    read_name(table, route);
    read_receiver(table, parent, route);
    read_policy(table, route);
    read_group_by(table, parent, route);
    route.timing.group_wait = table.optional_duration("group_wait");
    route.timing.group_interval = table.optional_duration("group_interval");
    route.timing.repeat_interval = table.optional_duration("repeat_interval");
    if (route.timing.group_interval && *route.timing.group_interval < std::chrono::seconds(1)) {
      table.error("group_interval", "group_interval must be at least 1s");
    }
    route.labels = parent ? parent->labels : std::map<std::string, std::string>();
    for (auto& [name, value] : table.string_map("labels")) route.labels[name] = value;
    route.mute_time_intervals = read_intervals(table, "mute_time_intervals");
    route.active_time_intervals = read_intervals(table, "active_time_intervals");
    if (parent) {
      route.matchers = read_matchers(table, "matchers");
      route.continues = table.boolean("continue", false);
    } else {
      for (const char* key : {"matchers", "continue"}) {
        if (table.node(key)) {
          table.error(key,
                      fmt::format("the root route takes every alert; '{}' has no place here", key),
                      "put it into a [[route.routes]]");
        }
      }
    }
    read_children(table, route, depth);
    table.finish();
    return route;
  }

 private:
  void read_name(config::Table& table, Route& route) {
    route.name = table.string("name", "");
    if (route.name.empty()) return;
    if (route.name.size() > 200) table.error("name", "route name is longer than 200 bytes");
    if (!names_.insert(route.name).second) {
      table.error("name", fmt::format("two routes are named '{}'", route.name),
                  "the name is the identity of the route's groups: give each its own");
    }
  }

  void read_receiver(config::Table& table, const Route* parent, Route& route) {
    route.receiver =
        parent ? table.string("receiver", parent->receiver) : table.required_string("receiver");
    if (!receivers_ || !table.has("receiver")) return;
    if (std::find(receivers_->begin(), receivers_->end(), route.receiver) != receivers_->end())
      return;
    const auto near = base::closest(route.receiver, *receivers_);
    table.error("receiver", fmt::format("there is no receiver '{}'", route.receiver),
                near ? fmt::format("did you mean '{}'?", *near) : "define it under [[receiver]]");
  }

  void read_policy(config::Table& table, Route& route) {
    route.policy = table.string("policy", "");
    if (route.policy.empty()) return;
    if (std::find(policies_.begin(), policies_.end(), route.policy) != policies_.end()) return;
    const auto near = base::closest(route.policy, policies_);
    table.error("policy", fmt::format("there is no policy '{}'", route.policy),
                near ? fmt::format("did you mean '{}'?", *near) : "define it under [[policy]]");
  }

  void read_group_by(config::Table& table, const Route* parent, Route& route) {
    if (!table.has("group_by")) {
      route.group_by = parent ? parent->group_by : std::vector<std::string>{"alertname"};
      route.group_by_all = parent && parent->group_by_all;
      return;
    }
    route.group_by = table.strings("group_by");
    route.group_by_all = std::erase(route.group_by, "...") > 0;
    if (route.group_by_all && !route.group_by.empty()) {
      table.error("group_by", "'...' means all labels and must stand alone");
    }
    std::sort(route.group_by.begin(), route.group_by.end());
    const auto twin = std::unique(route.group_by.begin(), route.group_by.end());
    if (twin != route.group_by.end()) {
      table.error("group_by", "a label is named twice");
      route.group_by.erase(twin, route.group_by.end());
    }
    if (std::find(route.group_by.begin(), route.group_by.end(), "") != route.group_by.end()) {
      table.error("group_by", "a label name is empty");
    }
  }

  /// Names of time intervals, each of which must be defined.
  std::vector<std::string> read_intervals(config::Table& table, std::string_view key) {
    std::vector<std::string> names = table.strings(key);
    for (const std::string& name : names) {
      if (std::find(intervals_.begin(), intervals_.end(), name) != intervals_.end()) continue;
      const auto near = base::closest(name, intervals_);
      table.error(
          key, fmt::format("there is no time interval '{}'", name),
          near ? fmt::format("did you mean '{}'?", *near) : "define it under [[time_interval]]");
    }
    return names;
  }

  void read_children(config::Table& table, Route& route, int depth) {
    std::vector<config::Table> children = table.tables("routes");
    if (children.empty()) return;
    if (depth == kDepthMax) {
      table.error("routes", fmt::format("routes are nested deeper than {}", kDepthMax));
      return;
    }
    for (config::Table& child : children) {
      if (count_ >= kRoutesMax) {
        table.error("routes", fmt::format("more than {} routes", kRoutesMax));
        return;
      }
      route.children.push_back(read(child, &route, depth + 1));
    }
  }

  const std::optional<std::vector<std::string>>& receivers_;
  std::vector<std::string> policies_;
  std::vector<std::string> intervals_;
  std::set<std::string> names_;
  std::size_t count_ = 0;
};

}  // namespace

void complete_routes(Route& root) {
  std::set<std::string> names;
  complete(root, "", names);
}

Routing read_routing(config::Table& root, config::Table& incident,
                     const std::optional<std::vector<std::string>>& receivers) {
  Routing routing;
  read_suppression(root, routing);
  config::Table table = root.table("route");
  routing.root = Reader(receivers, names_of(root.node("policy")), routing.time_intervals)
                     .read(table, nullptr, 0);
  complete_routes(routing.root);
  routing.resolve_wait = incident.duration("resolve_hold", base::Duration{0});
  return routing;
}

}  // namespace tocsin::routing
