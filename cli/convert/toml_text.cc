#include "cli/convert/toml_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

bool literal_safe(std::string_view text, bool lines) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t' || (lines && c == '\n');
  });
}

std::string basic_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string toml_string(std::string_view text) {
  const bool lines = text.find('\n') != std::string_view::npos;
  const bool quote = text.find('\'') != std::string_view::npos;
  // A literal must not end in its own quote, and keeps nothing escaped.
  const bool fits_long = text.find("'''") == std::string_view::npos && !text.ends_with('\'') &&
                         literal_safe(text, true);
  if (!lines && text.find_first_of("\"\\") == std::string_view::npos) return basic_string(text);
  if (!lines && !quote && literal_safe(text, false)) return fmt::format("'{}'", text);
  if (lines && fits_long) return fmt::format("'''\n{}'''", text);
  if (!lines && quote && fits_long && !text.starts_with('\'')) return fmt::format("'''{}'''", text);
  return basic_string(text);
}

std::string toml_key(std::string_view name) {
  const bool bare = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(name) : basic_string(name);
}

std::string toml_strings(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + toml_string(text);
  return out + "]";
}

std::string toml_inline_table(const Pairs& pairs) {
  if (pairs.empty()) return "{}";
  std::string out = "{";
  for (const auto& [name, text] : pairs) {
    out += fmt::format("{} {} = {}", out.size() > 1 ? "," : "", toml_key(name), toml_string(text));
  }
  return out + " }";
}

void TomlWriter::header(std::string_view text, const Remarks& remarks) {
  comments(remarks.above);
  text_ += text;
  for (const std::string& beside : remarks.beside) text_ += "  " + beside;
  text_ += '\n';
}

void TomlWriter::value(std::string_view key, std::string_view value, const Remarks& remarks) {
  comments(remarks.above);
  const bool one_line = value.find('\n') == std::string_view::npos && remarks.beside.size() <= 1;
  if (!one_line) comments(remarks.beside);
  text_ += fmt::format("{} = {}", toml_key(key), value);
  if (one_line && !remarks.beside.empty()) text_ += "  " + remarks.beside.front();
  text_ += '\n';
}

void TomlWriter::comments(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) text_ += line + '\n';
}

void TomlWriter::note(std::string_view text) {
  text_ += commented_out(text);
}

std::string commented_out(std::string_view text) {
  std::string out;
  base::for_each_line(text, [&](std::string_view line) {
    out += line.empty()            ? "#\n"
           : line.starts_with('#') ? fmt::format("{}\n", line)
                                   : fmt::format("# {}\n", line);
  });
  return out;
}

}  // namespace tocsin::cli::convert
