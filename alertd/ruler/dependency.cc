#include "alertd/ruler/dependency.h"

#include <algorithm>

#include "alertd/promql/ast.h"
#include "alertd/ruler/rule_template.h"

namespace tocsin::ruler {
namespace {

bool may_query(const std::vector<NamedText>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const NamedText& text) {
    return has_actions(text.text) && text.text.find("query") != std::string::npos;
  });
}

bool may_read(const promql::VectorSelector& selector, std::string_view metric) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const auto& matcher) {
    return matcher.name() != model::kMetricName || matcher.matches(metric);
  });
}

bool may_read(const std::vector<const promql::VectorSelector*>& selectors, const Rule& producer) {
  return std::any_of(selectors.begin(), selectors.end(), [&](const auto* selector) {
    if (producer.kind == RuleKind::Recording) return may_read(*selector, producer.name);
    return may_read(*selector, "ALERTS") || may_read(*selector, "ALERTS_FOR_STATE");
  });
}

}  // namespace

std::vector<std::vector<std::size_t>> find_dependencies(const std::vector<Rule>& rules) {
  std::vector<std::vector<std::size_t>> result(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const bool anything = may_query(rules[i].annotations) || may_query(rules[i].labels);
    const auto selectors = promql::selectors_of(*rules[i].expr);
    for (std::size_t k = 0; k < i; ++k) {
      if (anything || may_read(selectors, rules[k])) result[i].push_back(k);
    }
  }
  return result;
}

}  // namespace tocsin::ruler
