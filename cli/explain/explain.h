// Why an expression gives what it gives: each part with its value, and what keeps it empty.
//
//   Explainer explainer(api, at, {"instance", "db1"}, {});
//   const auto explanation = explainer.explain(text, *expr);
//
// Every part is asked of the server as a query of its own, at the same instant, so this works with
// alertd and with anything that has Prometheus' query API. The tree is that of the parser.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "alertd/promql/ast.h"
#include "cli/backtest/query_api.h"
#include "common/model/labels.h"

namespace tocsin::explain {

/// One series of a part's value.
struct Element {
  model::Labels labels;
  double value = 0;
  std::string note;    ///< "2.7 too low"; empty for none.
  bool passes = true;  ///< Of a comparison: it holds for this one.
};

/// One part of the expression.
struct Part {
  std::string text;       ///< As written.
  std::string operation;  ///< "selector", "rate()", "sum", ">", "and", "number", ...
  promql::ValueType type = promql::ValueType::InstantVector;
  std::size_t total = 0;           ///< Series it has. Of a range vector: series with samples.
  std::size_t matching = 0;        ///< Those that can belong to the label set asked for.
  std::vector<Element> elements;   ///< Of those, at most Limits::elements; a scalar has one.
  std::vector<std::string> notes;  ///< "400 of 600 series on the left find no partner".
  std::string error;               ///< Why it could not be evaluated.
  std::vector<Part> parts;

  bool empty() const { return matching == 0; }
};

struct Limits {
  std::size_t elements = 5;       ///< Shown of one part.
  std::size_t queries_max = 300;  ///< Beyond, parts are not evaluated any more, and say so.
};

struct Explanation {
  Part root;
  promql::Vector result;  ///< Of the whole, what can belong to the label set asked for.
  /// Why the result is empty, or what makes it not empty, most telling first; sentences for people.
  std::vector<std::string> reasons;
};

/// Thread: one. `api` outlives it.
class Explainer {
 public:
  /// `wanted`: the label set that is asked about; labels that a part does not have do not count.
  Explainer(backtest::QueryApi& api, base::WallTime at, model::Labels wanted, const Limits& limits)
      : api_(api), at_(at), wanted_(std::move(wanted)), limits_(limits) {}

  /// Errors: Unavailable (the server does not answer). What else goes wrong is in the parts.
  base::Result<Explanation> explain(const std::string& text, const promql::Expr& expr);

 private:
  friend class Reasons;
  /// A part with everything it was made from.
  struct Node {
    const promql::Expr* expr = nullptr;
    Part part;
    promql::Vector vector;  ///< All of it.
    std::vector<Node> nodes;
  };

  base::Result<Node> evaluate(const promql::Expr& expr);
  base::Result<void> evaluate_children(const promql::Expr& expr, Node& node);
  base::Result<promql::Vector> query(const std::string& expr);
  base::Result<void> ask(const std::string& expr, Node& node);
  base::Result<void> look_into_selector(const promql::VectorSelector& selector, Node& node);
  base::Result<std::string> last_seen(const std::string& selector);
  void compare(const promql::Binary& binary, Node& node) const;
  void match(const promql::Binary& binary, Node& node) const;
  void show(Node& node) const;
  bool belongs(const model::Labels& labels) const;
  std::string text_of(const promql::Expr& expr) const;
  static Part take(Node node);

  backtest::QueryApi& api_;
  const base::WallTime at_;
  const model::Labels wanted_;
  const Limits limits_;
  std::string text_;
  std::size_t queries_ = 0;
};

/// Returns how far a value is from making `value op threshold` true or false, for people:
/// "2.7 too low", "beyond by 7.3".
std::string describe_distance(promql::BinaryOp op, double value, double threshold);

/// Returns whether the comparison holds, as PromQL decides.
bool holds(promql::BinaryOp op, double value, double threshold);

/// Returns the number for people: at most six digits that count.
std::string short_number(double value);

}  // namespace tocsin::explain
