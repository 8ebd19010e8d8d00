// Checks of one rule's expression. Internal to the folder: lint.cc calls them for each rule.
#pragma once

#include <functional>

#include "cli/lint/label_flow.h"
#include "cli/lint/reporter.h"

namespace tocsin::lint {

/// What the checks of expressions work with.
struct ExprWorld {
  Reporter& reporter;
  LabelFlow& flow;
  const Inventory* inventory = nullptr;  ///< Null: what exists is not known.
  base::Duration scrape_interval{15'000};
};

/// Metrics, labels and values that do not exist; matchers that contradict each other.
void check_selectors(const Subject& subject, ExprWorld& world);
/// Functions for counters over gauges and the reverse, ranges that hold no two samples, quantiles
/// without `le`.
void check_functions(const Subject& subject, ExprWorld& world);
/// Joins that match nothing or too much; labels in by(), on() and group_left() that are not there.
void check_joins(const Subject& subject, ExprWorld& world);
/// Comparisons that are settled before any data; expressions divided by themselves.
void check_comparisons(const Subject& subject, ExprWorld& world);
/// What the templates of labels and annotations show.
void check_templates(const Subject& subject, ExprWorld& world);

/// The bare selectors of one expression (of a template's query) against the inventory.
void check_metric_names(const promql::Expr& expr, const ExprWorld& world,
                        const std::function<void(const promql::VectorSelector&, Remark)>& report);

}  // namespace tocsin::lint
