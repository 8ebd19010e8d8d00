#include "cli/convert/comments.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

struct Found {
  std::size_t line = 0;
  bool alone = false;  ///< Nothing else on its line.
  bool after_blank = false;
  std::string text;
};

/// Scalars that may hold a '#' that begins no comment: offset of the first character -> style.
struct Skeleton {
  std::map<std::size_t, config::Style> scalars;
  std::set<std::size_t> key_lines;
  const std::string_view text;

  void add(const config::Node& node) {
    using config::Style;
    const bool scalar = node.kind == config::Kind::String;
    if (scalar && (node.style == Style::DoubleQuoted || node.style == Style::SingleQuoted ||
                   node.style == Style::Block)) {
      scalars.emplace(config::offset_of(text, node.at), node.style);
    }
    for (const config::Node& item : node.items) {
      key_lines.insert(item.at.line);
      add(item);
    }
    for (const config::Field& field : node.fields) {
      key_lines.insert(field.at.line);
      const std::size_t at = config::offset_of(text, field.at);
      if (at < text.size() && text[at] == '"') scalars.emplace(at, Style::DoubleQuoted);
      if (at < text.size() && text[at] == '\'') scalars.emplace(at, Style::SingleQuoted);
      add(field.value);
    }
  }
};

std::size_t end_of_quoted(std::string_view text, std::size_t at, char quote) {
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != '\'') return at + 1;
      ++at;
    }
  }
  return text.size();
}

std::size_t indentation(std::string_view text, std::size_t line_begin) {
  const std::size_t first = text.find_first_not_of(' ', line_begin);
  return (first == std::string_view::npos ? text.size() : first) - line_begin;
}

bool blank_line(std::string_view text, std::size_t line_begin) {
  const std::size_t first = text.find_first_not_of(" \t\r", line_begin);
  return first == std::string_view::npos || text[first] == '\n';
}

// `at` is the first character of the first line after the header; the content's indentation is that
// of the first line that is not blank.
std::size_t end_of_block(std::string_view text, std::size_t at, std::size_t parent_indentation) {
  std::size_t content = std::string_view::npos;
  while (at < text.size()) {
    const std::size_t line_end = std::min(text.find('\n', at), text.size());
    if (!blank_line(text, at)) {
      const std::size_t depth = indentation(text, at);
      if (content == std::string_view::npos) {
        if (depth <= parent_indentation) return at;
        content = depth;
      }
      if (depth < content) return at;
    }
    at = line_end + (line_end < text.size() ? 1 : 0);
  }
  return at;
}

/// Walks over the text once.
class Scanner {
 public:
  Scanner(std::string_view text, const Skeleton& skeleton) : text_(text), skeleton_(skeleton) {}

  std::vector<Found> run() {
    while (at_ < text_.size()) step();
    return std::move(found_);
  }

 private:
  void step() {
    const auto scalar = skeleton_.scalars.find(at_);
    if (scalar != skeleton_.scalars.end()) {
      if (scalar->second == config::Style::Block) {
        block_ = true;
        ++at_;
      } else {
        pass_to(end_of_quoted(text_, at_, text_[at_]));
      }
      alone_ = false;
      return;
    }
    const char c = text_[at_];
    if (c == '\n') {
      new_line();
    } else if (c == '#' &&
               (at_ == line_begin_ || text_[at_ - 1] == ' ' || text_[at_ - 1] == '\t')) {
      take_comment();
    } else {
      if (c != ' ' && c != '\t' && c != '\r') alone_ = false;
      ++at_;
    }
  }

  void new_line() {
    blank_before_ = alone_ && blank_line(text_, line_begin_);
    const std::size_t parent = indentation(text_, line_begin_);
    ++line_;
    line_begin_ = ++at_;
    alone_ = true;
    if (block_) {
      block_ = false;
      pass_to(end_of_block(text_, at_, parent));
      line_begin_ = at_;
      blank_before_ = false;
    }
  }

  void pass_to(std::size_t end) {
    for (; at_ < end; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_begin_ = at_ + 1;
    }
  }

  void take_comment() {
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view comment = text_.substr(at_, end - at_);
    while (!comment.empty() && (comment.back() == '\r' || comment.back() == ' ')) {
      comment.remove_suffix(1);
    }
    found_.push_back({line_, alone_, blank_before_, base::escape_control(comment)});
    at_ = end;
    alone_ = false;
  }

  std::string_view text_;
  const Skeleton& skeleton_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;
  bool alone_ = true;
  bool block_ = false;
  bool blank_before_ = false;
  std::vector<Found> found_;
};

void append(std::vector<std::string>& to, std::vector<std::string>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Comments::Comments(std::string_view text, const config::Node& root) {
  Skeleton skeleton{{}, {}, text};
  skeleton.add(root);
  for (Found& comment : Scanner(text, skeleton).run()) {
    ++count_;
    const std::set<std::size_t>& keys = skeleton.key_lines;
    auto next = keys.upper_bound(comment.line);
    if (!comment.alone && next != keys.begin()) {
      by_line_[*std::prev(next)].beside.push_back(std::move(comment.text));
      continue;
    }
    // Behind the last key there is nothing to speak about but the end of the file.
    auto& above = by_line_[next == keys.end() ? std::string::npos : *next].above;
    if (comment.after_blank && !above.empty()) above.emplace_back();
    above.push_back(std::move(comment.text));
  }
}

Remarks Comments::take(std::size_t line) {
  const auto found = by_line_.find(line);
  if (found == by_line_.end()) return {};
  Remarks remarks = std::move(found->second);
  by_line_.erase(found);
  return remarks;
}

std::vector<std::string> Comments::take_rest(std::size_t begin, std::size_t end) {
  std::vector<std::string> rest;
  for (auto it = by_line_.lower_bound(begin); it != by_line_.end() && it->first < end;) {
    append(rest, it->second.above);
    append(rest, it->second.beside);
    it = by_line_.erase(it);
  }
  return rest;
}

}  // namespace tocsin::cli::convert
