#include "cli/convert/rule_draft.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "alertd/ruler/rule_template.h"
#include "common/model/labels.h"

namespace tocsin::cli::convert {
namespace {

Text text_of(const config::Field& field, const Reading& reading) {
  return {field.name, field.value.text, reading.comments.take(field.at.line)};
}

class RuleReading {
 public:
  RuleReading(const Reading& reading, const std::optional<Text>& severity)
      : reading_(reading), group_severity_(severity) {}

  RuleDraft read(const config::Node& node, std::size_t line_end) {
    rule_.line = first_line(node);
    rule_.line_end = line_end;
    const Remarks head = reading_.comments.take(rule_.line);
    rule_.alert = node.find("alert") != nullptr;
    if (node.find("alert") && node.find("record")) {
      reading_.error(node.at, "a rule is either an alert or a recording, not both");
    }
    for (const config::Field& field : node.fields) read_field(field);
    rule_.name.remarks.above.insert(rule_.name.remarks.above.begin(), head.above.begin(),
                                    head.above.end());
    rule_.name.remarks.beside.insert(rule_.name.remarks.beside.begin(), head.beside.begin(),
                                     head.beside.end());
    if (rule_.alert) {
      set_severity();
      check_alerts_selectors();
    }
    rule_.rest = reading_.comments.take_rest(rule_.line, line_end);
    return std::move(rule_);
  }

 private:
  void read_field(const config::Field& field) {
    const std::string& name = field.name;
    if (name == "alert" || name == "record") {
      rule_.name = text_of(field, reading_);
    } else if (name == "expr") {
      rule_.expr = text_of(field, reading_);
    } else if (name == "for" && rule_.alert) {
      if (!field.value.text.empty()) rule_.hold = text_of(field, reading_);
    } else if (name == "keep_firing_for" && rule_.alert) {
      if (!field.value.text.empty()) rule_.keep = text_of(field, reading_);
    } else if (name == "labels") {
      rule_.labels_remarks = reading_.comments.take(field.at.line);
      for (const config::Field& label : field.value.fields) read_label(label);
    } else if (name == "annotations" && rule_.alert) {
      rule_.annotations_remarks = reading_.comments.take(field.at.line);
      for (const config::Field& annotation : field.value.fields) {
        rule_.annotations.push_back(text_of(annotation, reading_));
      }
    } else {
      not_carried(field.at, fmt::format("key '{}' of '{}'", name, rule_.name.text),
                  "no such key in a rule");
    }
  }

  void not_carried(base::Position at, const std::string& what, const std::string& why) {
    reading_.warn(at, fmt::format("{} is not carried over: {}", what, why));
    rule_.notes.push_back(fmt::format("not carried over: {} ({})", what, why));
  }

  void read_label(const config::Field& field) {
    if (!model::is_legacy_label_name(field.name)) {
      not_carried(field.at, fmt::format("label '{}'", field.name),
                  "label names of TOML rules are [a-zA-Z_][a-zA-Z0-9_]*");
    } else if (!rule_.alert && ruler::has_actions(field.value.text)) {
      not_carried(field.at, fmt::format("label '{}' of a recording", field.name),
                  "its value looks like a template, which recordings do not expand");
    } else {
      severity_at_ = field.name == "severity" ? field.value.at : severity_at_;
      rule_.labels.push_back(text_of(field, reading_));
    }
  }

  // Our severities are a key of the alert; a label of that name cannot stay.
  void set_severity() {
    std::optional<Text> label = group_severity_;
    const auto own = std::find_if(rule_.labels.begin(), rule_.labels.end(),
                                  [](const Text& text) { return text.name == "severity"; });
    if (own != rule_.labels.end()) {
      label = std::move(*own);
      rule_.labels.erase(own);
      rule_.severity_remarks = std::move(label->remarks);
    }
    rule_.severity = reading_.options.severity_default;
    const std::string taken(model::to_string(rule_.severity));
    if (!label || label->text.empty()) {
      reading_.warn({rule_.line, 1},
                    fmt::format("alert '{}' has no severity; taken as {}", rule_.name.text, taken),
                    "say another one in the output");
      rule_.notes.push_back(fmt::format("it had no severity; taken as {}", taken));
      return;
    }
    rule_.severity_text = label->text;
    const bool is_template = ruler::has_actions(label->text);
    const auto mapped = is_template ? std::nullopt : mapped_severity(label->text, reading_.options);
    if (mapped) {
      rule_.severity = *mapped;
      return;
    }
    reading_.warn(severity_at_.value_or(base::Position{rule_.line, 1}),
                  is_template
                      ? fmt::format("the severity of '{}' is a template; taken as {}, kept as the "
                                    "label {}",
                                    rule_.name.text, taken, kKeptSeverity)
                      : fmt::format("severity '{}' is none of ours; taken as {}, kept as the label "
                                    "{}",
                                    label->text, taken, kKeptSeverity),
                  is_template ? "write an alert with a level for each severity"
                              : fmt::format("say what it means: --severity {}=low", label->text));
    rule_.notes.push_back(fmt::format("severity '{}' is none of ours", label->text));
    rule_.labels.push_back({std::string(kKeptSeverity), label->text, {}});
  }

  // ALERTS{severity="warning"} would find nothing any more once the alerts say medium.
  void check_alerts_selectors() {
    const promql::Parsed parsed = promql::parse(rule_.expr.text);
    if (!parsed.expr) return;
    for (const promql::VectorSelector* selector : promql::selectors_of(*parsed.expr)) {
      if (selector->name != "ALERTS" && selector->name != "ALERTS_FOR_STATE") continue;
      for (const model::Matcher& matcher : selector->matchers) {
        if (matcher.name() != "severity") continue;
        reading_.warn({rule_.line, 1},
                      fmt::format("'{}' selects {} by severity, whose values are others here: "
                                  "critical, high, medium, low",
                                  rule_.name.text, selector->name),
                      "adapt the matcher in the output");
        rule_.notes.emplace_back("adapt: severities are critical, high, medium, low here");
        return;
      }
    }
  }

  const Reading& reading_;
  const std::optional<Text>& group_severity_;
  std::optional<base::Position> severity_at_;
  RuleDraft rule_;
};

/// Labels of the group that our format cannot have there go to the rules.
struct GroupLabels {
  std::optional<Text> severity;
  std::vector<Text> templates;
};

void hand_down(const GroupLabels& labels, RuleDraft& rule, const Reading& reading) {
  const auto give = [&](const Text& label) {
    const bool own = std::any_of(rule.labels.begin(), rule.labels.end(),
                                 [&](const Text& text) { return text.name == label.name; });
    if (!own) rule.labels.push_back(label);
  };
  if (labels.severity && !rule.alert) give(*labels.severity);
  for (const Text& label : labels.templates) {
    if (rule.alert) {
      give(label);
    } else {
      reading.warn({rule.line, 1},
                   fmt::format("label '{}' of the group is not carried over to the recording '{}': "
                               "its value looks like a template",
                               label.name, rule.name.text));
    }
  }
}

/// A label that goes to many rules says what was written about it once, at the group.
void move_remarks(Remarks& from, Remarks& to) {
  to.above.insert(to.above.end(), from.above.begin(), from.above.end());
  to.above.insert(to.above.end(), from.beside.begin(), from.beside.end());
  from = {};
}

void read_group_field(const config::Field& field, const Reading& reading, GroupDraft& group,
                      GroupLabels& labels) {
  const std::string& name = field.name;
  if (name == "name") {
    Text text = text_of(field, reading);
    text.remarks.above.insert(text.remarks.above.begin(), group.name.remarks.above.begin(),
                              group.name.remarks.above.end());
    text.remarks.beside.insert(text.remarks.beside.begin(), group.name.remarks.beside.begin(),
                               group.name.remarks.beside.end());
    group.name = std::move(text);
  } else if (name == "interval") {
    const auto parsed = base::parse_duration(field.value.text);
    group.interval = text_of(field, reading);
    if (parsed && *parsed == base::Duration{0}) group.interval.reset();
    if (parsed && *parsed > base::Duration{0} && *parsed < base::Duration{1000}) {
      reading.warn(field.value.at,
                   fmt::format("interval {} is taken as 1s, the shortest", field.value.text));
      group.interval->text = "1s";
    }
  } else if (name == "query_offset") {
    group.query_offset = text_of(field, reading);
  } else if (name == "limit") {
    group.limit = text_of(field, reading);
  } else if (name == "labels") {
    group.labels_remarks = reading.comments.take(field.at.line);
    for (const config::Field& label : field.value.fields) {
      Text text = text_of(label, reading);
      const bool to_rules = text.name == "severity" || ruler::has_actions(text.text);
      if (to_rules) move_remarks(text.remarks, group.labels_remarks);
      if (text.name == "severity") {
        labels.severity = std::move(text);
      } else if (to_rules) {
        labels.templates.push_back(std::move(text));
      } else if (!model::is_legacy_label_name(text.name)) {
        reading.warn(label.at, fmt::format("label '{}' of the group is not carried over: label "
                                           "names of TOML rules are [a-zA-Z_][a-zA-Z0-9_]*",
                                           text.name));
        group.notes.push_back(fmt::format("not carried over: label '{}'", text.name));
      } else {
        group.labels.push_back(std::move(text));
      }
    }
  } else if (name != "rules") {
    const std::string why = name == "partial_response_strategy"
                                ? "there is one store, which answers whole or not at all"
                                : "no such key in a group";
    reading.warn(field.at, fmt::format("key '{}' is not carried over: {}", name, why));
    group.notes.push_back(fmt::format("not carried over: {} = {} ({})", name,
                                      field.value.text.empty() ? "..." : field.value.text, why));
  }
}

}  // namespace

void Reading::warn(base::Position at, std::string message, std::string hint) const {
  diagnostics.push_back({base::DiagnosticSeverity::Warning, source.file, at.line, at.column,
                         std::move(message), std::move(hint)});
}

void Reading::error(base::Position at, std::string message, std::string hint) const {
  diagnostics.push_back({base::DiagnosticSeverity::Error, source.file, at.line, at.column,
                         std::move(message), std::move(hint)});
}

std::size_t first_line(const config::Node& node) {
  std::size_t line = node.at.line;
  for (const config::Field& field : node.fields) line = std::min(line, field.at.line);
  return line;
}

GroupDraft read_group_draft(const config::Node& node, std::size_t line_end,
                            const Reading& reading) {
  GroupDraft group;
  GroupLabels labels;
  group.line = first_line(node);
  group.name.remarks = reading.comments.take(group.line);
  for (const config::Field& field : node.fields) read_group_field(field, reading, group, labels);
  const config::Node* rules = node.find("rules");
  if (!rules || rules->kind != config::Kind::Array) return group;
  for (std::size_t i = 0; i < rules->items.size(); ++i) {
    const std::size_t end =
        i + 1 < rules->items.size() ? first_line(rules->items[i + 1]) : line_end;
    RuleDraft rule = RuleReading(reading, labels.severity).read(rules->items[i], end);
    hand_down(labels, rule, reading);
    group.rules.push_back(std::move(rule));
  }
  return group;
}

}  // namespace tocsin::cli::convert
