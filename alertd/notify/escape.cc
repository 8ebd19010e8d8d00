// Text from labels, made harmless for the place it goes to.
//
// What must never work: a mention that wakes a whole room, a link whose words say something else,
// a line that looks like ours. Where the place knows escapes they are used; where it does not, a
// zero-width space takes the mark apart, which people do not see. Addresses stay whole, so that
// they can still be followed.

#include <algorithm>

#include "alertd/notify/message.h"
#include "common/gotemplate/escape.h"

namespace tocsin::notify {
namespace {

constexpr std::string_view kZeroWidthSpace = "\xe2\x80\x8b";

// Slack's own three; without them a label could shout <!channel>.
std::string escape_slack(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

// Length of the web address at the start of `text`, 0 if there is none. It ends where a mark could
// begin.
std::size_t address_length(std::string_view text) {
  if (!text.starts_with("https://") && !text.starts_with("http://")) return 0;
  const auto end = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 ||
           std::string_view("*`[]()<>|\\\"@").find(c) != std::string_view::npos;
  });
  return static_cast<std::size_t>(end - text.begin());
}

std::string escape_markdown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t address = address_length(text);
    if (address > 0) {
      out += text.substr(0, address);
      text.remove_prefix(address);
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (std::string_view("\\*_~`[]|<>#").find(c) != std::string_view::npos) out += '\\';
    out += c;
    if (c == '@') out += kZeroWidthSpace;
  }
  return out;
}

std::string take_apart(std::string_view text, std::string_view marks) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (marks.find(c) != std::string_view::npos) out += kZeroWidthSpace;
  }
  return out;
}

}  // namespace

std::string escape(std::string_view text, Escaping escaping) {
  switch (escaping) {
    case Escaping::None:
      return std::string(text);
    case Escaping::Html:
      return gotemplate::escape_html(text);
    case Escaping::Slack:
      return escape_slack(text);
    case Escaping::Markdown:
      return escape_markdown(text);
    case Escaping::Zulip:
      return take_apart(text, "@#]`");
    case Escaping::Google:
      return take_apart(text, "<");
  }
  return std::string(text);
}

}  // namespace tocsin::notify
