// From a byte of a string's value back to its place in the file.
//
// The text is read again from where it begins, by the rules of its notation, remembering for each
// byte of the value the byte of the file that made it. If the result differs from the value that
// the real parser gave, the mapping is not trusted. Only done to print an error, so its cost does
// not matter.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/base/strings.h"
#include "common/config/node.h"

namespace tocsin::config {
namespace {

void append_utf8(std::uint32_t point, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0U | (point >> 6U));
    put(0x80U | (point & 0x3fU));
  } else if (point < 0x10000) {
    put(0xe0U | (point >> 12U));
    put(0x80U | ((point >> 6U) & 0x3fU));
    put(0x80U | (point & 0x3fU));
  } else {
    put(0xf0U | (point >> 18U));
    put(0x80U | ((point >> 12U) & 0x3fU));
    put(0x80U | ((point >> 6U) & 0x3fU));
    put(0x80U | (point & 0x3fU));
  }
}

/// The value as read again, and where each byte came from (one more entry for the end).
class Reader {
 public:
  Reader(std::string_view text, std::size_t begin, std::string_view wanted)
      : text_(text), at_(begin), wanted_(wanted) {}

  void read(Style style, std::size_t parent_column) {
    switch (style) {
      case Style::Literal:
        read_until('\'', false);
        break;
      case Style::Basic:
        read_until('"', true);
        break;
      case Style::MultiLineLiteral:
        read_until('\0', false);
        break;
      case Style::MultiLineBasic:
        read_until('\0', true);
        break;
      case Style::DoubleQuoted:
        read_flow('"');
        break;
      case Style::SingleQuoted:
        read_flow('\'');
        break;
      case Style::Plain:
        read_flow('\0');
        break;
      case Style::Block:
        read_block(parent_column);
        break;
    }
    offsets_.push_back(at_);
  }

  const std::string& value() const { return value_; }
  std::size_t source_offset(std::size_t i) const {
    return offsets_[std::min(i, offsets_.size() - 1)];
  }

 private:
  bool more() const { return at_ < text_.size() && value_.size() < wanted_.size(); }
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void emit(std::string_view bytes, std::size_t from) {
    for (const char c : bytes) {
      value_ += c;
      offsets_.push_back(from);
    }
  }

  // TOML: the wanted length, not the closing quote, ends a multi-line string.
  void read_until(char close, bool escapes) {
    while (more()) {
      if (close != '\0' && here() == close) return;
      if (escapes && here() == '\\') {
        read_escape();
      } else if (text_.substr(at_, 2) == "\r\n") {
        emit("\n", at_);
        at_ += 2;
      } else {
        emit(text_.substr(at_, 1), at_);
        ++at_;
      }
    }
  }

  void read_escape() {
    const std::size_t from = at_;
    const char kind = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    at_ = std::min(at_ + 2, text_.size());
    static constexpr std::string_view kFrom = "abtnvfre0 \"/\\";
    static constexpr std::string_view kTo{"\a\b\t\n\v\f\r\x1b\0 \"/\\", 13};
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (digits > 0) {
      std::uint32_t point = 0;
      for (std::size_t i = 0; i < digits && at_ < text_.size(); ++i, ++at_) {
        const char c = text_[at_];
        const int digit = c >= '0' && c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10);
        point = (point << 4U) | (static_cast<std::uint32_t>(digit) & 0xfU);
      }
      std::string bytes;
      append_utf8(point, bytes);
      emit(bytes, from);
    } else if (kind == '\n' || kind == '\r' || ((kind == ' ' || kind == '\t') && ends_line())) {
      while (at_ < text_.size() &&
             std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos) {
        ++at_;
      }
    } else if (const std::size_t known = kFrom.find(kind); known != std::string_view::npos) {
      emit(kTo.substr(known, 1), from);
    } else {
      static constexpr std::string_view kWide = "N_LP";
      static constexpr std::uint32_t kPoints[] = {0x85, 0xa0, 0x2028, 0x2029};
      std::string bytes;
      if (const std::size_t wide = kWide.find(kind); wide != std::string_view::npos) {
        append_utf8(kPoints[wide], bytes);
      }
      emit(bytes, from);
    }
  }

  bool ends_line() const {
    const std::size_t next = text_.find_first_not_of(" \t\r", at_);
    return next != std::string_view::npos && text_[next] == '\n';
  }

  // YAML scalars that may span lines: a single line end is a space, n of them are n - 1 line ends.
  void read_flow(char quote) {
    while (more()) {
      const char c = here();
      if (quote == '\'' && text_.substr(at_, 2) == "''") {
        emit("'", at_);
        at_ += 2;
      } else if (quote != '\0' && c == quote) {
        return;
      } else if (quote == '"' && c == '\\') {
        read_escape();
      } else if (std::string_view(" \t\r\n").find(c) != std::string_view::npos) {
        read_space();
      } else {
        emit(text_.substr(at_, 1), at_);
        ++at_;
      }
    }
  }

  void read_space() {
    const std::size_t end = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    const std::string_view run = text_.substr(at_, end - at_);
    const auto breaks = static_cast<std::size_t>(std::count(run.begin(), run.end(), '\n'));
    if (breaks == 0) {
      for (std::size_t i = 0; i < run.size(); ++i) emit(run.substr(i, 1), at_ + i);
    } else {
      emit(breaks == 1 ? std::string(" ") : std::string(breaks - 1, '\n'), at_);
    }
    at_ = end;
  }

  // Literal and folded blocks; the value tells which of the two a line end was.
  void read_block(std::size_t indent) {
    while (more()) {
      const std::size_t line_end = std::min(text_.find('\n', at_), text_.size());
      std::string_view line = text_.substr(at_, line_end - at_);
      if (line.ends_with('\r')) line.remove_suffix(1);
      for (std::size_t i = 0; i < line.size(); ++i) emit(line.substr(i, 1), at_ + i);
      at_ += line.size();
      if (!more()) return;
      read_line_ends(indent);
    }
  }

  void read_line_ends(std::size_t indent) {
    const std::size_t from = at_;
    std::size_t breaks = 0;
    while (here() == '\n' || here() == '\r') {
      if (here() == '\n') ++breaks;
      ++at_;
      for (std::size_t i = 0; i < indent && here() == ' '; ++i) ++at_;
    }
    const std::string kept(breaks, '\n');
    const std::string_view rest = wanted_.substr(std::min(value_.size(), wanted_.size()));
    if (rest.starts_with(kept) || kept.starts_with(rest)) {
      emit(kept.substr(0, rest.size()), from);
    } else {
      emit(breaks == 1 ? std::string(" ") : std::string(breaks - 1, '\n'), from);
    }
  }

  std::string_view text_;
  std::size_t at_;
  std::string_view wanted_;
  std::string value_;
  std::vector<std::size_t> offsets_;
};

}  // namespace

std::size_t offset_of(std::string_view text, base::Position position) {
  std::size_t at = 0;
  for (std::size_t line = 1; line < position.line; ++line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return text.size();
    ++at;
  }
  return std::min(at + position.column - 1, text.size());
}

base::Position position_in(const Node& node, std::size_t offset, const Source& source) {
  if (node.kind != Kind::String || offset > node.text.size()) return node.text_at;
  Reader reader(source.text, offset_of(source.text, node.text_at), node.text);
  reader.read(node.style, node.text_at.column - 1);
  if (reader.value() != node.text) return node.text_at;
  return base::position_of(source.text, reader.source_offset(offset));
}

}  // namespace tocsin::config
