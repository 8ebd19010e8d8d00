// TOML as text: values quoted in the most readable way that keeps every byte, and lines with their
// comments.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/convert/comments.h"

namespace tocsin::cli::convert {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Returns a TOML string: '...' where it can be read as it is, '''...''' over several lines, else
/// "..." with escapes.
std::string toml_string(std::string_view text);
/// Returns the key, quoted if it is not a bare one.
std::string toml_key(std::string_view name);
/// Returns ["a", "b"].
std::string toml_strings(const std::vector<std::string>& texts);
/// Returns { a = "b", c = "d" }.
std::string toml_inline_table(const Pairs& pairs);

/// Builds a piece of a TOML file, line by line.
class TomlWriter {
 public:
  /// "[[group]]" and the like.
  void header(std::string_view text, const Remarks& remarks = {});
  /// `value` is TOML already.
  void value(std::string_view key, std::string_view value, const Remarks& remarks = {});
  void string(std::string_view key, std::string_view text, const Remarks& remarks = {}) {
    value(key, toml_string(text), remarks);
  }
  /// Lines that begin with '#', or blank ones.
  void comments(const std::vector<std::string>& lines);
  /// One remark of ours: "# " is put before each line.
  void note(std::string_view text);
  /// A key that is only proposed: "# key = value".
  void proposal(std::string_view line) { note(line); }
  void blank() { text_ += '\n'; }

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

/// Returns the text with "# " before each line.
std::string commented_out(std::string_view text);

}  // namespace tocsin::cli::convert
