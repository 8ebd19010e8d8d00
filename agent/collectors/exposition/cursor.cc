#include "agent/collectors/exposition/cursor.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

bool Cursor::skip_blanks() {
  std::size_t count = 0;
  while (count < rest_.size() && (rest_[count] == ' ' || rest_[count] == '\t')) ++count;
  rest_.remove_prefix(count);
  return count > 0;
}

std::string_view Cursor::until(std::string_view stops) {
  const std::string_view token = rest_.substr(0, rest_.find_first_of(stops));
  rest_.remove_prefix(token.size());
  return token;
}

bool Cursor::quoted(std::string& scratch, std::string_view& value) {
  if (peek() != '"') return false;
  bool escaped = false;
  std::size_t end = 1;
  while (end < rest_.size() && rest_[end] != '"') {
    if (rest_[end] == '\\') {
      escaped = true;
      ++end;
    }
    ++end;
  }
  if (end >= rest_.size()) return false;
  value = rest_.substr(1, end - 1);
  rest_.remove_prefix(end + 1);
  if (escaped) {
    const std::size_t begin = scratch.size();
    unescape(value, true, scratch);
    value = std::string_view(scratch).substr(begin);
  }
  return true;
}

void unescape(std::string_view text, bool quotes, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n') {
      out += '\n';
      ++i;
    } else if (next == '\\' || (quotes && next == '"')) {
      out += next;
      ++i;
    } else {
      out += text[i];
    }
  }
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytes = 64;
  std::string out = base::escape_control(text.substr(0, std::min(text.size(), kShownBytes)));
  if (text.size() > kShownBytes) out += "...";
  return out;
}

}  // namespace tocsin::agent
