// Which labels the result of an expression can have.
//
// Followed from the selectors upwards without evaluating anything: an aggregation keeps its `by`
// labels, `on` keeps what it matches, label_replace() adds one. What a bare selector has is known
// only from an inventory, or if the metric is recorded by a rule of the same files; else the set
// is open: anything may be there but what is known to be gone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "alertd/promql/ast.h"
#include "cli/lint/corpus.h"
#include "cli/lint/inventory.h"

namespace tocsin::lint {

/// The labels of one sub-expression, __name__ left out.
struct LabelSet {
  bool open = true;
  std::set<std::string, std::less<>> names;  ///< Closed: all it can have. Open: what it cannot.
  std::set<std::string, std::less<>> sure;  ///< On every series, or written so that they should be.
  std::set<std::string, std::less<>> proved;  ///< Of `sure`: known from matchers or the inventory.
  const promql::Expr* closed_by = nullptr;    ///< What took the other labels away; may be null.

  static LabelSet closed() { return {.open = false, .names = {}, .sure = {}, .proved = {}}; }
  bool can_have(std::string_view label) const { return names.contains(label) != open; }
  bool is_sure(std::string_view label) const { return sure.contains(label); }
  void remove(const std::string& label);
  void allow(const std::string& label);
};

/// Answers for the trees of one run; remembers what it found out. Thread: one.
class LabelFlow {
 public:
  LabelFlow(const Corpus& corpus, const Inventory* inventory)
      : corpus_(corpus), inventory_(inventory) {}

  /// Returns the labels of `expr`; of scalars the closed empty set.
  const LabelSet& of(const promql::Expr& expr);

  /// Returns the labels of a metric by its selector's matchers.
  LabelSet of_selector(const promql::VectorSelector& selector);

 private:
  LabelSet find(const promql::Expr& expr);
  LabelSet call(const promql::Expr& expr, const promql::Call& call);
  LabelSet binary(const promql::Expr& expr, const promql::Binary& binary);
  LabelSet aggregation(const promql::Expr& expr, const promql::Aggregation& aggregation);
  LabelSet absent(const promql::Expr& argument) const;
  LabelSet recorded(const Subject& subject);

  const Corpus& corpus_;
  const Inventory* inventory_;
  std::map<const promql::Expr*, LabelSet> known_;
  std::set<const ruler::Rule*> open_recordings_;  // being followed: a circle ends here
};

/// Returns the labels both sides of a join can be matched by; empty if that is not known.
std::set<std::string> common_labels(const LabelSet& left, const LabelSet& right);

/// "sum by (job) (...)" as "dropped by sum by (job)"; empty if nothing is known to have closed it.
std::string dropped_by(const LabelSet& labels);

}  // namespace tocsin::lint
