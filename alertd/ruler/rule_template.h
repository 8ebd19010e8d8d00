// Templates in the labels and annotations of rules.
//
// The language is gotemplate's; here are the names that rules see: $labels, $value,
// $externalLabels, $externalURL (and .Labels, .Value, ...), and the functions that need a query
// engine or the address of the product. A template that fails at run time never stops an alert: the
// failure becomes its text.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "alertd/promql/engine.h"
#include "common/base/result.h"
#include "common/gotemplate/template.h"
#include "common/model/labels.h"

namespace tocsin::ruler {

/// What the functions of one rule group's templates work with.
struct TemplateContext {
  /// Evaluates {{ query "..." }} at the time of the running evaluation; empty refuses.
  std::function<base::Result<promql::Vector>(const std::string& expr)> query;
  model::Labels external_labels;
  std::string external_url;  ///< Without a slash at the end.
  base::WallTime now;        ///< The evaluation's time: {{ now }}.
};

/// What one expansion works on.
struct TemplateData {
  const model::Labels& labels;  ///< Of the query's result, with __name__ if it has one.
  double value = 0;
};

/// A mistake in a template and where it is: byte offset into the text.
struct TemplateError {
  std::size_t offset = 0;
  std::string message;
};

/// Parses the template without running it; nullopt if it is fine. Thread: any.
std::optional<TemplateError> check_template(std::string_view text);

/// Returns whether the text has actions: anything else is constant.
bool has_actions(std::string_view text);

/// One parsed label or annotation. Immutable. Thread: any, if the context's is.
class RuleText {
 public:
  /// `context` is read at each expansion and outlives this object.
  /// Errors: InvalidArgument (what check_template() would say).
  static base::Result<RuleText> parse(std::string text, const TemplateContext& context);

  /// Errors: as Template::execute.
  base::Result<std::string> expand(const TemplateData& data) const;

  bool constant() const { return !parsed_; }

 private:
  std::string text_;
  const TemplateContext* context_ = nullptr;
  std::optional<gotemplate::Template> parsed_;
};

/// Returns the path and query of the page that shows an expression as a table.
std::string table_link(std::string_view expr);

}  // namespace tocsin::ruler
