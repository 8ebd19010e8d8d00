// A regular expression over device names and mount points, hidden so that RE2's header stays out of
// headers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Finds a match anywhere in the text, as the exporters' flags do. Movable. Thread: any.
class Pattern {
 public:
  /// Errors: InvalidArgument (RE2's message).
  static base::Result<Pattern> compile(const std::string& expression);
  /// For expressions that were checked when the configuration was read; aborts on a bad one.
  explicit Pattern(const std::string& expression);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  bool matches(std::string_view text) const;

 private:
  struct State;
  explicit Pattern(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::agent
