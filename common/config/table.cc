#include "common/config/table.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/process.h"
#include "common/base/strings.h"

namespace tocsin::config {
namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;

// "[[receiver]]" + "email" is "receiver.email".
std::string child_path(std::string_view path, std::string_view key) {
  while (path.starts_with('[')) path.remove_prefix(1);
  while (path.ends_with(']')) path.remove_suffix(1);
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string where(const std::string& path) {
  return path.empty() ? "at the top level" : fmt::format("in [{}]", path);
}

std::string shown(const Node& node) {
  constexpr std::size_t kShownMax = 60;
  if (node.kind == Kind::Table || node.kind == Kind::Array) return std::string(describe(node.kind));
  std::string text = node.text.substr(0, kShownMax);
  if (node.text.size() > kShownMax) text += "...";
  if (node.kind == Kind::String) text = '"' + text + '"';
  return fmt::format("{} ({})", describe(node.kind), text);
}

bool is_plain(const Node& node) {
  return node.kind == Kind::String && node.style == Style::Plain;
}

bool is_scalar(const Node& node) {
  return node.kind != Kind::Table && node.kind != Kind::Array && node.kind != Kind::Null;
}

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

}  // namespace

Table::Table(Context& context, const Node* node, std::string path)
    : context_(&context), node_(node), path_(std::move(path)) {
  if (node_ != nullptr && node_->kind == Kind::Null) node_ = nullptr;
  if (node_ != nullptr && node_->kind != Kind::Table) {
    const base::Position at = node_->at;
    context_->diagnostics.push_back(
        {base::DiagnosticSeverity::Error,
         context_->source.file,
         at.line,
         at.column,
         path_.empty() ? fmt::format("expected a table, got {}", shown(*node_))
                       : fmt::format("[{}]: expected a table, got {}", path_, shown(*node_)),
         {}});
    node_ = nullptr;
  }
}

const Node* Table::take(std::string_view key) {
  known_.emplace_back(key);
  const Node* node = node_ == nullptr ? nullptr : node_->find(key);
  return node == nullptr || node->kind == Kind::Null ? nullptr : node;
}

bool Table::has(std::string_view key) const {
  const Node* node = node_ == nullptr ? nullptr : node_->find(key);
  return node != nullptr && node->kind != Kind::Null;
}

const Node* Table::node(std::string_view key) {
  return take(key);
}

std::vector<std::string> Table::keys() const {
  std::vector<std::string> names;
  if (node_ != nullptr) {
    for (const Field& field : node_->fields) names.push_back(field.name);
  }
  return names;
}

base::Position Table::position() const {
  return node_ == nullptr ? base::Position{} : node_->at;
}

base::Position Table::position(std::string_view key) const {
  const Node* node = node_ == nullptr ? nullptr : node_->find(key);
  return node == nullptr ? position() : node->at;
}

void Table::error(std::string_view key, std::string message, std::string hint) {
  const base::Position at = position(key);
  context_->diagnostics.push_back({base::DiagnosticSeverity::Error, context_->source.file, at.line,
                                   at.column, std::move(message), std::move(hint)});
}

void Table::warning(std::string_view key, std::string message, std::string hint) {
  const base::Position at = position(key);
  context_->diagnostics.push_back({base::DiagnosticSeverity::Warning, context_->source.file,
                                   at.line, at.column, std::move(message), std::move(hint)});
}

std::optional<std::string> Table::optional_string(std::string_view key) {
  const Node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == Kind::String) return node->text;
  error(key, fmt::format("{}: expected a string, got {}", key, shown(*node)),
        is_scalar(*node) ? fmt::format("put it in quotes: {} = \"{}\"", key, node->text) : "");
  return std::nullopt;
}

std::string Table::string(std::string_view key, std::string_view default_value) {
  return optional_string(key).value_or(std::string(default_value));
}

std::string Table::required_string(std::string_view key) {
  if (!has(key)) {
    known_.emplace_back(key);
    error(key, fmt::format("'{}' is missing {}", key, where(path_)),
          fmt::format("add {} = \"...\"", key));
    return {};
  }
  std::string value = string(key, "");
  if (value.empty() && node_->find(key)->kind == Kind::String) {
    error(key, fmt::format("{} must not be empty", key));
  }
  return value;
}

bool Table::boolean(std::string_view key, bool default_value) {
  const Node* node = take(key);
  if (node == nullptr) return default_value;
  if (node->kind == Kind::Boolean) return node->boolean;
  if (is_plain(*node)) {
    const std::string lower = base::to_lower(node->text);
    if (lower == "true" || lower == "yes" || lower == "on") return true;
    if (lower == "false" || lower == "no" || lower == "off") return false;
  }
  error(key, fmt::format("{}: expected true or false, got {}", key, shown(*node)));
  return default_value;
}

std::int64_t Table::integer(std::string_view key, std::int64_t default_value, std::int64_t min,
                            std::int64_t max) {
  const Node* node = take(key);
  if (node == nullptr) return default_value;
  std::optional<std::int64_t> value;
  if (node->kind == Kind::Integer) value = node->integer;
  if (is_plain(*node)) value = base::parse_i64(node->text);
  if (!value) {
    error(key, fmt::format("{}: expected an integer, got {}", key, shown(*node)));
    return default_value;
  }
  if (*value < min || *value > max) {
    error(key, fmt::format("{} is {}, allowed are {} to {}", key, *value, min, max));
    return default_value;
  }
  return *value;
}

std::optional<double> Table::optional_number(std::string_view key) {
  const Node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == Kind::Integer || node->kind == Kind::Float) return node->number;
  if (is_plain(*node)) {
    if (const auto value = base::parse_double(node->text)) return value;
  }
  error(key, fmt::format("{}: expected a number, got {}", key, shown(*node)));
  return std::nullopt;
}

double Table::number(std::string_view key, double default_value) {
  return optional_number(key).value_or(default_value);
}

std::optional<base::Duration> Table::optional_duration(std::string_view key) {
  const Node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == Kind::Integer && node->integer == 0) return base::Duration{0};
  if (node->kind == Kind::String) {
    if (const auto parsed = base::parse_duration(node->text)) return *parsed;
    error(key,
          fmt::format("{} \"{}\": expected a duration such as 30s, 5m or 15d", key, node->text));
    return std::nullopt;
  }
  error(key, fmt::format("{}: expected a duration such as \"30s\", got {}", key, shown(*node)),
        node->kind == Kind::Integer ? fmt::format("give the unit: {} = \"{}s\"", key, node->text)
                                    : "");
  return std::nullopt;
}

base::Duration Table::duration(std::string_view key, base::Duration default_value) {
  return optional_duration(key).value_or(default_value);
}

std::uint64_t Table::bytes(std::string_view key, std::uint64_t default_value) {
  const Node* node = take(key);
  if (node == nullptr) return default_value;
  if (node->kind == Kind::Integer && node->integer >= 0) {
    return static_cast<std::uint64_t>(node->integer);
  }
  if (node->kind == Kind::String) {
    if (const auto value = base::parse_bytes(node->text)) return *value;
  }
  error(key, fmt::format("{}: expected a size such as \"64MiB\", got {}", key, shown(*node)),
        "units: B KB MB GB TB KiB MiB GiB TiB");
  return default_value;
}

std::vector<std::string> Table::strings(std::string_view key,
                                        std::vector<std::string> default_value) {
  const Node* node = take(key);
  if (node == nullptr) return default_value;
  if (node->kind == Kind::String) return {node->text};
  bool good = node->kind == Kind::Array;
  std::vector<std::string> values;
  for (const Node& item : node->items) {
    if (item.kind != Kind::String) {
      context_->diagnostics.push_back(
          {base::DiagnosticSeverity::Error,
           context_->source.file,
           item.at.line,
           item.at.column,
           fmt::format("{}: expected a list of strings, found {}", key, shown(item)),
           {}});
    } else {
      values.push_back(item.text);
    }
  }
  if (good) return values;
  error(key, fmt::format("{}: expected a list of strings, got {}", key, shown(*node)));
  return default_value;
}

std::map<std::string, std::string> Table::string_map(std::string_view key) {
  std::map<std::string, std::string> values;
  const Node* node = take(key);
  if (node == nullptr) return values;
  if (node->kind != Kind::Table) {
    error(key, fmt::format("{}: expected a table of strings, got {}", key, shown(*node)));
    return values;
  }
  for (const Field& field : node->fields) {
    if (field.value.kind == Kind::Table || field.value.kind == Kind::Array) {
      const base::Position at = field.value.at;
      context_->diagnostics.push_back({base::DiagnosticSeverity::Error,
                                       context_->source.file,
                                       at.line,
                                       at.column,
                                       fmt::format("{}.{}: expected a string, got {}", key,
                                                   field.name, describe(field.value.kind)),
                                       {}});
    } else {
      values[field.name] = field.value.text;
    }
  }
  return values;
}

std::string Table::one_of(std::string_view key, std::string_view default_value,
                          const std::vector<std::string>& allowed) {
  const std::string value = string(key, default_value);
  if (value == default_value || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
    return value;
  }
  std::string message =
      fmt::format("{} is \"{}\", allowed are {}", key, value, base::join(allowed, ", "));
  const auto close = base::closest(value, allowed);
  error(key, std::move(message), close ? fmt::format("did you mean \"{}\"?", *close) : "");
  return std::string(default_value);
}

std::optional<base::Secret> Table::secret(std::string_view key) {
  const std::string file_key = std::string(key) + "_file";
  const std::string credential_key = std::string(key) + "_credential";
  const int given = has(key) + has(file_key) + has(credential_key);
  const std::optional<std::string> direct = optional_string(key);
  std::optional<std::string> path = optional_string(file_key);
  const std::optional<std::string> credential = optional_string(credential_key);
  if (given > 1) {
    error(has(key) ? key : std::string_view(file_key),
          fmt::format("{0}, {0}_file and {0}_credential exclude each other", key), "keep one");
    return std::nullopt;
  }
  if (direct) return direct_secret(key, *direct);
  const std::string used_key = path ? file_key : credential_key;
  if (credential) {
    const auto folder = base::environment("CREDENTIALS_DIRECTORY");
    if (credential->empty() || credential->find('/') != std::string::npos) {
      error(used_key, fmt::format("{} \"{}\" is not a name", used_key, *credential));
      return std::nullopt;
    }
    if (!folder) {
      error(used_key, fmt::format("{}: no credentials folder is set", used_key),
            fmt::format("add LoadCredential={}:... to the systemd unit", *credential));
      return std::nullopt;
    }
    path = base::join_path(*folder, *credential);
  } else if (path && !path->starts_with('/')) {
    path = folder_of(context_->source.file) + *path;
  }
  if (!path) return std::nullopt;
  return secret_from_file(used_key, *path);
}

std::optional<base::Secret> Table::direct_secret(std::string_view key, const std::string& text) {
  if (!text.starts_with("${") || !text.ends_with("}")) {
    if (!text.empty()) {
      warning(key, fmt::format("{} is written into the configuration", key),
              fmt::format("use {0}_file, {0}_credential or {0} = \"${{NAME}}\"", key));
    }
    return base::Secret(text);
  }
  const std::string name = text.substr(2, text.size() - 3);
  auto value = base::environment(name);
  if (!value || value->empty()) {
    error(key, fmt::format("{}: environment variable {} is not set", key, name));
    return std::nullopt;
  }
  return base::Secret(std::move(*value));
}

std::optional<base::Secret> Table::secret_from_file(std::string_view key, const std::string& path) {
  const auto mode = context_->files.mode(path);
  if (mode && (*mode & 0007U) != 0) {
    error(key,
          fmt::format("{} {} may be used by everybody (mode {:04o})", key, path,
                      static_cast<unsigned>(*mode)),
          fmt::format("chmod o-rwx {}", path));
    return std::nullopt;
  }
  auto text = context_->files.read(path, kSecretBytesMax);
  if (!text) {
    error(key, fmt::format("{}: {}", key, text.error().message));
    return std::nullopt;
  }
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (text->empty()) {
    error(key, fmt::format("{} {} is empty", key, path));
    return std::nullopt;
  }
  return base::Secret(std::move(*text));
}

Table Table::table(std::string_view key) {
  return Table(*context_, take(key), child_path(path_, key));
}

std::vector<Table> Table::tables(std::string_view key) {
  std::vector<Table> result;
  const Node* node = take(key);
  if (node == nullptr) return result;
  const std::string path = child_path(path_, key);
  if (node->kind != Kind::Array) {
    error(key, fmt::format("{}: expected a list of tables, got {}", key, shown(*node)),
          node->kind == Kind::Table ? fmt::format("write [[{}]] instead of [{}]", path, path) : "");
    return result;
  }
  for (const Node& item : node->items) result.emplace_back(*context_, &item, "[" + path + "]");
  return result;
}

void Table::finish() {
  if (node_ == nullptr) return;
  for (const Field& field : node_->fields) {
    if (std::find(known_.begin(), known_.end(), field.name) != known_.end()) continue;
    std::string message = fmt::format("unknown key '{}' {}", field.name, where(path_));
    std::string hint;
    if (const auto close = base::closest(field.name, known_)) {
      message += fmt::format("; did you mean '{}'?", *close);
    } else {
      std::vector<std::string> sorted = known_;
      std::sort(sorted.begin(), sorted.end());
      sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
      hint = "known keys: " + base::join(sorted, ", ");
    }
    context_->diagnostics.push_back({context_->unknown_keys_allowed
                                         ? base::DiagnosticSeverity::Warning
                                         : base::DiagnosticSeverity::Error,
                                     context_->source.file, field.at.line, field.at.column,
                                     std::move(message), std::move(hint)});
  }
}

}  // namespace tocsin::config
