#include "common/relabel/relabel.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/model/labels.h"

namespace tocsin::relabel {
namespace {

constexpr std::size_t kPatternBytesMax = 4096;
constexpr std::int64_t kProgramBytesMax = 8 << 20;
constexpr std::size_t kGroupsMax = 32;

struct ActionName {
  const char* name;
  Action action;
};
constexpr ActionName kActions[] = {
    {"replace", Action::Replace},     {"keep", Action::Keep},
    {"drop", Action::Drop},           {"labelmap", Action::LabelMap},
    {"labeldrop", Action::LabelDrop}, {"labelkeep", Action::LabelKeep},
    {"lowercase", Action::Lowercase}, {"uppercase", Action::Uppercase},
    {"hashmod", Action::HashMod},     {"keepequal", Action::KeepEqual},
    {"dropequal", Action::DropEqual}};

std::string_view value_of(const MutableLabels& labels, std::string_view name) {
  for (const auto& [label, value] : labels) {
    if (label == name) return value;
  }
  return {};
}

void set_label(MutableLabels& labels, std::string_view name, std::string value) {
  const auto at = std::find_if(labels.begin(), labels.end(),
                               [&](const auto& label) { return label.first == name; });
  if (value.empty()) {
    if (at != labels.end()) labels.erase(at);
  } else if (at != labels.end()) {
    at->second = std::move(value);
  } else {
    labels.emplace_back(std::string(name), std::move(value));
  }
}

// A whole match of the pattern with its groups.
class Match {
 public:
  Match(const re2::RE2& regex, std::string_view text) : regex_(regex) {
    const int groups = std::min<int>(regex.NumberOfCapturingGroups() + 1, kGroupsMax);
    groups_.resize(static_cast<std::size_t>(groups));
    matched_ = regex.Match({text.data(), text.size()}, 0, text.size(), re2::RE2::ANCHOR_BOTH,
                           groups_.data(), groups);
  }
  explicit operator bool() const { return matched_; }

  // $1, ${1}, $name, ${name}; $$ is a dollar; an unknown group is empty. Source: Go regexp, Expand.
  std::string expand(std::string_view pattern) const {
    std::string out;
    while (!pattern.empty()) {
      const std::size_t dollar = pattern.find('$');
      out.append(pattern.substr(0, dollar));
      if (dollar == pattern.npos) break;
      pattern.remove_prefix(dollar + 1);
      if (pattern.starts_with('$')) {
        out += '$';
        pattern.remove_prefix(1);
        continue;
      }
      const bool braces = pattern.starts_with('{');
      const std::string_view rest = pattern.substr(braces ? 1 : 0);
      const std::size_t length = name_length(rest);
      const bool closed = !braces || (length < rest.size() && rest[length] == '}');
      if (length == 0 || !closed) {
        out += '$';
        continue;
      }
      out.append(group(rest.substr(0, length)));
      pattern = rest.substr(length + (braces ? 1 : 0));
    }
    return out;
  }

 private:
  static std::size_t name_length(std::string_view text) {
    const auto end = std::find_if_not(text.begin(), text.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    });
    return static_cast<std::size_t>(end - text.begin());
  }
  std::string_view group(std::string_view name) const {
    std::size_t index = groups_.size();
    if (const auto number = base::parse_u64(name)) {
      index = *number;
    } else {
      const auto& named = regex_.NamedCapturingGroups();
      const auto at = named.find(std::string(name));
      if (at != named.end()) index = static_cast<std::size_t>(at->second);
    }
    if (index >= groups_.size() || groups_[index].data() == nullptr) return {};
    return {groups_[index].data(), groups_[index].size()};
  }

  const re2::RE2& regex_;
  std::vector<re2::StringPiece> groups_;
  bool matched_ = false;
};

bool matches(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::FullMatch({text.data(), text.size()}, regex);
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// The last eight bytes of the MD5, big-endian: the shards are those of a Prometheus beside us.
std::uint64_t shard_hash(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // Only a library built without MD5 fails here; then every text is in shard 0.
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) return 0;
  std::uint64_t hash = 0;
  for (std::size_t i = 8; i < 16; ++i) hash = hash << 8 | digest[i];
  return hash;
}

void map_labels(const Rule& rule, MutableLabels& labels) {
  const MutableLabels before = labels;
  for (const auto& [name, value] : before) {
    const Match match(*rule.regex, name);
    if (match) set_label(labels, match.expand(rule.replacement), value);
  }
}

bool apply_one(const Rule& rule, MutableLabels& labels) {
  const re2::RE2& regex = *rule.regex;
  std::string source;
  for (std::size_t index = 0; index < rule.source_labels.size(); ++index) {
    if (index > 0) source += rule.separator;
    source += value_of(labels, rule.source_labels[index]);
  }
  switch (rule.action) {
    case Action::Keep:
      return matches(regex, source);
    case Action::Drop:
      return !matches(regex, source);
    case Action::Replace: {
      const Match match(regex, source);
      if (!match) return true;
      const std::string target = match.expand(rule.target_label);
      if (model::is_legacy_label_name(target)) {
        set_label(labels, target, match.expand(rule.replacement));
      }
      return true;
    }
    case Action::Lowercase:
      set_label(labels, rule.target_label, base::to_lower(source));
      return true;
    case Action::Uppercase:
      set_label(labels, rule.target_label, to_upper(source));
      return true;
    case Action::HashMod:
      set_label(labels, rule.target_label, std::to_string(shard_hash(source) % rule.modulus));
      return true;
    case Action::KeepEqual:
      return source == value_of(labels, rule.target_label);
    case Action::DropEqual:
      return source != value_of(labels, rule.target_label);
    case Action::LabelMap:
      map_labels(rule, labels);
      return true;
    case Action::LabelDrop:
      std::erase_if(labels, [&](const auto& label) { return matches(regex, label.first); });
      return true;
    case Action::LabelKeep:
      std::erase_if(labels, [&](const auto& label) { return !matches(regex, label.first); });
      return true;
  }
  return true;
}

std::shared_ptr<const re2::RE2> compile(config::Table& table, const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kProgramBytesMax);
  options.set_dot_nl(true);
  if (pattern.size() > kPatternBytesMax) {
    table.error("regex",
                fmt::format("pattern of {} bytes, limit {}", pattern.size(), kPatternBytesMax));
    return std::make_shared<const re2::RE2>("", options);
  }
  auto regex = std::make_shared<const re2::RE2>(pattern, options);
  if (!regex->ok()) {
    table.error("regex", fmt::format("bad pattern '{}': {}", pattern, regex->error()),
                "the syntax is RE2's: no look-ahead, no back references");
  }
  return regex;
}

void check_fields(config::Table& table, const Rule& rule) {
  const bool sets = rule.action == Action::Replace || rule.action == Action::Lowercase ||
                    rule.action == Action::Uppercase || rule.action == Action::HashMod;
  const bool compares = rule.action == Action::KeepEqual || rule.action == Action::DropEqual;
  const bool filters = rule.action == Action::Keep || rule.action == Action::Drop;
  if ((sets || compares) && rule.target_label.empty()) {
    table.error("action", "this action needs target_label");
  }
  if (!sets && !compares && !rule.target_label.empty()) {
    table.error("target_label", "target_label has no effect with this action");
  }
  if ((filters || compares || rule.action == Action::HashMod) && rule.source_labels.empty()) {
    table.error("action", "this action needs source_labels");
  }
  if (!sets && !filters && !compares && !rule.source_labels.empty()) {
    table.error("source_labels", "source_labels has no effect with this action",
                "regex is matched against the names of the labels");
  }
  if (rule.action == Action::HashMod && rule.modulus == 0) {
    table.error("action", "this action needs modulus");
  }
  if (rule.action != Action::HashMod && rule.modulus != 0) {
    table.error("modulus", "modulus has no effect with this action");
  }
  // replace expands groups in its target; the others take it as it is.
  if ((sets || compares) && rule.action != Action::Replace && !rule.target_label.empty() &&
      !model::is_legacy_label_name(rule.target_label)) {
    table.error("target_label",
                fmt::format("'{}' is not [a-zA-Z_][a-zA-Z0-9_]*", rule.target_label));
  }
}

}  // namespace

bool Rule::operator==(const Rule& other) const {
  const auto pattern = [](const Rule& rule) { return rule.regex ? rule.regex->pattern() : ""; };
  return action == other.action && source_labels == other.source_labels &&
         separator == other.separator && modulus == other.modulus &&
         target_label == other.target_label && replacement == other.replacement &&
         pattern(*this) == pattern(other);
}

bool apply(std::span<const Rule> rules, MutableLabels& labels) {
  return std::all_of(rules.begin(), rules.end(),
                     [&](const Rule& rule) { return apply_one(rule, labels); });
}

Rule read_rule(config::Table& table) {
  Rule rule;
  std::vector<std::string> names;
  for (const ActionName& entry : kActions) names.emplace_back(entry.name);
  const std::string action = table.one_of("action", "replace", names);
  for (const ActionName& entry : kActions) {
    if (action == entry.name) rule.action = entry.action;
  }
  rule.source_labels = table.strings("source_labels");
  rule.separator = table.string("separator", rule.separator);
  if (table.has("modulus")) {
    rule.modulus = static_cast<std::uint64_t>(
        table.integer("modulus", 1, 1, std::numeric_limits<std::int64_t>::max()));
  }
  rule.target_label = table.string("target_label", "");
  rule.replacement = table.string("replacement", rule.replacement);
  rule.regex = compile(table, table.string("regex", "(.*)"));
  check_fields(table, rule);
  table.finish();
  return rule;
}

}  // namespace tocsin::relabel
