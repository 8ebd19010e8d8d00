#include "alertd/api/rule_handlers.h"

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "alertd/api/selectors.h"
#include "common/base/hash.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

// Prometheus clients expect a time even where there was none yet: Go's zero time.
constexpr std::string_view kNever = "0001-01-01T00:00:00Z";

double seconds(base::Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

std::string time_or_never(const std::optional<base::WallTime>& time) {
  return time ? base::format_rfc3339(*time) : std::string(kNever);
}

json::object alert_json(const RuleAlert& alert) {
  json::object object;
  object["labels"] = labels_json(alert.labels);
  object["annotations"] = labels_json(alert.annotations);
  object["state"] = alert.state;
  object["activeAt"] = base::format_rfc3339(alert.active_at);
  if (alert.keep_firing_since) {
    object["keepFiringSince"] = base::format_rfc3339(*alert.keep_firing_since);
  }
  object["value"] = alert_value(alert.value);
  return object;
}

json::object level_json(const LevelInfo& level) {
  json::object object;
  if (!level.side.empty()) object[level.side] = level.bound;
  if (level.severity.empty()) return object;
  object["severity"] = level.severity;
  object["for"] = seconds(level.hold);
  object["keepFiringFor"] = seconds(level.keep_firing_for);
  return object;
}

/// What Prometheus does not have: levels, the clearing bound, and what happens without data.
void add_levels(const RuleInfo& rule, json::object& object) {
  json::array levels;
  for (const LevelInfo& level : rule.levels) levels.push_back(level_json(level));
  if (!levels.empty()) object["levels"] = std::move(levels);
  if (rule.clear) object["clear"] = level_json(*rule.clear);
  if (!rule.no_data.empty()) object["noData"] = rule.no_data;
}

json::object rule_json(const RuleInfo& rule, bool with_alerts) {
  json::object object;
  if (rule.alerting) object["state"] = rule.state;
  object["name"] = clean(rule.name);
  object["query"] = clean(rule.query);
  if (rule.alerting) {
    object["duration"] = seconds(rule.hold);
    object["keepFiringFor"] = seconds(rule.keep_firing_for);
  }
  object["labels"] = labels_json(rule.labels);
  if (rule.alerting) {
    object["annotations"] = labels_json(rule.annotations);
    json::array alerts;
    if (with_alerts) {
      for (const RuleAlert& alert : rule.alerts) alerts.push_back(alert_json(alert));
    }
    object["alerts"] = std::move(alerts);
    add_levels(rule, object);
  }
  object["health"] = rule.health;
  if (!rule.last_error.empty()) object["lastError"] = clean(rule.last_error);
  object["evaluationTime"] = seconds(rule.evaluation_time);
  object["lastEvaluation"] = time_or_never(rule.last_evaluation);
  object["type"] = rule.alerting ? "alerting" : "recording";
  if (!rule.source.empty()) object["source"] = clean(rule.source);
  if (rule.provenance) {
    object["provenance"] = {{"commit", clean(rule.provenance->commit)},
                            {"author", clean(rule.provenance->author)},
                            {"subject", clean(rule.provenance->subject)},
                            {"time", base::format_rfc3339(rule.provenance->at)}};
  }
  return object;
}

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

/// Which rules are wanted.
struct RuleFilter {
  std::string_view type;
  std::vector<std::string> names;
  std::vector<std::string> groups;
  std::vector<std::string> files;
  std::vector<std::vector<model::Matcher>> matchers;  ///< One of them must match the labels.

  bool all_rules() const { return type.empty() && names.empty() && matchers.empty(); }
  bool wants(const RuleGroupInfo& group) const {
    return listed(groups, group.name) && listed(files, group.file);
  }
  bool wants(const RuleInfo& rule) const {
    const auto match = [&](const auto& set) { return model::matches_all(set, rule.labels); };
    return (type.empty() || (type == "alert") == rule.alerting) && listed(names, rule.name) &&
           (matchers.empty() || std::any_of(matchers.begin(), matchers.end(), match));
  }
};

/// Names a group for whoever comes back for the next page.
std::string page_token(const RuleGroupInfo& group) {
  return base::sha256_hex(group.file + ';' + group.name);
}

json::object group_json(const RuleGroupInfo& group, json::array rules) {
  json::object out{{"name", clean(group.name)},
                   {"file", clean(group.file)},
                   {"rules", std::move(rules)},
                   {"interval", seconds(group.interval)},
                   {"queryOffset", seconds(group.query_offset)},
                   {"limit", group.limit},
                   {"evaluationTime", seconds(group.evaluation_time)},
                   {"lastEvaluation", time_or_never(group.last_evaluation)}};
  if (!group.datasource.empty()) out["datasource"] = clean(group.datasource);
  return out;
}

}  // namespace

void RuleHandlers::rules(ApiCall call) const {
  const net::ServerRequest& request = call.request;
  auto matchers = selectors_parameter(request, "match[]", parse_);
  const auto limit = count_parameter(request, "group_limit");
  if (const auto error = first_error(matchers, limit)) {
    return call.respond(failure(*error, 400));
  }
  const RuleFilter filter{request.parameter("type"), list_parameter(request, "rule_name[]"),
                          list_parameter(request, "rule_group[]"),
                          list_parameter(request, "file[]"), std::move(*matchers)};
  if (!filter.type.empty() && filter.type != "alert" && filter.type != "record") {
    return call.respond(bad_data("parameter 'type' is neither 'alert' nor 'record'"));
  }
  const std::string_view token = request.parameter("group_next_token");
  if (!token.empty() && *limit == 0) {
    return call.respond(bad_data("parameter 'group_next_token' needs 'group_limit'"));
  }
  const bool with_alerts = request.parameter("exclude_alerts") != "true";
  json::array groups;
  bool begun = token.empty();
  std::string next;
  for (const RuleGroupInfo& group : rules_.groups()) {
    begun = begun || page_token(group) == token;
    if (!begun || !filter.wants(group)) continue;
    json::array rules;
    for (const RuleInfo& rule : group.rules) {
      if (filter.wants(rule)) rules.push_back(rule_json(rule, with_alerts));
    }
    if (rules.empty() && !filter.all_rules()) continue;
    if (*limit != 0 && groups.size() >= *limit) {
      next = page_token(group);
      break;
    }
    groups.push_back(group_json(group, std::move(rules)));
  }
  if (!begun) {
    return call.respond(bad_data("parameter 'group_next_token': there is no such group any more"));
  }
  json::object data{{"groups", std::move(groups)}};
  if (!next.empty()) data["groupNextToken"] = next;
  call.respond(success(data));
}

void RuleHandlers::alerts(ApiCall call) const {
  json::array alerts;
  for (const RuleGroupInfo& group : rules_.groups()) {
    for (const RuleInfo& rule : group.rules) {
      for (const RuleAlert& alert : rule.alerts) alerts.push_back(alert_json(alert));
    }
  }
  call.respond(success(json::object{{"alerts", std::move(alerts)}}));
}

}  // namespace tocsin::api
