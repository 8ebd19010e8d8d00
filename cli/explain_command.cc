#include "cli/explain_command.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <set>

#include "cli/backtest/rules_in_force.h"
#include "cli/explain/alert.h"
#include "cli/explain_alert.h"
#include "cli/when.h"
#include "common/base/diagnostic.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// The server knows what is switched on there; here everything is understood.
constexpr promql::ParseOptions kWholeLanguage{.experimental_functions = true,
                                              .duration_expressions = true};

using explain::Element;
using explain::Part;

json::object labels_json(const model::Labels& labels) {
  json::object object;
  for (const auto& label : labels) object[label.name] = label.value;
  return object;
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::object part_json(const Part& part) {
  json::object object{{"expr", part.text},
                      {"operation", part.operation},
                      {"type", std::string(to_string(part.type))},
                      {"series", part.total},
                      {"matching", part.matching}};
  json::array elements;
  for (const Element& element : part.elements) {
    json::object one{{"labels", labels_json(element.labels)},
                     {"value", base::format_double(element.value)}};
    if (!element.note.empty()) one["note"] = element.note;
    if (!element.passes) one["passes"] = false;
    elements.push_back(std::move(one));
  }
  object["elements"] = std::move(elements);
  if (!part.notes.empty()) object["notes"] = texts_json(part.notes);
  if (!part.error.empty()) object["error"] = part.error;
  json::array parts;
  for (const Part& child : part.parts) parts.push_back(part_json(child));
  if (!parts.empty()) object["parts"] = std::move(parts);
  return object;
}

json::object rule_json(const explain::RuleExplanation& rule) {
  json::object object{{"rule", rule.name},
                      {"group", rule.group},
                      {"source", rule.source},
                      {"state", rule.summary},
                      {"reasons", texts_json(rule.reasons)},
                      {"expression", part_json(rule.expression.root)}};
  json::array alerts;
  for (const explain::AlertNow& alert : rule.alerts) {
    alerts.push_back({{"labels", labels_json(alert.labels)},
                      {"state", alert.state},
                      {"severity", alert.severity},
                      {"progress", texts_json(alert.progress)}});
  }
  object["alerts"] = std::move(alerts);
  json::array levels;
  for (const explain::LevelCheck& check : rule.levels) {
    levels.push_back({{"labels", labels_json(check.labels)},
                      {"value", base::format_double(check.value)},
                      {"levels", texts_json(check.lines)}});
  }
  object["levels"] = std::move(levels);
  return object;
}

/// Prints the tree, each part one step further in.
class TreePrinter {
 public:
  TreePrinter(const Terminal& terminal, std::ostream& out) : terminal_(terminal), out_(out) {}

  void print(const Part& part, std::size_t depth) {
    const std::string indent(depth * 2, ' ');
    out_ << indent << colored(printable(one_line(part.text)), Color::Bold, terminal_) << '\n';
    if (part.operation == "number" || part.operation == "text") return;
    line(indent, value_text(part), part.empty() ? Color::Yellow : Color::None);
    if (!part.error.empty()) line(indent, "cannot be evaluated: " + part.error, Color::Red);
    for (const Element& element : part.elements) {
      if (part.type == promql::ValueType::Scalar) continue;
      line(indent,
           "  " + element.labels.to_string() + "  " + explain::short_number(element.value) +
               (element.note.empty() ? "" : "  (" + element.note + ")"),
           element.passes ? Color::None : Color::Dim);
    }
    for (const std::string& note : part.notes) line(indent, note, Color::Dim);
    for (const Part& child : part.parts) print(child, depth + 1);
  }

 private:
  static std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::string out;
    for (const std::string_view word : base::split_fields(text)) {
      out += (out.empty() ? "" : " ") + std::string(word);
    }
    return out;
  }

  static std::string value_text(const Part& part) {
    if (!part.error.empty()) return "no value";
    if (part.type == promql::ValueType::Scalar) {
      return part.elements.empty() ? "no value"
                                   : "= " + explain::short_number(part.elements.front().value);
    }
    if (part.total == 0) return "= no series";
    if (part.matching == part.total) return fmt::format("= {} series", part.total);
    return fmt::format("= {} of {} series can belong to the label set", part.matching, part.total);
  }

  void line(const std::string& indent, const std::string& text, Color color) {
    out_ << indent << "  " << colored(printable(text), color, terminal_) << '\n';
  }

  const Terminal& terminal_;
  std::ostream& out_;
};

class ExplainCommand {
 public:
  ExplainCommand(const ExplainOptions& options, const CommandWorld& world)
      : options_(options), world_(world) {}

  int run() {
    const auto at = parse_when(options_.at, world_.clock.wall());
    if (!at) return fail(kUsage, "--at " + at.error().message);
    at_ = *at;
    if (options_.name.empty() == options_.expr.empty()) {
      return fail(kUsage,
                  "give the name of a rule, --expr with an expression, or --labels of an alert");
    }
    for (const std::string& label : options_.labels) {
      const std::size_t equals = label.find('=');
      if (equals == std::string::npos || equals == 0) {
        return fail(kUsage, "'" + label + "' is not of the form name=value");
      }
      wanted_.set(label.substr(0, equals), label.substr(equals + 1));
    }
    auto client = world_.connect(world_.global);
    if (!client) return fail(kUsage, client.error().message);
    client_ = std::move(*client);
    return options_.expr.empty() ? explain_rules() : explain_expr();
  }

 private:
  int fail(int code, const std::string& message) const {
    std::string_view rest = message;
    bool first = true;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      world_.err << (first ? "tocsin explain: " : "  ") << printable(rest.substr(0, end)) << '\n';
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
      first = false;
    }
    return code;
  }
  int fail(const base::Error& error) const {
    return fail(error.code == base::ErrorCode::Unavailable ? kUnreachable : kNegative,
                error.message);
  }
  bool json_wanted() const { return world_.global.output == OutputFormat::Json; }

  int explain_expr() {
    const promql::Parsed parsed = promql::parse(options_.expr, kWholeLanguage);
    if (!parsed.expr) {
      for (const promql::ParseError& error : parsed.errors) {
        const base::Position at = base::position_of(options_.expr, error.begin);
        world_.err << base::render({base::DiagnosticSeverity::Error, "--expr", at.line, at.column,
                                    error.message, error.hint},
                                   options_.expr);
      }
      return kNegative;
    }
    backtest::QueryApi api(*client_);
    explain::Explainer explainer(api, at_, wanted_.build(), {});
    const auto explanation = explainer.explain(options_.expr, *parsed.expr);
    if (!explanation) return fail(explanation.error());
    if (json_wanted()) {
      world_.out << json::serialize(json::object{{"at", base::format_rfc3339(at_)},
                                                 {"reasons", texts_json(explanation->reasons)},
                                                 {"expression", part_json(explanation->root)}})
                 << '\n';
      return kOk;
    }
    print_time();
    print_reasons(explanation->reasons);
    TreePrinter(world_.terminal, world_.out).print(explanation->root, 0);
    return kOk;
  }

  int explain_rules() {
    ApiRequest request;
    request.path = "/api/v1/rules";
    const ApiAnswer answer = client_->call(request);
    if (answer.exit_code != kOk) return fail(answer.exit_code, answer.error);
    const auto groups = backtest::read_rules_in_force(answer.data, kWholeLanguage);
    if (!groups) return fail(groups.error());
    backtest::QueryApi api(*client_);
    std::vector<explain::RuleExplanation> explanations;
    std::set<std::string> names;
    for (const ruler::RuleGroup& group : *groups) {
      for (const ruler::Rule& rule : group.rules) {
        names.insert(rule.name);
        if (rule.name != options_.name) continue;
        if (!options_.group.empty() && group.name != options_.group) continue;
        auto explanation = explain::explain_rule(api, group, rule, at_, wanted_.build());
        if (!explanation) return fail(explanation.error());
        explanations.push_back(std::move(*explanation));
      }
    }
    if (explanations.empty()) return no_such_rule({names.begin(), names.end()});
    print(explanations);
    return kOk;
  }

  int no_such_rule(const std::vector<std::string>& names) const {
    std::string message = fmt::format("the server has no rule '{}'", options_.name);
    if (!options_.group.empty()) message += fmt::format(" in the group '{}'", options_.group);
    if (const auto near = base::closest(options_.name, names)) {
      message += fmt::format("; did you mean '{}'?", *near);
    }
    return fail(kNegative, message);
  }

  void print(const std::vector<explain::RuleExplanation>& explanations) {
    if (json_wanted()) {
      json::array rules;
      for (const auto& one : explanations) rules.push_back(rule_json(one));
      world_.out << json::serialize(
                        json::object{{"at", base::format_rfc3339(at_)}, {"rules", rules}})
                 << '\n';
      return;
    }
    print_time();
    for (const auto& one : explanations) {
      world_.out << '\n'
                 << colored(printable(one.name), Color::Bold, world_.terminal) << " (group "
                 << printable(one.group) << ", " << printable(one.source)
                 << "): " << printable(one.summary) << '\n';
      print_reasons(one.reasons);
      TreePrinter(world_.terminal, world_.out).print(one.expression.root, 0);
    }
  }

  void print_time() {
    world_.out << fmt::format("at {} ({})\n", format_local(at_), local_zone(at_));
  }

  void print_reasons(const std::vector<std::string>& reasons) {
    for (const std::string& reason : reasons) world_.out << "- " << printable(reason) << '\n';
    if (!reasons.empty()) world_.out << '\n';
  }

  const ExplainOptions& options_;
  const CommandWorld& world_;
  base::WallTime at_;
  model::LabelsBuilder wanted_;
  std::unique_ptr<ApiClient> client_;
};

}  // namespace

int run_explain(const ExplainOptions& options, const CommandWorld& world) {
  if (!options.alert.empty() || !options.incident.empty() || !options.fingerprint.empty()) {
    return run_explain_alert(options, world);
  }
  return ExplainCommand(options, world).run();
}

}  // namespace tocsin::cli
