// A reading position inside one line of an exposition, and the small tokens both formats share.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::agent {

/// Reads a line from left to right. Never goes past its end; at the end, peek() is '\0'.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : rest_(line) {}

  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  std::string_view rest() const { return rest_; }

  /// Consumes `c` if it is next.
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// Consumes spaces and tabs; returns whether there was one.
  bool skip_blanks();

  /// Consumes and returns everything before the first of `stops`, or the rest.
  std::string_view until(std::string_view stops);

  /// Consumes a string that starts at its opening quote, up to and with its closing quote.
  ///
  /// Returns false if it does not start with a quote or does not end. `value` is a view into the
  /// line, or into `scratch`, whose capacity must suffice for the rest of the line so that it never
  /// moves.
  bool quoted(std::string& scratch, std::string_view& value);

 private:
  std::string_view rest_;
};

/// Appends `text` to `out` with \\ and \n (and \" if `quotes`) decoded; other backslashes stay.
void unescape(std::string_view text, bool quotes, std::string& out);

/// Returns `text` fit for an error message: at most 64 bytes, control characters escaped.
std::string shown(std::string_view text);

}  // namespace tocsin::agent
