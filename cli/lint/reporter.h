// Collects findings: turns places in expressions into places in files, and leaves out what a
// comment or an option allows.
#pragma once

#include <set>
#include <string>

#include "alertd/promql/ast.h"
#include "cli/lint/corpus.h"

namespace tocsin::lint {

/// What is said, without where.
struct Remark {
  std::string_view id;
  Level level = Level::Warning;
  std::string message;
  std::string hint;
};

/// One run's findings. Thread: one.
class Reporter {
 public:
  /// `allowed` are ids that are off for the whole run.
  Reporter(const Corpus& corpus, std::set<std::string> allowed)
      : corpus_(corpus), allowed_(std::move(allowed)) {}

  /// About a part of a rule's expression.
  void at_expr(const Subject& subject, const promql::Location& where, Remark remark);
  /// About the rule as a whole: at its name.
  void at_rule(const Subject& subject, Remark remark);
  /// About bytes [offset, offset + width) of a string of the rule; at the rule if `node` is null.
  void at_text(const Subject& subject, const config::Node* node, std::size_t offset,
               std::size_t width, Remark remark);
  /// About a place in any file.
  void at_place(const std::string& file, base::Position at, Remark remark);
  /// Takes a finding as it is, unless it is allowed.
  void add(Finding finding);

  const Corpus& corpus() const { return corpus_; }
  Findings take() { return std::move(findings_); }
  std::size_t suppressed() const { return suppressed_; }
  /// Reports allowances that name no check.
  void check_allowances();

 private:
  bool is_allowed(const Finding& finding) const;

  const Corpus& corpus_;
  const std::set<std::string> allowed_;
  Findings findings_;
  std::size_t suppressed_ = 0;
};

}  // namespace tocsin::lint
