#include "common/net/mail_read.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "common/base/base64.h"
#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kTextBytesMax = 16 << 10;
constexpr std::size_t kHeadersMax = 500;
constexpr int kDepthMax = 5;

/// The headers by lower-case name (the first of each), and what follows the empty line.
struct Part {
  std::map<std::string, std::string> headers;
  std::string_view body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Part read_part(std::string_view text) {
  Part part;
  std::string name;
  std::size_t count = 0;
  while (!text.empty() && ++count <= kHeadersMax) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    if (line.front() == ' ' || line.front() == '\t') {
      if (!name.empty()) part.headers[name] += ' ' + std::string(base::trim(line));
      continue;
    }
    const std::size_t colon = line.find(':');
    name.clear();
    if (colon == std::string_view::npos) continue;
    const std::string key = base::to_lower(base::trim(line.substr(0, colon)));
    // A second From could say something else to other readers.
    if (!part.headers.emplace(key, base::trim(line.substr(colon + 1))).second) {
      if (key == "from") part.headers[key] += ',';
      continue;
    }
    name = key;
  }
  part.body = text;
  return part;
}

/// Returns a parameter of a structured header: boundary="x".
std::string parameter(const std::string& header, std::string_view name) {
  for (const std::string_view piece : base::split(header, ';')) {
    const std::string_view field = base::trim(piece);
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos || base::to_lower(field.substr(0, equals)) != name) {
      continue;
    }
    std::string_view value = base::trim(field.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return "";
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    if (text.substr(i + 1, 1) == "\n") {
      i += 1;
    } else if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else {
      unsigned value = 0;
      const char* const begin = text.data() + i + 1;
      const char* const end = text.data() + std::min(i + 3, text.size());
      const auto [at, failure] = std::from_chars(begin, end, value, 16);
      if (failure != std::errc() || at != begin + 2) {
        out += '=';
        continue;
      }
      out += static_cast<char>(value);
      i += 2;
    }
  }
  return out;
}

std::string decoded(const Part& part) {
  const std::string encoding = base::to_lower(part.header("content-transfer-encoding"));
  std::string_view body = part.body.substr(0, 4 * kTextBytesMax);
  if (encoding == "quoted-printable") return quoted_printable(body);
  if (encoding != "base64") return std::string(body);
  std::string packed;
  for (const char c : body) {
    if (c != '\r' && c != '\n' && c != ' ') packed += c;
  }
  packed.resize(packed.size() / 4 * 4);
  return base::base64_decode(packed).value_or("");
}

std::optional<std::string> plain_text(const Part& part, int depth) {
  const std::string type = base::to_lower(part.header("content-type"));
  if (type.empty() || type.starts_with("text/plain")) return decoded(part);
  if (!type.starts_with("multipart/") || depth == kDepthMax) return std::nullopt;
  const std::string boundary = parameter(part.header("content-type"), "boundary");
  if (boundary.empty()) return std::nullopt;
  const std::string mark = "--" + boundary;
  std::string_view rest = part.body;
  std::size_t begin = rest.find(mark);
  while (begin != std::string_view::npos) {
    rest.remove_prefix(begin + mark.size());
    if (rest.starts_with("--")) break;
    take_line(rest);
    const std::size_t end = rest.find(mark);
    if (auto text = plain_text(read_part(rest.substr(0, end)), depth + 1)) return text;
    begin = end;
  }
  return std::nullopt;
}

/// Returns the address of "Ada <ada@example.org>", "ada@example.org"; "" for several or none.
std::string address_of(const std::string& from) {
  std::string_view text = base::trim(from);
  if (const std::size_t open = text.rfind('<'); open != std::string_view::npos) {
    // A comma before it may be in a quoted name; one after it begins a second mailbox.
    if (!text.ends_with('>') || text.find('<') != open) return "";
    text = text.substr(open + 1, text.size() - open - 2);
  }
  const bool sound = std::count(text.begin(), text.end(), '@') == 1 &&
                     text.find_first_of(" \t,;<>\"()") == std::string_view::npos;
  return sound ? base::to_lower(text) : "";
}

}  // namespace

ReceivedMail read_mail(std::string_view message) {
  const Part part = read_part(message);
  ReceivedMail mail;
  mail.from = address_of(part.header("from"));
  mail.in_reply_to = part.header("in-reply-to");
  mail.references = part.header("references");
  mail.subject = part.header("subject");
  const std::string automatic = base::to_lower(part.header("auto-submitted"));
  const std::string precedence = base::to_lower(part.header("precedence"));
  mail.automatic = (!automatic.empty() && automatic != "no") || precedence == "bulk" ||
                   precedence == "auto_reply" || precedence == "list" ||
                   part.header("return-path") == "<>" || !part.header("x-autoreply").empty();
  mail.text = plain_text(part, 0).value_or("");
  mail.text.resize(std::min(mail.text.size(), kTextBytesMax));
  return mail;
}

}  // namespace tocsin::net
