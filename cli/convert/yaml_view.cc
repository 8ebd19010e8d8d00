#include "cli/convert/yaml_view.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::cli::convert {

std::string text_at(const config::Node& node, std::string_view key) {
  const config::Node* value = node.find(key);
  return value ? value->text : std::string();
}

bool is_true(const config::Node& node, std::string_view key) {
  const std::string text = base::to_lower(text_at(node, key));
  return text == "true" || text == "yes" || text == "on";
}

bool is_false(const config::Node& node, std::string_view key) {
  const std::string text = base::to_lower(text_at(node, key));
  return text == "false" || text == "no" || text == "off";
}

std::vector<const config::Node*> items_at(const config::Node& node, std::string_view key) {
  std::vector<const config::Node*> items;
  const config::Node* value = node.find(key);
  if (!value) return items;
  if (value->kind == config::Kind::String) items.push_back(value);
  for (const config::Node& item : value->items) items.push_back(&item);
  return items;
}

std::vector<std::string> texts_at(const config::Node& node, std::string_view key) {
  std::vector<std::string> texts;
  for (const config::Node* item : items_at(node, key)) texts.push_back(item->text);
  return texts;
}

std::string secret_path(std::string_view name) {
  return fmt::format("/etc/tocsin/{}", file_word(name));
}

std::string file_word(std::string_view text) {
  std::string word;
  for (const char c : text.substr(0, 60)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    word += plain ? c : '-';
  }
  return word;
}

void not_carried(const Reading& reading, TomlWriter& out, base::Position at,
                 const std::string& what, const std::string& why) {
  reading.warn(at, fmt::format("{} is not carried over: {}", what, why));
  out.note(fmt::format("import: line {}: {} is not carried over: {}", at.line,
                       base::escape_control(what), base::escape_control(why)));
}

}  // namespace tocsin::cli::convert
