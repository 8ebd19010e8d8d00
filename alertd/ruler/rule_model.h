// What a rule is, whichever file format it was written in.
//
// The readers (rule_file.h) build these values and refuse everything that is wrong with them; the
// rest of the folder never looks at a file again. A plain alert (Prometheus) is an alert with one
// level that has no bound: whatever the expression returns is active. A levelled alert (ours) has a
// bound for each severity, and the expression returns the values to compare.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "alertd/promql/engine.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/severity.h"

namespace tocsin::ruler {

enum class RuleKind { Alerting, Recording };

/// What happens to an alert when nobody reports its label set any more: for a levelled alert, when
/// it is no longer in the result; for a plain one, when it is not in Rule::input either.
enum class NoData {
  Ok,     ///< As if the condition had ended: the alert resolves. What Prometheus does.
  Keep,   ///< The alert stays as it is until the label set returns.
  Alert,  ///< As Keep, and a label set that was quiet raises an alert labelled no_data="true".
};

/// Returns "ok", "keep" or "alert".
std::string_view to_string(NoData no_data);

/// One side of a number: above 90, below or equal 5.
struct Bound {
  enum class Side { Above, AtLeast, Below, AtMost };
  Side side = Side::Above;
  double value = 0;

  /// NaN is beyond no bound.
  bool holds(double observed) const;
  bool upwards() const { return side == Side::Above || side == Side::AtLeast; }
  /// Returns "> 90", "<= 5".
  std::string to_string() const;
};

/// One severity of an alert.
struct Level {
  model::Severity severity = model::Severity::Medium;  ///< Plain alerts: if the labels give none.
  std::optional<Bound> bound;  ///< Set for levelled alerts, never for plain ones.
  base::Duration hold_for{0};  ///< The key `for`.
  base::Duration keep_firing_for{0};
};

/// The value of a label or annotation: a Go template.
struct NamedText {
  std::string name;
  std::string text;
  bool operator==(const NamedText&) const = default;
};

/// Where something was written.
struct Place {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
};

/// One alerting or recording rule.
struct Rule {
  RuleKind kind = RuleKind::Alerting;
  std::string name;  ///< Of the alert, or of the metric to record.
  std::string expr_text;
  promql::ExprPtr expr;
  std::vector<NamedText>
      labels;  ///< Sorted by name; the group's are merged in. Recording: no templates.
  std::vector<NamedText> annotations;  ///< Sorted by name.
  std::vector<Level> levels;           ///< Alerting: ascending severity, never empty.
  bool levelled = false;
  std::optional<Bound> clear;  ///< Levelled: what ends the alert; default: no level's bound holds.
  NoData no_data = NoData::Ok;
  /// Plain alerts whose no_data is not Ok: gives every label set that the condition looks at (see
  /// input_expr.h). Null otherwise.
  promql::ExprPtr input;
  Place place;
};

/// Rules evaluated one after the other at the same instants.
struct RuleGroup {
  std::string name;
  std::string file;
  base::Duration interval{60'000};
  base::Duration query_offset{0};
  std::size_t limit = 0;  ///< Alerts or series of one rule; 0 is no limit.
  /// `interval = "on-data"`: a rule is evaluated when data that it reads arrives, at most once in
  /// min_interval; and all of them every `interval`, so that absence and staleness are noticed.
  bool on_data = false;
  base::Duration min_interval{1'000};
  std::string datasource;  ///< The engine that evaluates the rules; empty: ours.
  std::vector<Rule> rules;
  Place place;
};

}  // namespace tocsin::ruler
