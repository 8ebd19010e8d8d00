#include "alertd/routing/alertmanager_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "alertd/routing/matcher_config.h"
#include "alertd/routing/route_config.h"
#include "alertd/routing/suppression_config.h"
#include "common/base/strings.h"

namespace tocsin::routing {
namespace {

constexpr int kDepthMax = 32;
constexpr std::size_t kRoutesMax = 100'000;

// In the order in which it builds them.
constexpr std::array<IntegrationKind, 18> kKinds{{
    {"webhook_configs", "webhook", true},
    {"email_configs", "email", false},
    {"pagerduty_configs", "pagerduty", true},
    {"opsgenie_configs", "opsgenie", true},
    {"wechat_configs", "wechat", false},
    {"slack_configs", "slack", false},
    {"victorops_configs", "victorops", true},
    {"pushover_configs", "pushover", true},
    {"sns_configs", "sns", true},
    {"telegram_configs", "telegram", true},
    {"discord_configs", "discord", true},
    {"webex_configs", "webex", true},
    {"msteams_configs", "msteams", true},
    {"msteamsv2_configs", "msteamsv2", true},
    {"jira_configs", "jira", true},
    {"rocketchat_configs", "rocketchat", false},
    {"mattermost_configs", "mattermost", true},
    {"incidentio_configs", "incidentio", true},
}};

/// As alertd/notify names them: "webhook", "webhook-2".
std::string channel_name(std::string_view kind, std::size_t number) {
  return number == 1 ? std::string(kind) : fmt::format("{}-{}", kind, number);
}

class Reader {
 public:
  Reader(config::Context& context, MatcherMode mode) : context_(context), mode_(mode) {}

  Routing read(config::Table& root) {
    routing_.alertmanager = true;
    routing_.resolve_wait = std::nullopt;
    routing_.raise_early = false;
    routing_.silences.broad_share = 1;
    routing_.silences.remind_before = base::Duration{0};
    read_receivers(root);
    for (const char* key : {"mute_time_intervals", "time_intervals"}) {
      for (config::Table& table : root.tables(key)) read_interval(table);
    }
    for (const config::Node* rule : items(root, "inhibit_rules")) read_inhibit_rule(*rule);
    read_tree(root);
    routing_.resolve_timeout =
        root.table("global").duration("resolve_timeout", routing_.resolve_timeout);
    for (const char* key : {"tracing", "event_recorder"}) {
      static_cast<void>(root.node(key));  // of its own process; nothing of ours
    }
    return std::move(routing_);
  }

 private:
  static std::vector<const config::Node*> items(config::Table& table, std::string_view key) {
    std::vector<const config::Node*> nodes;
    const config::Node* node = table.node(key);
    if (!node || node->kind == config::Kind::Null) return nodes;
    if (node->kind != config::Kind::Array) {
      table.error(key, fmt::format("{}: expected a list, found {}", key, describe(node->kind)));
      return nodes;
    }
    for (const config::Node& item : node->items) nodes.push_back(&item);
    return nodes;
  }

  void read_receivers(config::Table& root) {
    for (config::Table& table : root.tables("receivers")) {
      const std::string name = table.string("name", "");
      if (name.empty()) {
        table.error("name", "missing name in receiver");
        continue;
      }
      if (routing_.receivers.contains(name)) {
        table.error("name", fmt::format("notification config name \"{}\" is not unique", name));
        continue;
      }
      std::vector<Integration>& integrations = routing_.receivers[name];
      for (const IntegrationKind& kind : kKinds) {
        std::size_t number = 0;
        for (config::Table& each : table.tables(kind.key)) {
          integrations.push_back({channel_name(kind.name, ++number),
                                  each.boolean("send_resolved", kind.send_resolved)});
        }
      }
      names_.push_back(name);
    }
  }

  void read_interval(config::Table& table) {
    TimeInterval interval;
    interval.name = table.string("name", "");
    if (interval.name.empty()) table.error("name", "missing name in time interval");
    if (!intervals_.insert(interval.name).second) {
      table.error("name", fmt::format("time interval \"{}\" is not unique", interval.name));
    }
    for (config::Table& period : table.tables("time_intervals")) {
      interval.periods.push_back(read_period(period, PeriodStyle::Alertmanager));
      period.finish();
    }
    table.finish();
    routing_.time_intervals.push_back(std::move(interval));
  }

  void read_inhibit_rule(const config::Node& node) {
    InhibitRule rule;
    if (node.kind != config::Kind::Null) {  // "- " alone inhibits nothing
      config::Table table(context_, &node);
      rule.name = table.string("name", "");
      rule.sources = {read_side(table, "source_match", "source_match_re", "source_matchers")};
      rule.target = read_side(table, "target_match", "target_match_re", "target_matchers");
      rule.equal = table.strings("equal");
      for (const std::string& label : rule.equal) {
        if (!valid_label(label)) {
          table.error("equal", fmt::format("invalid label name \"{}\" in equal list", label));
        }
      }
      table.finish();
    } else {
      rule.sources = {{}};
    }
    routing_.inhibit_rules.push_back(std::move(rule));
  }

  bool valid_label(const std::string& name) const {
    if (mode_ == MatcherMode::Classic) return model::is_legacy_label_name(name);
    return !name.empty() && base::is_utf8(name);
  }

  /// The three ways to say which alerts are meant; all that is said must hold.
  std::vector<model::Matcher> read_side(config::Table& table, std::string_view equal,
                                        std::string_view regex, std::string_view matchers) {
    std::vector<model::Matcher> all;
    read_map(table, equal, model::MatchOp::Equal, all);
    read_map(table, regex, model::MatchOp::Regex, all);
    for (const config::Node* item : items(table, matchers)) {
      if (item->kind != config::Kind::String) {
        report_at(context_, *item, 0, "expected a matcher", "write it as foo=\"bar\"");
        continue;
      }
      std::size_t offset = 0;
      auto read = parse_alertmanager_matchers(item->text, mode_, &offset);
      if (!read) {
        report_at(context_, *item, offset,
                  fmt::format("matcher '{}': {}", item->text, read.error().message),
                  "write it as foo=\"bar\", foo!=\"bar\", foo=~\"bar.*\" or foo!~\"bar.*\"");
        continue;
      }
      if (!read->warning.empty()) {
        report_at(context_, *item, 0, read->warning, "");
        context_.diagnostics.back().severity = base::DiagnosticSeverity::Warning;
      }
      all.insert(all.end(), read->matchers.begin(), read->matchers.end());
    }
    std::sort(all.begin(), all.end(), [](const model::Matcher& a, const model::Matcher& b) {
      return std::tuple(a.name(), a.value(), a.op()) < std::tuple(b.name(), b.value(), b.op());
    });
    return all;
  }

  void read_map(config::Table& table, std::string_view key, model::MatchOp op,
                std::vector<model::Matcher>& all) {
    const config::Node* node = table.node(key);
    if (!node || node->kind == config::Kind::Null) return;
    if (node->kind != config::Kind::Table) {
      table.error(key, fmt::format("{}: expected a mapping of labels", key));
      return;
    }
    for (const config::Field& field : node->fields) {
      if (!model::is_legacy_label_name(field.name) && !valid_label(field.name)) {
        table.error(key, fmt::format("invalid label name \"{}\"", field.name));
        continue;
      }
      // Patterns are shown with their anchors there, in keys and by amtool.
      std::string value = op == model::MatchOp::Regex ? fmt::format("^(?:{})$", field.value.text)
                                                      : field.value.text;
      auto matcher = model::Matcher::make(op, field.name, std::move(value));
      if (matcher) {
        all.push_back(std::move(*matcher));
      } else {
        report_at(context_, field.value, 0, matcher.error().message, "");
      }
    }
  }

  void read_tree(config::Table& root) {
    const config::Node* node = root.node("route");
    if (!node || node->kind == config::Kind::Null) {
      root.error("", "no route provided in config");
      return;
    }
    config::Table table(context_, node);
    Route defaults;
    defaults.timing = {std::chrono::seconds(30), std::chrono::minutes(5), std::chrono::hours(4)};
    routing_.root = read_route(table, defaults, 0);
    const Route& top = routing_.root;
    if (top.receiver.empty()) {
      table.error("receiver", "root route must specify a default receiver");
    }
    if (!top.matchers.empty()) table.error("", "root route must not have any matchers");
    if (!top.mute_time_intervals.empty()) {
      table.error("mute_time_intervals", "root route must not have any mute time intervals");
    }
    if (!top.active_time_intervals.empty()) {
      table.error("active_time_intervals", "root route must not have any active time intervals");
    }
    if (top.continues) table.error("continue", "cannot have continue in root route");
    name_paths(routing_.root, "");
    complete_routes(routing_.root);
  }

  static void name_paths(Route& route, const std::string& parent) {
    std::string text;
    for (const model::Matcher& matcher : route.matchers) {
      text += (text.empty() ? "" : ",") + matcher.to_string();
    }
    route.path = (parent.empty() ? "" : parent + "/") + "{" + text + "}";
    for (Route& child : route.children) name_paths(child, route.path);
  }

  Route read_route(config::Table& table, const Route& parent, int depth) {
    Route route;
    ++count_;
    route.matchers = read_side(table, "match", "match_re", "matchers");
    route.receiver = table.string("receiver", parent.receiver);
    if (table.has("receiver") && !routing_.receivers.contains(route.receiver)) {
      const auto near = base::closest(route.receiver, names_);
      table.error("receiver",
                  fmt::format("undefined receiver \"{}\" used in route", route.receiver),
                  near ? fmt::format("did you mean '{}'?", *near) : "");
    }
    read_group_by(table, parent, route);
    route.timing.group_wait = table.duration("group_wait", *parent.timing.group_wait);
    route.timing.group_interval = table.duration("group_interval", *parent.timing.group_interval);
    route.timing.repeat_interval =
        table.duration("repeat_interval", *parent.timing.repeat_interval);
    for (const auto& [key, value] : {std::pair("group_interval", route.timing.group_interval),
                                     std::pair("repeat_interval", route.timing.repeat_interval)}) {
      if (value->count() == 0) table.error(key, fmt::format("{} cannot be zero", key));
    }
    route.mute_time_intervals = read_interval_names(table, "mute_time_intervals");
    route.active_time_intervals = read_interval_names(table, "active_time_intervals");
    route.continues = table.boolean("continue", false);
    route.labels = parent.labels;
    for (auto& [name, value] : table.string_map("labels")) route.labels[name] = value;
    if (depth == kDepthMax) {
      table.error("routes", fmt::format("routes are nested deeper than {}", kDepthMax));
      static_cast<void>(table.node("routes"));
    } else {
      for (config::Table& child : table.tables("routes")) {
        if (count_ >= kRoutesMax) {
          table.error("routes", fmt::format("more than {} routes", kRoutesMax));
          break;
        }
        route.children.push_back(read_route(child, route, depth + 1));
      }
    }
    table.finish();
    return route;
  }

  void read_group_by(config::Table& table, const Route& parent, Route& route) {
    const config::Node* node = table.node("group_by");
    if (!node || node->kind == config::Kind::Null) {
      route.group_by = parent.group_by;
      route.group_by_all = parent.group_by_all;
      return;
    }
    route.group_by = table.strings("group_by");
    route.group_by_all = std::erase(route.group_by, "...") > 0;
    if (route.group_by_all && !route.group_by.empty()) {
      table.error("group_by",
                  "cannot have wildcard group_by (`...`) and other labels at the same time");
    }
    for (const std::string& label : route.group_by) {
      if (!valid_label(label)) {
        table.error("group_by", fmt::format("invalid label name \"{}\" in group_by list", label));
      }
    }
    std::sort(route.group_by.begin(), route.group_by.end());
    const auto twin = std::adjacent_find(route.group_by.begin(), route.group_by.end());
    if (twin != route.group_by.end()) {
      table.error("group_by", fmt::format("duplicated label \"{}\" in group_by", *twin));
    }
  }

  std::vector<std::string> read_interval_names(config::Table& table, std::string_view key) {
    std::vector<std::string> names = table.strings(key);
    for (const std::string& name : names) {
      if (!intervals_.contains(name)) {
        table.error(key, fmt::format("undefined time interval \"{}\" used in route", name));
      }
    }
    return names;
  }

  config::Context& context_;
  MatcherMode mode_;
  Routing routing_;
  std::vector<std::string> names_;
  std::set<std::string> intervals_;
  std::size_t count_ = 0;
};

}  // namespace

Routing read_alertmanager_routing(config::Table& root, MatcherMode mode) {
  return Reader(root.context(), mode).read(root);
}

std::span<const IntegrationKind> integration_kinds() {
  return kKinds;
}

}  // namespace tocsin::routing
