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

bool may_be(const promql::VectorSelector& selector, std::string_view label,
            std::string_view value) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const auto& matcher) {
    return matcher.name() != label || matcher.matches(value);
  });
}

/// What a rule reads: its selectors, or anything (a template that queries).
struct Reads {
  explicit Reads(const Rule& rule)
      : anything(may_query(rule.annotations) || may_query(rule.labels)),
        selectors(promql::selectors_of(*rule.expr)) {}

  bool from(const Rule& producer) const {
    return anything || std::any_of(selectors.begin(), selectors.end(), [&](const auto* selector) {
             if (producer.kind == RuleKind::Recording) {
               return may_be(*selector, model::kMetricName, producer.name);
             }
             return (may_be(*selector, model::kMetricName, "ALERTS") ||
                     may_be(*selector, model::kMetricName, "ALERTS_FOR_STATE")) &&
                    may_be(*selector, model::kAlertName, producer.name);
           });
  }

  bool anything;
  std::vector<const promql::VectorSelector*> selectors;
};

}  // namespace

std::vector<std::vector<std::size_t>> find_dependencies(const std::vector<Rule>& rules) {
  std::vector<std::vector<std::size_t>> result(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Reads reads(rules[i]);
    for (std::size_t k = 0; k < i; ++k) {
      if (reads.from(rules[k])) result[i].push_back(k);
    }
  }
  return result;
}

std::vector<std::vector<std::size_t>> plan_waves(const std::vector<Rule>& rules) {
  std::vector<Reads> reads;
  reads.reserve(rules.size());
  for (const Rule& rule : rules) reads.emplace_back(rule);
  std::vector<std::size_t> wave(rules.size(), 0);
  std::vector<std::vector<std::size_t>> waves;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      const bool same_series = rules[i].kind == rules[k].kind && rules[i].name == rules[k].name;
      if (reads[i].from(rules[k])) {
        wave[i] = std::max(wave[i], wave[k] + 1);
      } else if (same_series || reads[k].from(rules[i])) {
        wave[i] = std::max(wave[i], wave[k]);
      }
    }
    waves.resize(std::max(waves.size(), wave[i] + 1));
    waves[wave[i]].push_back(i);
  }
  return waves;
}

}  // namespace tocsin::ruler
