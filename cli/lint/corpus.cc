#include "cli/lint/corpus.h"

#include <algorithm>

#include "alertd/promql/ast.h"
#include "common/base/strings.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"

namespace tocsin::lint {
namespace {

struct Found {
  const config::Node* rule = nullptr;
  const config::Node* group = nullptr;
};
using Index = std::map<std::pair<std::size_t, std::size_t>, Found>;

/// Notes every rule of a group under the place of its name.
void index_group(const config::Node& group, Index& index) {
  for (const char* list : {"alert", "record", "rules"}) {
    const config::Node* rules = group.find(list);
    if (rules == nullptr) continue;
    for (const config::Node& rule : rules->items) {
      for (const char* key : {"name", "alert", "record"}) {
        const config::Node* name = rule.find(key);
        if (name != nullptr) index[{name->at.line, name->at.column}] = {&rule, &group};
      }
    }
  }
}

Index index_rules(const config::Node& root) {
  Index index;
  const config::Node* spec = root.find("spec");
  for (const config::Node* top : {&root, spec}) {
    if (top == nullptr) continue;
    for (const char* list : {"group", "groups"}) {
      const config::Node* groups = top->find(list);
      if (groups == nullptr) continue;
      for (const config::Node& group : groups->items) index_group(group, index);
    }
  }
  return index;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  base::for_each_line(text, [&](std::string_view line) { lines.push_back(line); });
  return lines;
}

/// The first line that belongs to the rule whose name stands on `name_line`: its header, and the
/// comments right above that.
std::size_t head_of(const std::vector<std::string_view>& lines, std::size_t name_line, bool toml) {
  const auto trimmed = [&](std::size_t line) { return base::trim(lines[line - 1]); };
  std::size_t head = std::min(name_line, lines.size());
  if (head == 0) return 1;
  const std::string_view opener = toml ? "[[" : "-";
  while (head > 1 && !trimmed(head).starts_with(opener)) --head;
  while (head > 1 && trimmed(head - 1).starts_with('#')) --head;
  return head;
}

}  // namespace

std::vector<Allowance> find_allowances(std::string_view text,
                                       const std::vector<std::size_t>& heads) {
  constexpr std::string_view kMark = "tocsin: allow";
  std::vector<Allowance> found;
  std::size_t number = 0;
  const std::size_t end = std::size_t{1} << 62U;
  base::for_each_line(text, [&](std::string_view line) {
    ++number;
    const std::size_t mark = line.find(kMark);
    if (mark == std::string_view::npos) return;
    const std::size_t hash = line.rfind('#', mark);
    if (hash == std::string_view::npos ||
        !base::trim(line.substr(hash + 1, mark - hash - 1)).empty()) {
      return;
    }
    const auto next = std::upper_bound(heads.begin(), heads.end(), number);
    const std::size_t first = next == heads.begin() ? 0 : *(next - 1);
    const std::size_t last = next == heads.end() ? end : *next - 1;
    std::string_view rest = line.substr(mark + kMark.size());
    while (!rest.empty()) {
      const std::size_t begin = rest.find_first_not_of(" \t,:");
      if (begin == std::string_view::npos) break;
      rest.remove_prefix(begin);
      const std::size_t length =
          std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), rest.size());
      if (length == 0) break;  // the rest is a remark
      found.push_back(
          {std::string(rest.substr(0, length)), number, first, first == 0 ? end : last});
      rest.remove_prefix(length);
      // "allow a, b" goes on; "allow a because it is lazy" does not.
      if (!base::trim(rest).starts_with(',')) break;
    }
  });
  return found;
}

const config::Node* Subject::label_node(std::string_view name) const {
  for (const config::Node* owner : {node, group_node}) {
    const config::Node* labels = owner == nullptr ? nullptr : owner->find("labels");
    if (const config::Node* found = labels == nullptr ? nullptr : labels->find(name)) return found;
  }
  // `severity = "high"` of a TOML alert is a key of its own.
  return toml && node != nullptr && name == "severity" ? node->find(name) : nullptr;
}

const config::Node* Subject::annotation_node(std::string_view name) const {
  if (node == nullptr) return nullptr;
  const config::Node* annotations = node->find("annotations");
  if (const auto* found = annotations == nullptr ? nullptr : annotations->find(name)) return found;
  if (!toml) return nullptr;
  if (name == "runbook_url") return node->find("runbook");
  return name == "summary" || name == "description" ? node->find(name) : nullptr;
}

const Document& Corpus::add_file(config::Source source, config::Node root) {
  Document& document = documents_.emplace_back();
  document.source = std::move(source);
  document.root = std::move(root);
  document.allowances = find_allowances(document.source.text, {});
  return document;
}

void Corpus::add(ruler::RuleSet added) {
  sets_.push_back(std::move(added));
  ruler::RuleSet& set = sets_.back();
  std::map<std::string, Document*> by_file;
  std::map<const Document*, Index> indices;
  for (config::Source& source : set.sources) {
    Document& document = documents_.emplace_back();
    document.source = source;
    base::Diagnostics ignored;  // the rule reader has reported them
    document.root = source.file.ends_with(".toml") ? config::parse_toml(document.source, ignored)
                                                   : config::parse_yaml(document.source, ignored);
    by_file[source.file] = &document;
    indices[&document] = index_rules(document.root);
  }
  std::map<Document*, std::vector<std::size_t>> heads;
  std::map<const Document*, std::vector<std::string_view>> lines;
  for (const auto& [file, document] : by_file) lines[document] = lines_of(document->source.text);
  for (const ruler::RuleGroup& group : set.groups) {
    const auto document = by_file.find(group.file);
    if (document == by_file.end()) continue;
    for (const ruler::Rule& rule : group.rules) {
      Subject subject{&group,
                      &rule,
                      document->second,
                      nullptr,
                      nullptr,
                      nullptr,
                      group.file.ends_with(".toml")};
      const Index& index = indices[document->second];
      if (const auto at = index.find({rule.place.line, rule.place.column}); at != index.end()) {
        subject.node = at->second.rule;
        subject.group_node = at->second.group;
        for (const char* key : {"value", "expr"}) {
          if (subject.expr == nullptr) subject.expr = subject.node->find(key);
        }
      }
      heads[document->second].push_back(
          head_of(lines[document->second], rule.place.line, subject.toml));
      subjects_.push_back(subject);
    }
  }
  for (auto& [file, document] : by_file) {
    std::vector<std::size_t>& of_file = heads[document];
    std::sort(of_file.begin(), of_file.end());
    document->allowances = find_allowances(document->source.text, of_file);
  }
}

void Corpus::finish() {
  for (const Subject& subject : subjects_) {
    if (!subject.alerting() && subject.rule->expr) {
      recordings_[subject.rule->name].push_back(&subject);
    }
  }
}

const std::vector<const Subject*>& Corpus::recordings(std::string_view metric) const {
  static const std::vector<const Subject*> kNone;
  const auto at = recordings_.find(metric);
  return at == recordings_.end() ? kNone : at->second;
}

std::set<std::string> Corpus::recorded_names() const {
  std::set<std::string> names;
  for (const auto& [name, subjects] : recordings_) names.insert(name);
  return names;
}

std::set<std::string> Corpus::selected_metrics() const {
  std::set<std::string> names;
  for (const Subject& subject : subjects_) {
    if (!subject.rule->expr) continue;
    for (const promql::VectorSelector* selector : promql::selectors_of(*subject.rule->expr)) {
      for (const model::Matcher& matcher : selector->matchers) {
        if (matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal) {
          names.insert(matcher.value());
        }
      }
    }
  }
  return names;
}

std::size_t Corpus::groups() const {
  std::size_t count = 0;
  for (const ruler::RuleSet& set : sets_) count += set.groups.size();
  return count;
}

}  // namespace tocsin::lint
