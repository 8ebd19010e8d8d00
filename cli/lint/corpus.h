// The rules under check, each with the place it was written at.
//
// The reader of alertd/ruler gives the rules as the daemon sees them; it does not keep where each
// part stood. So the files are parsed once more and each rule is found again by the line of its
// name. Comments `# tocsin: allow ID` are read from the text, where they stand.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "alertd/ruler/rule_loader.h"
#include "cli/lint/finding.h"
#include "common/config/node.h"

namespace tocsin::lint {

/// `# tocsin: allow a, b` on lines [first, last] of a file; the whole file if first is 0.
struct Allowance {
  std::string id;
  std::size_t line = 0;  ///< Where it is written.
  std::size_t first = 0;
  std::size_t last = 0;
};

/// A file, parsed again.
struct Document {
  config::Source source;
  config::Node root;
  std::vector<Allowance> allowances;
};

/// One rule and its place in the text.
struct Subject {
  const ruler::RuleGroup* group = nullptr;
  const ruler::Rule* rule = nullptr;
  const Document* document = nullptr;
  const config::Node* node = nullptr;        ///< The rule's table; null if it was not found again.
  const config::Node* group_node = nullptr;  ///< Likewise.
  const config::Node* expr = nullptr;        ///< Of the expression's text.
  bool toml = false;

  bool alerting() const { return rule->kind == ruler::RuleKind::Alerting; }
  /// The value of a label or annotation of this rule, or null (then perhaps the group's).
  const config::Node* label_node(std::string_view name) const;
  const config::Node* annotation_node(std::string_view name) const;
};

/// All rules of a run. Not movable: subjects point into it.
class Corpus {
 public:
  Corpus() = default;
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  /// Takes the rules over; call once for each set.
  void add(ruler::RuleSet set);
  /// Takes over a file that is not a rule file, for its allowances and excerpts.
  const Document& add_file(config::Source source, config::Node root);

  const std::deque<Document>& documents() const { return documents_; }
  const std::vector<Subject>& subjects() const { return subjects_; }
  /// The recording rules that produce a metric.
  const std::vector<const Subject*>& recordings(std::string_view metric) const;
  std::set<std::string> recorded_names() const;
  /// Returns the names that selectors of these rules ask for by equality.
  std::set<std::string> selected_metrics() const;
  std::size_t groups() const;

  /// Call after the last add(): makes recordings() usable.
  void finish();

 private:
  std::deque<Document> documents_;
  std::deque<ruler::RuleSet> sets_;
  std::vector<Subject> subjects_;
  std::map<std::string, std::vector<const Subject*>, std::less<>> recordings_;
};

/// Finds the comments of a text; `heads` are the first lines of its rules, ascending, empty if it
/// is no rule file.
std::vector<Allowance> find_allowances(std::string_view text,
                                       const std::vector<std::size_t>& heads);

}  // namespace tocsin::lint
