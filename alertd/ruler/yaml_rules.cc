// Rule files of Prometheus, strictly: an unknown key is an error, as it is there.
//
// `severity` is an ordinary label of such files; its value maps to one of our four severities (see
// model/severity.h) and stays as it is written, because routes and dashboards match on it.

#include <limits>

#include "alertd/ruler/input_expr.h"
#include "alertd/ruler/rule_reader.h"
#include "alertd/ruler/rule_template.h"

namespace tocsin::ruler {
namespace {

void check_severity(RuleReader& reader, config::Table& table, const Rule& rule) {
  for (const NamedText& label : rule.labels) {
    if (label.name != "severity" || has_actions(label.text) || label.text.empty()) continue;
    if (model::import_severity(label.text)) continue;
    const config::Node* labels = table.node("labels");
    const config::Node* written = labels ? labels->find("severity") : nullptr;
    reader.warning_at(written ? written->at : table.position(),
                      "severity '" + label.text + "' is not known; taken as " +
                          std::string(model::to_string(reader.options().severity_default)),
                      "known: critical, page, high, error, medium, warning, low, info, none");
  }
}

void read_alert(RuleReader& reader, config::Table& table, Rule& rule) {
  rule.kind = RuleKind::Alerting;
  rule.name = table.required_string("alert");
  rule.place = reader.place(table.position("alert"));
  rule.labels = reader.texts(table, "labels", RuleReader::Texts::AlertLabels);
  rule.annotations = reader.texts(table, "annotations", RuleReader::Texts::Annotations);
  rule.levels.push_back({reader.options().severity_default, std::nullopt,
                         table.duration("for", base::Duration{0}),
                         table.duration("keep_firing_for", base::Duration{0})});
}

void read_recording(RuleReader& reader, config::Table& table, Rule& rule) {
  rule.kind = RuleKind::Recording;
  rule.name = table.required_string("record");
  rule.place = reader.place(table.position("record"));
  reader.check_record_name(table, "record", rule.name);
  rule.labels = reader.texts(table, "labels", RuleReader::Texts::RecordLabels);
  for (const std::string_view key : {"for", "keep_firing_for", "annotations"}) {
    if (!table.has(key)) continue;
    table.node(key);
    table.error(key, "a recording rule cannot have '" + std::string(key) + "'");
  }
}

/// Prometheus has no such key: alertd.toml decides for all, as far as the expression lets it.
void set_no_data(const RuleFileOptions& options, Rule& rule) {
  model::Severity severity = options.severity_default;
  for (const NamedText& label : rule.labels) {
    if (label.name == "severity") severity = model::import_severity(label.text).value_or(severity);
  }
  const NoData wanted = options.no_data_yaml.of(severity);
  if (wanted == NoData::Ok || !rule.expr) return;
  rule.input = derive_input(*rule.expr, rule.expr_text).expr;
  if (rule.input) rule.no_data = wanted;
}

std::optional<Rule> read_rule(RuleReader& reader, config::Table& table,
                              const std::vector<NamedText>& group_labels) {
  Rule rule;
  const bool alert = table.has("alert");
  const bool record = table.has("record");
  if (alert == record) {
    table.error(alert ? "alert" : "", alert ? "a rule is either an alert or a recording, not both"
                                            : "a rule needs 'alert' or 'record'");
    return std::nullopt;
  }
  if (alert) {
    read_alert(reader, table, rule);
  } else {
    read_recording(reader, table, rule);
  }
  reader.expression(table, "expr", rule);
  rule.labels = merge_labels(group_labels, std::move(rule.labels));
  if (alert) {
    check_severity(reader, table, rule);
    set_no_data(reader.options(), rule);
  }
  table.finish();
  return rule;
}

RuleGroup read_group(RuleReader& reader, config::Context& context, config::Table& table) {
  const RuleFileOptions& options = reader.options();
  RuleGroup group;
  group.file = context.source.file;
  group.name = table.required_string("name");
  group.place = reader.place(table.position("name"));
  group.interval = table.duration("interval", options.interval_default);
  if (group.interval == base::Duration{0}) group.interval = options.interval_default;
  reader.datasource(table, group);
  group.query_offset = table.duration("query_offset", options.query_offset_default);
  group.limit = static_cast<std::size_t>(
      table.integer("limit", 0, 0, std::numeric_limits<std::int32_t>::max()));
  const auto labels = reader.texts(table, "labels", RuleReader::Texts::GroupLabels);
  for (config::Table& rule : table.tables("rules")) {
    if (auto read = read_rule(reader, rule, labels)) group.rules.push_back(std::move(*read));
  }
  table.finish();
  return group;
}

/// The wrapper that the Prometheus operator uses; only `spec` means something to us.
bool is_manifest(const config::Node& root) {
  const config::Node* kind = root.find("kind");
  return kind && kind->text == "PrometheusRule" && root.find("spec");
}

}  // namespace

std::vector<RuleGroup> read_yaml_rules(config::Context& context, const config::Node& root,
                                       const RuleFileOptions& options) {
  RuleReader reader(context, options, Format::Yaml);
  config::Table top(context, &root);
  std::vector<RuleGroup> groups;
  const auto read_groups = [&](config::Table& table) {
    for (config::Table& group : table.tables("groups")) {
      groups.push_back(read_group(reader, context, group));
    }
    table.finish();
  };
  if (is_manifest(root)) {
    for (const std::string_view key : {"apiVersion", "kind", "metadata", "status"}) top.node(key);
    config::Table spec = top.table("spec");
    read_groups(spec);
    top.finish();
  } else {
    read_groups(top);
  }
  reader.check_duplicates(groups);
  return groups;
}

}  // namespace tocsin::ruler
