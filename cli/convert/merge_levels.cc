// Alerts that differ only in a threshold and severity, made one alert with levels.
//
// Joined are alerts of one group with the same name, the same expression on the left of the
// comparison, the same operator and the same labels, whose thresholds lie further out the worse the
// severity is. The last of them gives the place, because it may read what was recorded between.

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "cli/convert/rule_draft.h"
#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

struct Threshold {
  std::string side;
  double bound = 0;
  std::string bound_text;
  std::string value;  ///< The expression that is compared.
};

std::string_view side_of(promql::BinaryOp op) {
  switch (op) {
    case promql::BinaryOp::Greater:
      return "above";
    case promql::BinaryOp::GreaterEqual:
      return "at_least";
    case promql::BinaryOp::Less:
      return "below";
    case promql::BinaryOp::LessEqual:
      return "at_most";
    default:
      return "";
  }
}

std::optional<Threshold> threshold_of(const std::string& text) {
  const promql::Parsed parsed = promql::parse(text);
  if (!parsed.expr || !parsed.errors.empty()) return std::nullopt;
  const promql::Expr& top = promql::without_parens(*parsed.expr);
  const auto* binary = std::get_if<promql::Binary>(&top.node);
  if (!binary || binary->return_bool || side_of(binary->op).empty()) return std::nullopt;
  if (binary->left->type != promql::ValueType::InstantVector) return std::nullopt;
  const promql::Expr* right = &promql::without_parens(*binary->right);
  double sign = 1;
  if (const auto* unary = std::get_if<promql::Unary>(&right->node)) {
    sign = unary->negative ? -1 : 1;
    right = &promql::without_parens(*unary->expr);
  }
  const auto* number = std::get_if<promql::NumberLiteral>(&right->node);
  if (!number) return std::nullopt;
  const promql::Location& left = binary->left->location;
  const double bound = sign * number->value;
  return Threshold{std::string(side_of(binary->op)), bound, base::format_double(bound),
                   text.substr(left.begin, left.end - left.begin)};
}

std::string joined(std::vector<Text> texts) {
  std::sort(texts.begin(), texts.end(),
            [](const Text& a, const Text& b) { return a.name < b.name; });
  std::string out;
  for (const Text& text : texts) out += text.name + '\xff' + text.text + '\xff';
  return out;
}

/// Same key: candidates for one alert. The value is compared as it parses, not as it is spaced.
std::string key_of(const RuleDraft& rule, const Threshold& threshold) {
  const promql::Parsed parsed = promql::parse(threshold.value);
  const std::string value =
      parsed.expr ? promql::print(promql::without_parens(*parsed.expr)) : threshold.value;
  return rule.name.text + '\xfe' + threshold.side + '\xfe' + value + '\xfe' + joined(rule.labels);
}

struct Member {
  std::size_t index = 0;
  Threshold threshold;
};

/// Whether the bounds lie further out the worse the severity; sorts by severity.
bool nested(std::vector<Member>& members, const std::vector<RuleDraft>& rules) {
  std::sort(members.begin(), members.end(), [&](const Member& a, const Member& b) {
    return rules[a.index].severity < rules[b.index].severity;
  });
  for (std::size_t i = 1; i < members.size(); ++i) {
    const double lower = members[i - 1].threshold.bound;
    const double upper = members[i].threshold.bound;
    const bool upwards =
        members[i].threshold.side == "above" || members[i].threshold.side == "at_least";
    if (rules[members[i].index].severity == rules[members[i - 1].index].severity) return false;
    if (upwards ? !(upper > lower) : !(upper < lower)) return false;
  }
  return true;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void collect(const Remarks& remarks, std::vector<std::string>& to) {
  append(to, remarks.above);
  append(to, remarks.beside);
}

/// Makes the worst the whole alert; comments of the others come along above it.
RuleDraft join(const std::vector<Member>& members, const std::vector<RuleDraft>& rules,
               const Reading& reading) {
  RuleDraft result = rules[members.back().index];
  result.expr.text = members.back().threshold.value;
  bool same_annotations = true;
  std::vector<std::string> others;
  for (const Member& member : members) {
    const RuleDraft& rule = rules[member.index];
    result.levels.push_back({rule.severity, member.threshold.side, member.threshold.bound_text,
                             rule.hold ? rule.hold->text : "", rule.keep ? rule.keep->text : ""});
    if (rule.hold) collect(rule.hold->remarks, others);
    if (rule.keep) collect(rule.keep->remarks, others);
    if (&member == &members.back()) continue;
    same_annotations = same_annotations && joined(rule.annotations) == joined(result.annotations);
    for (const Remarks* remarks : {&rule.name.remarks, &rule.expr.remarks, &rule.severity_remarks,
                                   &rule.labels_remarks, &rule.annotations_remarks}) {
      collect(*remarks, others);
    }
    for (const Text& text : rule.labels) collect(text.remarks, others);
    for (const Text& text : rule.annotations) collect(text.remarks, others);
    append(others, rule.rest);
    append(result.notes, rule.notes);
  }
  result.name.remarks.above.insert(result.name.remarks.above.begin(), others.begin(), others.end());
  result.notes.push_back(
      fmt::format("{} alerts '{}' made one with levels; its severity is no label", members.size(),
                  result.name.text));
  if (!same_annotations) {
    result.notes.emplace_back("the texts are those of the worst level; they differed");
    reading.warn({result.line, 1},
                 fmt::format("the annotations of the merged alerts '{}' differ; those of the worst "
                             "level are taken",
                             result.name.text));
  }
  return result;
}

}  // namespace

void merge_levels(GroupDraft& group, const Reading& reading) {
  std::map<std::string, std::vector<Member>> candidates;
  for (std::size_t i = 0; i < group.rules.size(); ++i) {
    const RuleDraft& rule = group.rules[i];
    if (!rule.alert) continue;
    if (auto threshold = threshold_of(rule.expr.text)) {
      const std::string key = key_of(rule, *threshold);
      candidates[key].push_back({i, std::move(*threshold)});
    }
  }
  std::map<std::size_t, RuleDraft> merged;
  std::set<std::size_t> gone;
  for (auto& [key, members] : candidates) {
    if (members.size() < 2 || !nested(members, group.rules)) continue;
    std::size_t last = 0;
    for (const Member& member : members) {
      last = std::max(last, member.index);
      gone.insert(member.index);
    }
    gone.erase(last);
    merged.emplace(last, join(members, group.rules, reading));
  }
  std::vector<RuleDraft> rules;
  for (std::size_t i = 0; i < group.rules.size(); ++i) {
    if (gone.contains(i)) continue;
    const auto found = merged.find(i);
    rules.push_back(found == merged.end() ? std::move(group.rules[i]) : std::move(found->second));
  }
  group.rules = std::move(rules);
}

}  // namespace tocsin::cli::convert
