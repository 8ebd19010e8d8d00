// The comments of a YAML file, each with the key that it speaks about.
//
// The YAML reader drops comments, so they are found again in the text: a '#' outside quoted and
// block scalars, whose places the tree knows. A comment on a line of its own belongs to the next
// key below it, one behind a value to that value's key. Every comment is handed out once, so that
// the converter can give back at the end what nobody asked for: none is lost.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/node.h"

namespace tocsin::cli::convert {

/// What was written about one key. Texts begin with '#'; an empty text is a blank line between two
/// blocks of comments.
struct Remarks {
  std::vector<std::string> above;
  std::vector<std::string> beside;  ///< Behind the value; mostly one.

  bool empty() const { return above.empty() && beside.empty(); }
};

/// Lines count from 1. Thread: one.
class Comments {
 public:
  /// `root` is what parse_yaml() made of `text`.
  Comments(std::string_view text, const config::Node& root);

  /// Returns the comments of the key written at `line`, and forgets them.
  Remarks take(std::size_t line);

  /// Returns all comments that belong to keys in [begin, end) and were not taken, in order, and
  /// forgets them.
  std::vector<std::string> take_rest(std::size_t begin, std::size_t end);

  /// How many comments there were in the file.
  std::size_t count() const { return count_; }

 private:
  std::map<std::size_t, Remarks> by_line_;
  std::size_t count_ = 0;
};

}  // namespace tocsin::cli::convert
