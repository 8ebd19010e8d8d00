// Label matchers: how a selector, a route or a silence says which label sets it means.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/labels.h"

namespace re2 {
class RE2;
}

namespace tocsin::model {

enum class MatchOp { Equal, NotEqual, Regex, NotRegex };

/// Returns "=", "!=", "=~" or "!~".
std::string_view to_string(MatchOp op);

/// A condition on one label. A label that is not there has the value "". Cheap to copy. Thread:
/// any.
class Matcher {
 public:
  /// `value` is the text, or for Regex and NotRegex an RE2 pattern that must match the whole value.
  ///
  /// Errors: InvalidArgument (broken pattern, with RE2's reason), LimitExceeded (pattern over 4 KiB
  /// or a program over 8 MiB). RE2 runs in linear time, so no pattern can hang the daemon.
  static base::Result<Matcher> make(MatchOp op, std::string name, std::string value);
  /// The commonest one, which cannot fail.
  static Matcher equal(std::string name, std::string value);

  bool matches(std::string_view value) const;
  /// Returns whether a label set without this label would match.
  bool matches_empty() const { return matches(""); }

  MatchOp op() const { return op_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  /// Returns `name="value"` with the operator and quoting of PromQL.
  std::string to_string() const;

  friend bool operator==(const Matcher& a, const Matcher& b) {
    return a.op_ == b.op_ && a.name_ == b.name_ && a.value_ == b.value_;
  }

 private:
  Matcher(MatchOp op, std::string name, std::string value);

  MatchOp op_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> pattern_;
};

/// Returns whether the labels satisfy every matcher.
bool matches_all(std::span<const Matcher> matchers, const Labels& labels);

}  // namespace tocsin::model
