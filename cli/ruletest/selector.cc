#include "cli/ruletest/selector.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

constexpr std::string_view kRest = "...";

/// alertd puts it on an alert by itself; assertions have a key of their own for it.
constexpr std::string_view kSeverity = "severity";

/// Put before the braces so that PromQL's own parser reads them.
constexpr std::string_view kAnyMetric = "a";

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace

base::Result<AlertSelector> AlertSelector::parse(std::string_view text, std::size_t* offset) {
  std::size_t ignored = 0;
  std::size_t& where = offset != nullptr ? *offset : ignored;
  where = 0;
  AlertSelector selector;
  selector.text_ = std::string(base::trim(text));
  const std::size_t open = text.find('{');
  selector.name_ = std::string(base::trim(text.substr(0, open)));
  if (open == std::string_view::npos) {
    if (selector.name_.empty()) return invalid("an alert's name is missing");
    return selector;
  }
  const std::size_t close = text.rfind('}');
  if (close == std::string_view::npos || close < open ||
      !base::trim(text.substr(close + 1)).empty()) {
    where = close == std::string_view::npos ? open : std::min(close + 1, text.size());
    return invalid("expected NAME{label=\"value\", ...}");
  }
  std::string_view inner = text.substr(open + 1, close - open - 1);
  while (!inner.empty() && (inner.back() == ' ' || inner.back() == '\t')) inner.remove_suffix(1);
  selector.mode_ = inner.ends_with(kRest) ? Mode::AtLeast : Mode::Exactly;
  if (selector.mode_ == Mode::AtLeast) {
    inner.remove_suffix(kRest.size());
    while (!inner.empty() && (inner.back() == ' ' || inner.back() == '\t')) inner.remove_suffix(1);
    const bool separated = inner.empty() || inner.ends_with(',');
    if (!separated) {
      where = open + 1 + inner.size();
      return invalid("expected a comma before '...'");
    }
  }
  const promql::Parsed parsed =
      promql::parse(std::string(kAnyMetric) + "{" + std::string(inner) + "}");
  if (!parsed.expr) {
    const std::size_t at = parsed.errors.empty() ? 0 : parsed.errors.front().begin;
    where = std::min(open + at - std::min(at, kAnyMetric.size()), text.size());
    return invalid(parsed.errors.empty() ? "expected labels" : parsed.errors.front().message);
  }
  const auto* vector = std::get_if<promql::VectorSelector>(&parsed.expr->node);
  if (vector == nullptr) return invalid("expected NAME{label=\"value\", ...}");
  for (const model::Matcher& matcher : vector->matchers) {
    if (matcher.name() != model::kMetricName) selector.matchers_.push_back(matcher);
  }
  return selector;
}

bool AlertSelector::matches(const model::Labels& labels) const {
  if (!name_.empty() && labels.get(model::kAlertName) != name_) return false;
  if (!model::matches_all(matchers_, labels)) return false;
  if (mode_ != Mode::Exactly) return true;
  return std::all_of(labels.begin(), labels.end(), [&](const model::LabelView& label) {
    return label.name == model::kAlertName || label.name == kSeverity ||
           std::any_of(matchers_.begin(), matchers_.end(),
                       [&](const model::Matcher& matcher) { return matcher.name() == label.name; });
  });
}

base::Result<void> compile(TextCondition& condition) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  auto pattern = std::make_shared<RE2>(condition.text, options);
  if (!pattern->ok()) return invalid("bad regular expression: " + pattern->error());
  condition.pattern = std::move(pattern);
  return base::ok();
}

bool TextCondition::holds(std::string_view value) const {
  if (op == Op::Equals) return value == text;
  if (op == Op::Contains) return value.find(text) != std::string_view::npos;
  return pattern && RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *pattern);
}

std::string TextCondition::to_string() const {
  const std::string_view word = op == Op::Equals     ? "="
                                : op == Op::Contains ? " contains "
                                                     : " matches ";
  return fmt::format("{}{}\"{}\"", name, word, base::escape_control(text));
}

bool TextConditions::hold(const model::Labels& annotations) const {
  for (const TextCondition& condition : conditions) {
    if (!condition.holds(annotations.get(condition.name))) return false;
  }
  if (!exactly) return true;
  return std::all_of(annotations.begin(), annotations.end(), [&](const model::LabelView& text) {
    return text.name == kSeverity ||
           std::any_of(conditions.begin(), conditions.end(),
                       [&](const TextCondition& wanted) { return wanted.name == text.name; });
  });
}

}  // namespace tocsin::ruletest
