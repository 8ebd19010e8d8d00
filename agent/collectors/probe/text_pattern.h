// A regular expression of the configuration, with its text for messages; copies share it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Finds a match anywhere in a text; `^` and `$` are the text's ends, "(?m)" makes them those of a
/// line. Thread: any.
class TextPattern {
 public:
  /// Errors: InvalidArgument (RE2's message).
  static base::Result<TextPattern> compile(const std::string& expression);

  bool matches(std::string_view text) const;
  /// Returns what the first group in parentheses matched; nothing without a match or a group.
  std::optional<std::string> captured(std::string_view text) const;
  /// Returns how many groups in parentheses it has.
  int groups() const;
  const std::string& text() const;

 private:
  struct State;
  explicit TextPattern(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

}  // namespace tocsin::agent
