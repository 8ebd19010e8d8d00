// Which alerts an assertion is about, and what their texts must be.
//
//   HostCpuBusy                        any label set
//   HostCpuBusy{instance="a"}          exactly these labels beside alertname and severity
//   HostCpuBusy{instance="a", ...}     these labels and perhaps others
//   HostCpuBusy{instance=~"a|b", ...}  every operator of PromQL
//   {severity="critical", ...}         of any name
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/matcher.h"

namespace re2 {
class RE2;
}

namespace tocsin::ruletest {

class AlertSelector {
 public:
  /// Errors: InvalidArgument; `offset`, if given, is set to the byte the message is about.
  static base::Result<AlertSelector> parse(std::string_view text, std::size_t* offset = nullptr);

  /// `labels` are the alert's, alertname included.
  bool matches(const model::Labels& labels) const;

  const std::string& name() const { return name_; }  ///< Empty: any.
  const std::string& text() const { return text_; }

 private:
  enum class Mode { Any, Exactly, AtLeast };
  std::string text_;
  std::string name_;
  Mode mode_ = Mode::Any;
  std::vector<model::Matcher> matchers_;
};

/// A condition on one text. Cheap to copy.
struct TextCondition {
  enum class Op { Equals, Contains, Matches };
  std::string name;  ///< Of the annotation.
  Op op = Op::Equals;
  std::string text;
  std::shared_ptr<const re2::RE2> pattern;  ///< Matches: found anywhere in the text.

  bool holds(std::string_view value) const;
  /// Returns `summary="text"`, `summary contains "text"` or `summary matches "text"`.
  std::string to_string() const;
};

/// Compiles the pattern of a Matches condition. Errors: InvalidArgument.
base::Result<void> compile(TextCondition& condition);

/// Conditions on annotations.
struct TextConditions {
  bool exactly = false;  ///< No annotations but those named (and severity).
  std::vector<TextCondition> conditions;

  bool hold(const model::Labels& annotations) const;
};

}  // namespace tocsin::ruletest
