// toml++ to Node. toml++ counts columns in characters; ours count bytes, so every place is
// translated.
//
// toml++ builds dotted keys by recursion without a limit and frees them the same way, so a line of
// a million dots would end the process: check_key_depth() refuses those before it sees them.

#include "common/config/toml.h"

#include <fmt/core.h>
#include <toml++/toml.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::config {
namespace {

constexpr std::size_t kKeyPartsMax = 32;
constexpr int kDepthMax = 64;

/// Byte offsets of line starts, for translating toml++'s positions.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') starts_.push_back(i + 1);
    }
  }

  std::size_t offset(toml::source_position position) const {
    if (position.line == 0) return 0;
    if (position.line > starts_.size()) return text_.size();
    std::size_t at = starts_[position.line - 1];
    for (toml::source_index column = 1; column < position.column && at < text_.size(); ++column) {
      if (text_[at] == '\n') break;
      ++at;
      while (at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xc0U) == 0x80U) ++at;
    }
    return at;
  }

  base::Position at(toml::source_position position) const {
    const std::size_t bytes = offset(position);
    const auto line = std::upper_bound(starts_.begin(), starts_.end(), bytes) - starts_.begin();
    const auto number = static_cast<std::size_t>(line);
    return {number, bytes - starts_[number - 1] + 1};
  }

  std::string_view slice(const toml::source_region& region) const {
    const std::size_t begin = offset(region.begin);
    return text_.substr(begin, std::max(offset(region.end), begin) - begin);
  }

  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

// Skips a quoted string that begins at `at`; returns the place after it. An unclosed one ends the
// scan.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool triple = text.substr(at, 3) == std::string(3, quote);
  const std::string close(triple ? 3 : 1, quote);
  at += close.size();
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (text.substr(at, close.size()) == close) {
      return at + close.size();
    } else if (!triple && text[at] == '\n') {
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

// Returns the offset of a key with too many parts, or npos.
std::size_t find_deep_key(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = skip_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '.') {
      if (++dots >= kKeyPartsMax) return at;
    } else if (std::string_view("=,{}[]\n").find(c) != std::string_view::npos) {
      dots = 0;
    }
    ++at;
  }
  return std::string_view::npos;
}

class Builder {
 public:
  Builder(const Source& source, const Lines& lines, base::Diagnostics& diagnostics)
      : source_(source), lines_(lines), diagnostics_(diagnostics) {}

  Node build(const toml::node& from, int depth) {
    Node node;
    node.at = lines_.at(from.source().begin);
    node.text_at = node.at;
    if (depth > kDepthMax) {
      diagnostics_.push_back({base::DiagnosticSeverity::Error, source_.file, node.at.line,
                              node.at.column,
                              fmt::format("tables are nested deeper than {} levels", kDepthMax),
                              "make the structure flatter"});
      return node;
    }
    switch (from.type()) {
      case toml::node_type::table:
        build_table(*from.as_table(), depth, node);
        break;
      case toml::node_type::array:
        node.kind = Kind::Array;
        for (const toml::node& item : *from.as_array()) {
          node.items.push_back(build(item, depth + 1));
        }
        break;
      case toml::node_type::string:
        build_string(*from.as_string(), node);
        break;
      default:
        build_scalar(from, node);
        break;
    }
    return node;
  }

 private:
  void build_table(const toml::table& from, int depth, Node& node) {
    node.kind = Kind::Table;
    for (const auto& [key, value] : from) {
      node.fields.push_back(
          {std::string(key.str()), lines_.at(key.source().begin), build(value, depth + 1)});
    }
    // toml++ sorts by name; people expect messages in the order of the file.
    std::stable_sort(node.fields.begin(), node.fields.end(), [](const Field& a, const Field& b) {
      return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
    });
  }

  void build_string(const toml::value<std::string>& from, Node& node) {
    node.kind = Kind::String;
    node.text = from.get();
    std::size_t at = lines_.offset(from.source().begin);
    const std::string_view rest = lines_.text().substr(at);
    const bool basic = rest.starts_with('"');
    if (rest.starts_with("\"\"\"") || rest.starts_with("'''")) {
      node.style = basic ? Style::MultiLineBasic : Style::MultiLineLiteral;
      at += 3;
      // A line end right after the opening is not part of the value.
      if (rest.substr(3).starts_with("\r\n")) {
        at += 2;
      } else if (rest.substr(3).starts_with('\n')) {
        at += 1;
      }
    } else {
      node.style = basic ? Style::Basic : Style::Literal;
      at += 1;
    }
    node.text_at = base::position_of(lines_.text(), at);
  }

  void build_scalar(const toml::node& from, Node& node) {
    node.text = std::string(base::trim(lines_.slice(from.source())));
    if (const auto* boolean = from.as_boolean()) {
      node.kind = Kind::Boolean;
      node.boolean = boolean->get();
    } else if (const auto* integer = from.as_integer()) {
      node.kind = Kind::Integer;
      node.integer = integer->get();
      node.number = static_cast<double>(node.integer);
    } else if (const auto* number = from.as_floating_point()) {
      node.kind = Kind::Float;
      node.number = number->get();
    } else {
      node.kind = Kind::String;  // dates and times
    }
  }

  const Source& source_;
  const Lines& lines_;
  base::Diagnostics& diagnostics_;
};

struct Syntax {
  std::size_t offset;
  std::string message;
  std::string hint;
};

// The two commonest slips in plain words; for the rest toml++'s own, without its noise.
Syntax explain(std::string_view text, std::size_t offset, std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (description.starts_with(kPrefix)) description.remove_prefix(kPrefix.size());
  const bool at_line_end = offset >= text.size() || text[offset] == '\n' || text[offset] == '\r';
  if (description.starts_with("string") && at_line_end) {
    return {offset, "syntax error: the string is not closed before the end of its line",
            "add the closing quote, or write \"\"\"...\"\"\" for several lines"};
  }
  const std::size_t before = text.substr(0, offset).find_last_of(" \t=,[{\n");
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t end = std::min(text.find_first_of(" \t,]}#\r\n", begin), text.size());
  const bool word = begin < end && ((text[begin] | 0x20) >= 'a' && (text[begin] | 0x20) <= 'z');
  if (word && (description.starts_with("floating-point") || description.starts_with("boolean") ||
               description.starts_with("value"))) {
    return {begin, fmt::format("syntax error: {} is not a value", text.substr(begin, end - begin)),
            "put text in quotes"};
  }
  return {offset, "syntax error: " + std::string(description),
          "later mistakes show once this one is corrected"};
}

}  // namespace

Node parse_toml(const Source& source, base::Diagnostics& diagnostics) {
  Node root;
  root.kind = Kind::Table;
  const auto report = [&](base::Position at, std::string message, std::string hint) {
    diagnostics.push_back({base::DiagnosticSeverity::Error, source.file, at.line, at.column,
                           std::move(message), std::move(hint)});
  };
  if (const std::size_t deep = find_deep_key(source.text); deep != std::string_view::npos) {
    report(base::position_of(source.text, deep),
           fmt::format("key has more than {} parts", kKeyPartsMax), "make the structure flatter");
    return root;
  }
  const Lines lines(source.text);
  try {
    const toml::table parsed = toml::parse(source.text, source.file);
    root = Builder(source, lines, diagnostics).build(parsed, 0);
    root.at = root.text_at = {1, 1};
  } catch (const toml::parse_error& failure) {
    Syntax syntax =
        explain(source.text, lines.offset(failure.source().begin), failure.description());
    report(base::position_of(source.text, syntax.offset), std::move(syntax.message),
           std::move(syntax.hint));
  } catch (const std::exception& failure) {
    report({1, 1}, fmt::format("cannot read: {}", failure.what()), {});
  }
  return root;
}

}  // namespace tocsin::config
