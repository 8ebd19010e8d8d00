#include "cli/backtest/rules_in_force.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "alertd/ruler/input_expr.h"
#include "common/base/strings.h"

namespace tocsin::backtest {
namespace {

namespace json = boost::json;

base::Error corrupt(std::string what) {
  return base::error(base::ErrorCode::Corruption, "the answer of /api/v1/rules: " + what);
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::optional<double> number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

base::Duration duration_of(const json::object& object, std::string_view key) {
  return base::Duration{std::llround(number_of(object, key).value_or(0) * 1000)};
}

std::vector<ruler::NamedText> texts_of(const json::object& object, std::string_view key) {
  std::vector<ruler::NamedText> texts;
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_object()) return texts;
  for (const auto& [name, text] : value->get_object()) {
    if (text.is_string()) texts.push_back({std::string(name), std::string(text.get_string())});
  }
  std::sort(texts.begin(), texts.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return texts;
}

std::optional<ruler::Bound> bound_of(const json::object& object) {
  using Side = ruler::Bound::Side;
  for (const auto& [key, side] : {std::pair{"above", Side::Above},
                                  {"at_least", Side::AtLeast},
                                  {"below", Side::Below},
                                  {"at_most", Side::AtMost}}) {
    if (const auto value = number_of(object, key)) return ruler::Bound{side, *value};
  }
  return std::nullopt;
}

const json::array* array_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr ? value->if_array() : nullptr;
}

void read_levels(const json::object& object, ruler::Rule& rule) {
  if (const json::array* levels = array_of(object, "levels")) {
    for (const json::value& value : *levels) {
      const json::object* one = value.if_object();
      if (one == nullptr) continue;
      ruler::Level level;
      level.severity = model::parse_severity(text_of(*one, "severity")).value_or(level.severity);
      level.bound = bound_of(*one);
      level.hold_for = duration_of(*one, "for");
      level.keep_firing_for = duration_of(*one, "keepFiringFor");
      rule.levels.push_back(level);
    }
  }
  if (rule.levels.empty() || rule.levels.size() > 4) {
    rule.levels = {ruler::Level{}};
    rule.levels.front().hold_for = duration_of(object, "duration");
    rule.levels.front().keep_firing_for = duration_of(object, "keepFiringFor");
  }
  rule.levelled = rule.levels.front().bound.has_value();
  if (const auto* clear = object.if_contains("clear"); clear != nullptr && clear->is_object()) {
    rule.clear = bound_of(clear->get_object());
  }
  const std::string no_data = text_of(object, "noData");
  if (no_data == "alert") rule.no_data = ruler::NoData::Alert;
  if (no_data == "keep") rule.no_data = ruler::NoData::Keep;
  if (!rule.levelled && rule.no_data != ruler::NoData::Ok) {
    rule.input = ruler::derive_input(*rule.expr, rule.expr_text).expr;
  }
}

/// "rules/host.toml:14" -> file and line.
void read_place(const std::string& source, ruler::Place& place) {
  const std::size_t colon = source.rfind(':');
  if (colon == std::string::npos) return;
  const auto line = base::parse_u64(std::string_view(source).substr(colon + 1));
  if (!line) return;
  place.file = source.substr(0, colon);
  place.line = *line;
}

base::Result<ruler::Rule> read_rule(const json::object& object, const std::string& group_file,
                                    const promql::ParseOptions& parse) {
  ruler::Rule rule;
  rule.kind = text_of(object, "type") == "recording" ? ruler::RuleKind::Recording
                                                     : ruler::RuleKind::Alerting;
  rule.name = text_of(object, "name");
  rule.expr_text = text_of(object, "query");
  rule.place.file = group_file;
  read_place(text_of(object, "source"), rule.place);
  promql::Parsed parsed = promql::parse(rule.expr_text, parse);
  if (!parsed.expr) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "rule '" + rule.name + "' in force: " + parsed.errors.front().message);
  }
  rule.expr = std::move(parsed.expr);
  rule.labels = texts_of(object, "labels");
  if (rule.kind == ruler::RuleKind::Recording) return rule;
  rule.annotations = texts_of(object, "annotations");
  read_levels(object, rule);
  return rule;
}

}  // namespace

base::Result<std::vector<ruler::RuleGroup>> read_rules_in_force(std::string_view data,
                                                                const promql::ParseOptions& parse) {
  boost::system::error_code error;
  const json::value root = json::parse(data, error);
  if (error || !root.is_object()) return corrupt("it is no JSON object");
  const json::array* groups = array_of(root.get_object(), "groups");
  if (groups == nullptr) return corrupt("'groups' is missing");
  std::vector<ruler::RuleGroup> result;
  for (const json::value& value : *groups) {
    const json::object* object = value.if_object();
    const json::array* rules = object == nullptr ? nullptr : array_of(*object, "rules");
    if (rules == nullptr) return corrupt("a group without 'rules'");
    ruler::RuleGroup group;
    group.name = text_of(*object, "name");
    group.file = text_of(*object, "file");
    group.interval = duration_of(*object, "interval");
    group.query_offset = duration_of(*object, "queryOffset");
    group.datasource = text_of(*object, "datasource");
    group.limit = static_cast<std::size_t>(number_of(*object, "limit").value_or(0));
    if (group.interval <= base::Duration{0}) {
      return corrupt("group '" + group.name + "' has no interval");
    }
    for (const json::value& one : *rules) {
      if (!one.is_object()) return corrupt("a rule that is no object");
      TC_TRY(auto rule, read_rule(one.get_object(), group.file, parse));
      group.rules.push_back(std::move(rule));
    }
    result.push_back(std::move(group));
  }
  return result;
}

void take_slots_of(const std::vector<ruler::RuleGroup>& in_force,
                   std::vector<ruler::RuleGroup>& groups) {
  for (ruler::RuleGroup& group : groups) {
    const auto same = std::find_if(in_force.begin(), in_force.end(),
                                   [&](const auto& other) { return other.name == group.name; });
    if (same != in_force.end()) group.file = same->file;
  }
}

}  // namespace tocsin::backtest
