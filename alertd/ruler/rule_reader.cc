#include "alertd/ruler/rule_reader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "alertd/promql/ast.h"
#include "alertd/promql/parser.h"
#include "alertd/ruler/rule_template.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kOwnEngine = "local";

void sort_by_name(std::vector<NamedText>& texts) {
  std::stable_sort(texts.begin(), texts.end(),
                   [](const NamedText& a, const NamedText& b) { return a.name < b.name; });
}

}  // namespace

void RuleReader::error_at(base::Position at, std::string message, std::string hint) {
  context_.diagnostics.push_back({base::DiagnosticSeverity::Error, context_.source.file, at.line,
                                  at.column, std::move(message), std::move(hint)});
}

void RuleReader::warning_at(base::Position at, std::string message, std::string hint) {
  context_.diagnostics.push_back({base::DiagnosticSeverity::Warning, context_.source.file, at.line,
                                  at.column, std::move(message), std::move(hint)});
}

void RuleReader::expression(config::Table& table, std::string_view key, Rule& rule) {
  rule.expr_text = table.required_string(key);
  const config::Node* node = table.node(key);
  if (!node || node->kind != config::Kind::String || rule.expr_text.empty()) return;
  promql::Parsed parsed = promql::parse(rule.expr_text, options_.parse);
  for (const promql::ParseError& mistake : parsed.errors) {
    error_at(config::position_in(*node, mistake.begin, context_.source), mistake.message,
             mistake.hint);
  }
  if (!parsed.expr) return;
  for (const promql::ParseError& missing : promql::not_supported_yet(*parsed.expr)) {
    warning_at(config::position_in(*node, missing.begin, context_.source), missing.message,
               missing.hint);
  }
  const promql::ValueType type = parsed.expr->type;
  if (type != promql::ValueType::InstantVector && type != promql::ValueType::Scalar) {
    error_at(config::position_in(*node, parsed.expr->location.begin, context_.source),
             "the expression gives a " + std::string(promql::to_string(type)) +
                 "; a rule needs an instant vector or a scalar",
             type == promql::ValueType::RangeVector
                 ? "use a function over the range, such as rate()"
                 : "");
    return;
  }
  rule.expr = std::move(parsed.expr);
}

void RuleReader::datasource(config::Table& table, RuleGroup& group) {
  const DatasourceChoice& choice = options_.datasources;
  const auto said = [&](std::string_view name) -> const std::string* {
    const auto found = choice.by_name.find(name);
    return found != choice.by_name.end() ? &found->second : nullptr;
  };
  const auto own = format_ == Format::Toml ? table.optional_string("datasource") : std::nullopt;
  if (own) {
    group.datasource = *own;
    const bool known =
        *own == kOwnEngine || !choice.known ||
        std::find(choice.known->begin(), choice.known->end(), *own) != choice.known->end();
    if (!known) {
      std::string names = "\"local\"";
      for (const std::string& name : *choice.known) names += ", \"" + name + "\"";
      table.error("datasource", "there is no datasource '" + *own + "'",
                  "[[datasource]] of alertd.toml names them; there is " + names);
    }
    if (group.on_data && *own != kOwnEngine) {
      table.error("datasource", "an on-data group is evaluated here, when data arrives here",
                  "give it an interval, or datasource = \"local\"");
    }
  } else if (const std::string* by_group = said(group.name)) {
    group.datasource = *by_group;
  } else if (const std::string* by_file = said(group.file.substr(group.file.rfind('/') + 1))) {
    group.datasource = *by_file;
  } else {
    group.datasource = choice.all;
  }
  if (group.datasource == kOwnEngine || group.on_data) group.datasource.clear();
}

void RuleReader::check_label(const config::Field& field, Texts texts) {
  if (field.name == model::kMetricName) {
    error_at(field.at, "the label __name__ cannot be set by a rule",
             "a recording rule names its metric with 'record' or 'name'");
  } else if (field.name.empty()) {
    error_at(field.at, "a label name must not be empty");
  } else if (!model::is_legacy_label_name(field.name)) {
    const std::string message = "label name '" + field.name + "' is not [a-zA-Z_][a-zA-Z0-9_]*";
    if (format_ == Format::Toml) {
      error_at(field.at, message);
    } else {
      warning_at(field.at, message, "it must be quoted wherever it is used");
    }
  } else if (texts == Texts::AlertLabels && field.name == model::kAlertName) {
    error_at(field.at, "the label alertname is the alert's name and cannot be set");
  }
}

std::vector<NamedText> RuleReader::texts(config::Table& table, std::string_view key, Texts texts) {
  const auto values = table.string_map(key);
  const config::Node* node = table.node(key);
  std::vector<NamedText> result;
  if (!node || node->kind != config::Kind::Table) return result;
  for (const config::Field& field : node->fields) {
    const auto value = values.find(field.name);
    if (texts == Texts::Annotations) {
      if (field.name.empty()) error_at(field.at, "an annotation name must not be empty");
      check_text(field.value, "annotation '" + field.name + "'");
    } else {
      check_label(field, texts);
      // In YAML the labels of a group are templates for its alerts, as Prometheus merges them.
      if (texts == Texts::AlertLabels || (texts == Texts::GroupLabels && format_ == Format::Yaml)) {
        check_text(field.value, "label '" + field.name + "'");
      } else if (format_ == Format::Toml && has_actions(field.value.text)) {
        error_at(field.value.at, "label '" + field.name + "': templates are not expanded here",
                 "only the labels of alerts are templates");
      }
    }
    if (value != values.end()) result.push_back({field.name, value->second});
  }
  sort_by_name(result);
  return result;
}

void RuleReader::check_text(const config::Node& node, const std::string& what) {
  if (node.kind != config::Kind::String) return;
  if (const auto mistake = check_template(node.text)) {
    error_at(config::position_in(node, mistake->offset, context_.source),
             what + ": " + mistake->message);
  }
}

void RuleReader::check_record_name(config::Table& table, std::string_view key,
                                   const std::string& name) {
  if (name.empty() || model::is_legacy_metric_name(name)) return;
  table.error(key, "metric name '" + name + "' is not [a-zA-Z_:][a-zA-Z0-9_:]*",
              "recordings are usually named level:metric:operation");
}

void RuleReader::check_duplicates(const std::vector<RuleGroup>& groups) {
  std::map<std::string, const RuleGroup*> names;
  for (const RuleGroup& group : groups) {
    const base::Position at{group.place.line, group.place.column};
    const auto [first, added] = names.emplace(group.name, &group);
    if (!added && !group.name.empty()) {
      error_at(at,
               "the group '" + group.name + "' is already defined at line " +
                   std::to_string(first->second->place.line),
               "group names are unique in a file");
    }
    std::map<std::string, const Rule*> seen;
    for (const Rule& rule : group.rules) {
      std::string key = (rule.kind == RuleKind::Alerting ? "a" : "r") + rule.name;
      for (const NamedText& label : rule.labels) key += '\xff' + label.name + '\xff' + label.text;
      const auto [other, fresh] = seen.emplace(std::move(key), &rule);
      if (fresh || rule.name.empty()) continue;
      const base::Position rule_at{rule.place.line, rule.place.column};
      const std::string message =
          (rule.kind == RuleKind::Alerting ? "the alert '" : "the recording '") + rule.name +
          "' with the same labels is already defined at line " +
          std::to_string(other->second->place.line);
      if (format_ == Format::Toml) {
        error_at(rule_at, message, "rename it, or give it a label of its own");
      } else {
        warning_at(rule_at, message);
      }
    }
  }
}

std::vector<NamedText> merge_labels(const std::vector<NamedText>& group,
                                    std::vector<NamedText> own) {
  for (const NamedText& label : group) {
    const bool overridden = std::any_of(
        own.begin(), own.end(), [&](const NamedText& mine) { return mine.name == label.name; });
    if (!overridden) own.push_back(label);
  }
  sort_by_name(own);
  return own;
}

std::vector<RuleGroup> read_rule_file(const config::Source& source, const RuleFileOptions& options,
                                      const base::FileSystem& files,
                                      base::Diagnostics& diagnostics) {
  config::Context context{source, diagnostics, files, options.unknown_keys_allowed};
  if (source.file.ends_with(".toml")) {
    const std::size_t before = diagnostics.size();
    const config::Node root = config::parse_toml(source, diagnostics);
    if (diagnostics.size() > before) return {};
    return read_toml_rules(context, root, options);
  }
  const std::size_t before = diagnostics.size();
  const config::Node root = config::parse_yaml(source, diagnostics);
  if (diagnostics.size() > before) return {};
  return read_yaml_rules(context, root, options);
}

}  // namespace tocsin::ruler
