// PromQL: text in, vectors out. A library used by the ruler, the API and the command line alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/sample.h"
#include "common/model/series_source.h"

namespace tocsin::promql {

struct Expr;  // ast.h
class Evaluator;
class Plan;

/// What is wrong with an expression, and where: byte offsets into its text, `end` exclusive.
struct ParseError {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string message;  ///< "unknown function 'avg_over_tim'"
  std::string hint;     ///< "did you mean 'avg_over_time'?"; empty for none.
};

/// Which parts of the language beyond the stable one are on; as Prometheus's feature flags.
struct ParseOptions {
  bool experimental_functions = false;
  bool duration_expressions = false;
};

/// A parsed, type-checked expression. Immutable; shared between threads.
using ExprPtr = std::shared_ptr<const Expr>;

/// The expression, or everything that is wrong with it (then `expr` is null).
struct Parsed {
  ExprPtr expr;
  std::vector<ParseError> errors;
};

/// Parses and type-checks one expression of at most 64 KiB, nested at most 128 deep. Thread: any.
Parsed parse(std::string_view text, const ParseOptions& options = {});

/// Prints the expression in canonical form; parse(print(e)) is equal to e.
std::string print(const Expr& expr);

struct VectorSample {
  model::Labels labels;
  model::Sample sample;
};
struct MatrixSeries {
  model::Labels labels;
  std::vector<model::Sample> samples;
};
struct Scalar {
  model::Sample sample;
};
struct String {
  std::int64_t timestamp_ms = 0;
  std::string value;
};
using Vector = std::vector<VectorSample>;
using Matrix = std::vector<MatrixSeries>;

struct QueryResult {
  std::variant<Vector, Matrix, Scalar, String> value;
  /// "PromQL warning: ... (line:column)" and "PromQL info: ...", sorted, without repetition.
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

struct EngineOptions {
  base::Duration lookback{300'000};
  base::Duration subquery_step_default{60'000};
  std::size_t samples_max = 50'000'000;  ///< Held in memory at once by one query.
  std::size_t points_max = 11'000;       ///< Steps of a range query after its first.
  bool delayed_name_removal = false;
};

/// Evaluates expressions. Stateless between calls; Thread: any, also at once.
class Engine {
 public:
  explicit Engine(const EngineOptions& options = {}) : options_(options) {}

  /// Evaluates at one instant. A Vector is sorted only where the language sorts it.
  /// `cancelled`, if given, is asked now and then; when it says true the query ends with Cancelled.
  /// Errors: InvalidArgument (execution error such as many-to-many matching), LimitExceeded,
  /// Cancelled.
  base::Result<QueryResult> instant(const model::SeriesSource& source, const Expr& expr,
                                    base::WallTime at,
                                    const std::function<bool()>& cancelled = {}) const;
  /// As above, with the memory of a plan that belongs to this engine; see plan.h.
  base::Result<QueryResult> instant(Plan& plan, const Expr& expr, base::WallTime at,
                                    const std::function<bool()>& cancelled) const;

  /// Evaluates at begin, begin + step, ... up to end, inclusive; the result is a Matrix sorted by
  /// labels.
  base::Result<QueryResult> range(const model::SeriesSource& source, const Expr& expr,
                                  base::WallTime begin, base::WallTime end, base::Duration step,
                                  const std::function<bool()>& cancelled = {}) const;

 private:
  base::Result<QueryResult> evaluate_instant(Evaluator& evaluator, const Expr& expr,
                                             std::int64_t at_ms) const;

  EngineOptions options_;
};

}  // namespace tocsin::promql
