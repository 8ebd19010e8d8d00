// Templates that show a label which the expression never returns: the page then names no host.
//
// The text is parsed by the template engine itself, and the tree searched for $labels.x, .Labels.x,
// index $labels "x" and query "...".

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/engine.h"
#include "cli/lint/expr_checks.h"
#include "common/base/strings.h"
#include "common/gotemplate/tree.h"

namespace tocsin::lint {
namespace {

using gotemplate::Node;
using gotemplate::NodeKind;

constexpr std::string_view kPrefix =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// A name that a template mentions, and where: bytes into the template.
struct Mention {
  std::string name;
  std::size_t offset = 0;
};

struct Mentions {
  std::vector<Mention> labels;
  std::vector<Mention> queries;
};

class Search {
 public:
  Search(std::string_view text, Mentions& found) : text_(text), found_(found) {}

  /// `dot` is false where the dot is no longer the alert: inside range and with.
  void visit(const Node& node, bool dot) {
    if (node.kind == NodeKind::Variable && node.text == "$labels" && !node.names.empty()) {
      found_.labels.push_back({node.names.front(), offset_of(node)});
    }
    if (dot && node.kind == NodeKind::Field && node.names.size() > 1 &&
        node.names.front() == "Labels") {
      found_.labels.push_back({node.names[1], offset_of(node)});
    }
    if (node.kind == NodeKind::Command) command(node);
    for (const Node& child : node.children) visit(child, dot);
    const bool inside = dot && node.kind != NodeKind::Range && node.kind != NodeKind::With;
    for (const Node& child : node.body) visit(child, inside);
    for (const Node& child : node.otherwise) visit(child, dot);
  }

 private:
  void command(const Node& node) {
    if (node.children.size() < 2 || node.children[0].kind != NodeKind::Call) return;
    const Node& last = node.children.back();
    const std::string* text = last.kind == NodeKind::Constant ? last.constant.string() : nullptr;
    if (text == nullptr) return;
    if (node.children[0].text == "query" && node.children.size() == 2) {
      found_.queries.push_back({*text, offset_of(last)});
    }
    const Node& first = node.children[1];
    if (node.children[0].text == "index" && node.children.size() == 3 &&
        first.kind == NodeKind::Variable && first.text == "$labels" && first.names.empty()) {
      found_.labels.push_back({*text, offset_of(last)});
    }
  }

  std::size_t offset_of(const Node& node) const {
    std::size_t begin = 0;
    for (std::uint32_t line = 1; line < node.line; ++line) {
      const std::size_t end = text_.find('\n', begin);
      if (end == std::string_view::npos) break;
      begin = end + 1;
    }
    std::size_t at = begin + (node.column > 0 ? node.column - 1 : 0);
    if (node.line <= 1) at = at > kPrefix.size() ? at - kPrefix.size() : 0;
    return std::min(at, text_.size());
  }

  std::string_view text_;
  Mentions& found_;
};

Mentions mentions_of(const std::string& text) {
  Mentions found;
  if (text.find("{{") == std::string::npos) return found;
  gotemplate::Functions functions = gotemplate::standard_functions();
  const auto nothing = [](const std::vector<gotemplate::Value>&) {
    return base::Result<gotemplate::Value>(gotemplate::Value());
  };
  // Only the names matter: nothing is run.
  for (const char* name : {"query", "externalURL", "pathPrefix", "now", "tmpl"}) {
    functions.emplace(name, nothing);
  }
  gotemplate::Template::Tree tree;
  if (!gotemplate::parse_into(std::string(kPrefix) + text, functions, tree)) return found;
  Search search(text, found);
  for (const Node& node : tree.main) search.visit(node, true);
  for (const auto& [name, nodes] : tree.definitions) {
    for (const Node& node : nodes) search.visit(node, false);
  }
  return found;
}

class TemplateCheck {
 public:
  TemplateCheck(const Subject& subject, ExprWorld& world)
      : subject_(subject), world_(world), labels_(world.flow.of(*subject.rule->expr)) {}

  void check(const std::string& text, const config::Node* node, std::string_view what) {
    const Mentions mentions = mentions_of(text);
    for (const Mention& mention : mentions.labels) check_label(mention, node, what);
    for (const Mention& query : mentions.queries) check_query(query, node, what);
  }

 private:
  void check_label(const Mention& mention, const config::Node* node, std::string_view what) {
    if (mention.name == model::kMetricName || labels_.can_have(mention.name)) return;
    const auto& own = subject_.rule->labels;
    const bool set_by_rule =
        mention.name == model::kAlertName ||
        std::any_of(own.begin(), own.end(),
                    [&](const ruler::NamedText& label) { return label.name == mention.name; });
    const std::string why = dropped_by(labels_);
    Remark remark{"template-label", Level::Warning, "", ""};
    remark.message = fmt::format(
        "{}: the result of the expression never has the label '{}'{}, so "
        "nothing is shown",
        what, mention.name, why.empty() ? std::string() : " (" + why + ")");
    const std::vector<std::string> known(labels_.names.begin(), labels_.names.end());
    if (set_by_rule) {
      remark.hint = fmt::format(
          "'{}' is a label of the rule; templates see those of the result: write the text itself",
          mention.name);
    } else if (!labels_.open && !known.empty()) {
      const auto near = base::closest(mention.name, known);
      remark.hint = near ? fmt::format("did you mean '{}'?", *near)
                         : fmt::format("keep '{}' in the expression; it has: {}", mention.name,
                                       base::join(known, ", "));
    } else {
      remark.hint = fmt::format("keep '{}' in the expression, for example by ({})", mention.name,
                                mention.name);
    }
    world_.reporter.at_text(subject_, node, mention.offset, 1, std::move(remark));
  }

  void check_query(const Mention& query, const config::Node* node, std::string_view what) {
    // What of the language is switched on is alertd.toml's to say, which need not be at hand.
    const promql::Parsed parsed =
        promql::parse(query.name, {.experimental_functions = true, .duration_expressions = true});
    if (!parsed.expr) {
      const std::string why = parsed.errors.empty() ? "" : ": " + parsed.errors.front().message;
      world_.reporter.at_text(
          subject_, node, query.offset, 1,
          {"template-error", Level::Error, fmt::format("{}: the query is wrong{}", what, why),
           "try it with `tocsin query`"});
      return;
    }
    check_metric_names(*parsed.expr, world_, [&](const promql::VectorSelector&, Remark remark) {
      remark.level = Level::Warning;
      remark.message = fmt::format("{}: {}", what, remark.message);
      world_.reporter.at_text(subject_, node, query.offset, 1, std::move(remark));
    });
  }

  const Subject& subject_;
  ExprWorld& world_;
  const LabelSet& labels_;
};

}  // namespace

void check_templates(const Subject& subject, ExprWorld& world) {
  if (!subject.alerting()) return;
  TemplateCheck check(subject, world);
  for (const ruler::NamedText& label : subject.rule->labels) {
    check.check(label.text, subject.label_node(label.name), "label '" + label.name + "'");
  }
  for (const ruler::NamedText& text : subject.rule->annotations) {
    check.check(text.text, subject.annotation_node(text.name), "annotation '" + text.name + "'");
  }
}

}  // namespace tocsin::lint
