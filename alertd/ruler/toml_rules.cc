// Our own rule files.
//
//   [[group]]            name, interval, limit, query_offset, labels, datasource; with
//                        interval = "on-data" also min_interval, fallback_interval
//   [[group.alert]]      name; value with critical/high/medium/low and clear, or expr with
//   severity;
//                        for, keep_firing_for, no_data, labels, annotations, summary, description,
//                        runbook
//   [[group.record]]     name, expr, labels

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "alertd/ruler/input_expr.h"
#include "alertd/ruler/rule_reader.h"

namespace tocsin::ruler {
namespace {

constexpr std::array<std::pair<std::string_view, Bound::Side>, 4> kSides{
    {{"above", Bound::Side::Above},
     {"at_least", Bound::Side::AtLeast},
     {"below", Bound::Side::Below},
     {"at_most", Bound::Side::AtMost}}};

std::optional<Bound> read_bound(config::Table& table, const std::string& what) {
  std::optional<Bound> bound;
  for (const auto& [key, side] : kSides) {
    const auto value = table.optional_number(key);
    if (!value) continue;
    if (bound) {
      table.error(key, what + " has two bounds",
                  "give exactly one of above, at_least, below, at_most");
    }
    bound = Bound{side, *value};
  }
  if (!bound && std::none_of(kSides.begin(), kSides.end(),
                             [&](const auto& side) { return table.has(side.first); })) {
    table.error("", what + " has no bound", "for example { above = 90, for = \"5m\" }");
  }
  return bound;
}

class TomlAlertReader {
 public:
  TomlAlertReader(RuleReader& reader, config::Context& context)
      : reader_(reader), context_(context) {}

  Rule read(config::Table& table, const std::vector<NamedText>& group_labels) {
    Rule rule;
    rule.kind = RuleKind::Alerting;
    rule.name = table.required_string("name");
    rule.place = reader_.place(table.position("name"));
    rule.labels = reader_.texts(table, "labels", RuleReader::Texts::AlertLabels);
    rule.annotations = reader_.texts(table, "annotations", RuleReader::Texts::Annotations);
    shorthand(table, "summary", "summary", rule);
    shorthand(table, "description", "description", rule);
    runbook(table, rule);

    const Level common{model::Severity::Medium, std::nullopt,
                       table.duration("for", base::Duration{0}),
                       table.duration("keep_firing_for", base::Duration{0})};
    if (table.has("value")) {
      levelled(table, common, rule);
    } else {
      plain(table, common, rule);
    }
    no_data(table, rule);
    rule.labels = merge_labels(group_labels, std::move(rule.labels));
    table.finish();
    return rule;
  }

 private:
  void plain(config::Table& table, Level level, Rule& rule) {
    if (!table.has("expr")) {
      table.error(
          "", "alert '" + rule.name + "' has neither 'value' nor 'expr'",
          "value = '...' with a bound for each severity, or expr = '...' with severity = \"high\"");
    } else {
      reader_.expression(table, "expr", rule);
    }
    for (const model::Severity severity : model::kSeverities) {
      const std::string key(model::to_string(severity));
      if (!table.has(key)) continue;
      table.node(key);
      table.error(key, "'" + key + "' needs 'value': 'expr' already holds the condition",
                  "write value = '...' without the comparison");
    }
    if (table.has("clear")) {
      table.node("clear");
      table.error("clear", "'clear' needs 'value' with a bound for each severity");
    }
    std::string text;
    if (table.has("severity")) {
      text = table.one_of("severity", "medium", {"critical", "high", "medium", "low"});
    } else if (table.has("expr")) {
      table.error("", "alert '" + rule.name + "' has no severity",
                  "add severity = \"critical\", \"high\", \"medium\" or \"low\"");
    }
    level.severity = model::parse_severity(text).value_or(model::Severity::Medium);
    for (const NamedText& label : rule.labels) {
      if (label.name == "severity") {
        table.error("labels", "severity is a key of its own, not a label");
        return;
      }
    }
    rule.labels.push_back({"severity", std::string(model::to_string(level.severity))});
    rule.levels.push_back(level);
  }

  void levelled(config::Table& table, const Level& common, Rule& rule) {
    rule.levelled = true;
    reader_.expression(table, "value", rule);
    for (const std::string_view key : {"expr", "severity"}) {
      if (!table.has(key)) continue;
      table.node(key);
      table.error(key, "'" + std::string(key) + "' does not go with 'value'",
                  "the severities are the keys critical, high, medium and low");
    }
    for (const NamedText& label : rule.labels) {
      if (label.name == "severity") {
        table.error("labels", "the severity of this alert comes from its levels, not from a label");
      }
    }
    // kSeverities is descending; levels ascend.
    for (auto it = model::kSeverities.rbegin(); it != model::kSeverities.rend(); ++it) {
      const std::string key(model::to_string(*it));
      if (!table.has(key)) continue;
      config::Table entry = table.table(key);
      Level level = common;
      level.severity = *it;
      level.bound = read_bound(entry, "level '" + key + "'");
      level.hold_for = entry.duration("for", common.hold_for);
      level.keep_firing_for = entry.duration("keep_firing_for", common.keep_firing_for);
      entry.finish();
      if (!level.bound) continue;
      check_nested(table, key, level, rule);
      rule.levels.push_back(level);
    }
    if (rule.levels.empty()) {
      if (std::none_of(model::kSeverities.begin(), model::kSeverities.end(),
                       [&](auto severity) { return table.has(model::to_string(severity)); })) {
        table.error("value", "alert '" + rule.name + "' has no level",
                    "for example high = { above = 90, for = \"5m\" }");
      }
      return;
    }
    if (table.has("clear")) {
      config::Table entry = table.table("clear");
      rule.clear = read_bound(entry, "'clear'");
      entry.finish();
      if (rule.clear) check_clear(table, rule);
    }
  }

  // A worse severity must mean a value further out, else "falls to the next lower level" has no
  // meaning.
  void check_nested(config::Table& table, const std::string& key, const Level& level,
                    const Rule& rule) {
    if (rule.levels.empty()) return;
    const Level& lower = rule.levels.back();
    const bool same_way = lower.bound->upwards() == level.bound->upwards();
    const bool further = level.bound->upwards() ? level.bound->value > lower.bound->value
                                                : level.bound->value < lower.bound->value;
    if (same_way && further) return;
    table.error(key,
                "'" + key + "' (" + level.bound->to_string() + ") is not beyond '" +
                    std::string(model::to_string(lower.severity)) + "' (" +
                    lower.bound->to_string() + ")",
                "the bounds of worse severities lie further out, all on the same side");
  }

  void check_clear(config::Table& table, const Rule& rule) {
    const Bound& first = *rule.levels.front().bound;
    const bool opposite = rule.clear->upwards() != first.upwards();
    const bool outside =
        first.upwards() ? rule.clear->value <= first.value : rule.clear->value >= first.value;
    if (opposite && outside) return;
    table.error("clear",
                "'clear' (" + rule.clear->to_string() + ") overlaps '" +
                    std::string(model::to_string(rule.levels.front().severity)) + "' (" +
                    first.to_string() + ")",
                first.upwards() ? "clear = { below = X } with X at most the lowest level"
                                : "clear = { above = X } with X at least the highest level");
  }

  void no_data(config::Table& table, Rule& rule) {
    const NoDataDefault by_severity{std::nullopt};
    NoData usual = NoData::Ok;
    RuleInput input;
    if (rule.expr && !rule.levels.empty()) {
      if (!rule.levelled) input = derive_input(*rule.expr, rule.expr_text);
      const bool possible =
          rule.levelled ? filters_by_value(*rule.expr).empty() : input.expr != nullptr;
      if (possible) usual = by_severity.of(rule.levels.back().severity);
    }
    const std::string text = table.one_of("no_data", to_string(usual), {"alert", "keep", "ok"});
    rule.no_data = text == "alert" ? NoData::Alert : text == "keep" ? NoData::Keep : NoData::Ok;
    if (rule.levelled || rule.no_data == NoData::Ok) return;
    rule.input = std::move(input.expr);
    if (rule.input || !rule.expr) return;
    table.error("no_data",
                "no_data = \"" + text +
                    "\" cannot be: the label sets that 'expr' looks at are not "
                    "known, because " +
                    input.why_not,
                "write value = '...' with levels, or a comparison around an expression that gives "
                "every label set, or a second alert with absent()");
  }

  void shorthand(config::Table& table, std::string_view key, const std::string& annotation,
                 Rule& rule) {
    const auto text = table.optional_string(key);
    if (!text) return;
    reader_.check_text(*table.node(key), std::string(key));
    add_annotation(table, key, annotation, *text, rule);
  }

  void add_annotation(config::Table& table, std::string_view key, const std::string& annotation,
                      const std::string& text, Rule& rule) {
    for (const NamedText& existing : rule.annotations) {
      if (existing.name == annotation) {
        table.error(key, "'" + std::string(key) + "' and the annotation '" + annotation +
                             "' are the same thing, and both are given");
        return;
      }
    }
    rule.annotations.push_back({annotation, text});
    std::sort(rule.annotations.begin(), rule.annotations.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
  }

  void runbook(config::Table& table, Rule& rule) {
    const auto name = table.optional_string("runbook");
    if (!name) {
      const bool linked =
          std::any_of(rule.annotations.begin(), rule.annotations.end(),
                      [](const NamedText& annotation) { return annotation.name == "runbook_url"; });
      if (!linked) {
        table.warning(
            "name", "alert '" + rule.name + "' has no runbook",
            "add runbook = \"name\" and runbooks/name.md: who is paged must know what to do");
      }
      return;
    }
    if (name->find("://") != std::string::npos) {
      add_annotation(table, "runbook", "runbook_url", *name, rule);
      return;
    }
    const bool plain_name = !name->empty() && std::all_of(name->begin(), name->end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (!plain_name) {
      table.error("runbook", "runbook '" + *name +
                                 "' is neither a URL nor a name of letters, digits, "
                                 "'-' and '_'");
      return;
    }
    const RuleFileOptions& options = reader_.options();
    const std::string& file = context_.source.file;
    const auto slash = file.rfind('/');
    const std::string wanted = "runbooks/" + *name + ".md";
    const std::string beside =
        (slash == std::string::npos ? std::string() : file.substr(0, slash + 1)) + wanted;
    const std::string elsewhere = options.runbook_folder.empty()
                                      ? std::string()
                                      : base::join_path(options.runbook_folder, *name + ".md");
    if (!context_.files.exists(beside) &&
        (elsewhere.empty() || !context_.files.exists(elsewhere))) {
      table.error("runbook", "there is no '" + wanted + "' beside the rule file",
                  elsewhere.empty() ? "write it, or give a URL" : "nor is there " + elsewhere);
    }
    add_annotation(table, "runbook", "runbook_url",
                   options.runbook_base_url + *name + options.runbook_suffix, rule);
  }

  RuleReader& reader_;
  config::Context& context_;
};

Rule read_recording(RuleReader& reader, config::Table& table,
                    const std::vector<NamedText>& group_labels) {
  Rule rule;
  rule.kind = RuleKind::Recording;
  rule.name = table.required_string("name");
  rule.place = reader.place(table.position("name"));
  reader.check_record_name(table, "name", rule.name);
  reader.expression(table, "expr", rule);
  rule.labels =
      merge_labels(group_labels, reader.texts(table, "labels", RuleReader::Texts::RecordLabels));
  table.finish();
  return rule;
}

/// `interval = "15s"`, or "on-data" with min_interval and fallback_interval.
void read_interval(config::Table& table, const RuleFileOptions& options, RuleGroup& group) {
  const config::Node* node = table.node("interval");
  group.on_data = node && node->kind == config::Kind::String && node->text == "on-data";
  if (!group.on_data) {
    group.interval = table.duration("interval", options.interval_default);
    if (group.interval < base::Duration{1000}) {
      table.error("interval", "an interval must be at least 1s",
                  "interval = \"on-data\" evaluates a rule when what it reads arrives");
    }
    for (const std::string_view key : {"min_interval", "fallback_interval"}) {
      if (!table.has(key)) continue;
      table.node(key);
      table.error(key, "'" + std::string(key) + "' needs interval = \"on-data\"");
    }
    return;
  }
  group.min_interval = table.duration("min_interval", group.min_interval);
  group.interval = table.duration("fallback_interval", options.fallback_default);
  if (group.min_interval < base::Duration{0} || group.min_interval > std::chrono::hours(1)) {
    table.error("min_interval", "min_interval must be between 0s and 1h",
                "0s: at every arrival; 1s: at most once a second");
  }
  // Absence must be noticed well before what was written last goes stale.
  if (group.interval < base::Duration{1000} || group.interval > std::chrono::minutes(4)) {
    table.error("fallback_interval", "fallback_interval must be between 1s and 4m",
                "all rules of the group are evaluated that often, whatever arrives");
  }
}

}  // namespace

std::vector<RuleGroup> read_toml_rules(config::Context& context, const config::Node& root,
                                       const RuleFileOptions& options) {
  RuleReader reader(context, options, Format::Toml);
  TomlAlertReader alerts(reader, context);
  std::vector<RuleGroup> groups;
  config::Table top(context, &root);
  for (config::Table& table : top.tables("group")) {
    RuleGroup group;
    group.file = context.source.file;
    group.name = table.required_string("name");
    group.place = reader.place(table.position("name"));
    read_interval(table, options, group);
    reader.datasource(table, group);
    group.query_offset = table.duration("query_offset", options.query_offset_default);
    group.limit = static_cast<std::size_t>(
        table.integer("limit", 0, 0, std::numeric_limits<std::int32_t>::max()));
    const auto labels = reader.texts(table, "labels", RuleReader::Texts::GroupLabels);
    for (config::Table& alert : table.tables("alert")) {
      group.rules.push_back(alerts.read(alert, labels));
    }
    for (config::Table& record : table.tables("record")) {
      group.rules.push_back(read_recording(reader, record, labels));
    }
    // Two arrays in the file, one order: that of writing.
    std::stable_sort(group.rules.begin(), group.rules.end(),
                     [](const Rule& a, const Rule& b) { return a.place.line < b.place.line; });
    table.finish();
    groups.push_back(std::move(group));
  }
  top.finish();
  reader.check_duplicates(groups);
  return groups;
}

}  // namespace tocsin::ruler
