#include "alertd/routing/matcher_config.h"

#include <fmt/format.h>

#include "alertd/routing/matcher_text.h"

namespace tocsin::routing {
namespace {

constexpr std::string_view kHint =
    "write it as label=\"value\", label!=\"value\", label=~\"pattern\" or label!~\"pattern\"";

void append(config::Context& context, const config::Node& node, MatcherSet& set) {
  if (node.kind != config::Kind::String) {
    report_at(context, node, 0, fmt::format("expected a matcher, found {}", describe(node.kind)),
              std::string(kHint));
    return;
  }
  std::size_t offset = 0;
  auto matchers = parse_matchers(node.text, &offset);
  if (matchers) {
    set.insert(set.end(), matchers->begin(), matchers->end());
    return;
  }
  report_at(context, node, offset,
            fmt::format("matcher '{}': {}", node.text, matchers.error().message),
            std::string(kHint));
}

}  // namespace

void report_at(config::Context& context, const config::Node& node, std::size_t offset,
               std::string message, std::string hint) {
  base::Diagnostic diagnostic;
  diagnostic.file = context.source.file;
  const base::Position at = node.kind == config::Kind::String
                                ? config::position_in(node, offset, context.source)
                                : node.at;
  diagnostic.line = at.line;
  diagnostic.column = at.column;
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
  context.diagnostics.push_back(std::move(diagnostic));
}

std::vector<model::Matcher> read_matchers(config::Table& table, std::string_view key) {
  MatcherSet set;
  const config::Node* node = table.node(key);
  if (!node) return set;
  if (node->kind != config::Kind::Array) {
    append(table.context(), *node, set);
    return set;
  }
  for (const config::Node& item : node->items) append(table.context(), item, set);
  return set;
}

std::vector<MatcherSet> read_matcher_sets(config::Table& table, std::string_view key) {
  const config::Node* node = table.node(key);
  const bool several = node && node->kind == config::Kind::Array && !node->items.empty() &&
                       node->items.front().kind == config::Kind::Array;
  std::vector<MatcherSet> sets;
  if (!several) {
    MatcherSet set = read_matchers(table, key);
    if (!set.empty()) sets.push_back(std::move(set));
    return sets;
  }
  for (const config::Node& item : node->items) {
    MatcherSet& set = sets.emplace_back();
    if (item.kind != config::Kind::Array) {
      append(table.context(), item, set);
      continue;
    }
    for (const config::Node& text : item.items) append(table.context(), text, set);
  }
  return sets;
}

}  // namespace tocsin::routing
