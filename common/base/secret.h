// A value that must never be shown: printing it gives "<secret>".
#pragma once

#include <fmt/core.h>

#include <string>

namespace tocsin::base {

/// Holds a token, password or key; wiped when destroyed. There is no way to print the value by
/// accident: reveal() is the only door.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) = default;
  Secret& operator=(const Secret&) = default;
  Secret& operator=(Secret&&) = default;
  ~Secret() { wipe(); }

  /// Returns the value itself. Never log it, never put it into a message.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  void wipe();

  std::string value_;
};

}  // namespace tocsin::base

template <>
struct fmt::formatter<tocsin::base::Secret> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const tocsin::base::Secret&, Context& context) const {
    return fmt::format_to(context.out(), "<secret>");
  }
};
