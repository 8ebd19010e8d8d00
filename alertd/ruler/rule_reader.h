// What the two rule file formats have in common: expressions, labels, annotations, duplicates.
// Internal to the folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/ruler/rule_file.h"
#include "common/config/table.h"

namespace tocsin::ruler {

/// How strict the format is with names: Prometheus 3 takes any UTF-8 label name, our files do not.
enum class Format { Toml, Yaml };

/// Reads the parts of one file. Lives as long as the reading.
class RuleReader {
 public:
  RuleReader(config::Context& context, const RuleFileOptions& options, Format format)
      : context_(context), options_(options), format_(format) {}

  /// Parses the expression under `key` into `rule`; type must be an instant vector or a scalar.
  void expression(config::Table& table, std::string_view key, Rule& rule);

  /// Reads a table of labels or annotations.
  enum class Texts { GroupLabels, AlertLabels, RecordLabels, Annotations };
  std::vector<NamedText> texts(config::Table& table, std::string_view key, Texts texts);

  /// Checks a template written as a string of its own, such as `summary`.
  void check_text(const config::Node& node, const std::string& what);

  /// Reports groups with the same name and rules with the same kind, name and labels.
  void check_duplicates(const std::vector<RuleGroup>& groups);

  /// Sets the group's datasource; ours have the key, those of Prometheus do not.
  void datasource(config::Table& table, RuleGroup& group);

  /// Reports a metric name that a recording rule cannot have.
  void check_record_name(config::Table& table, std::string_view key, const std::string& name);

  Place place(base::Position at) const { return {context_.source.file, at.line, at.column}; }
  void error_at(base::Position at, std::string message, std::string hint = {});
  void warning_at(base::Position at, std::string message, std::string hint = {});
  const RuleFileOptions& options() const { return options_; }

 private:
  void check_label(const config::Field& field, Texts texts);

  config::Context& context_;
  const RuleFileOptions& options_;
  Format format_;
};

/// Returns both lists, sorted by name; `own` wins.
std::vector<NamedText> merge_labels(const std::vector<NamedText>& group,
                                    std::vector<NamedText> own);

/// The readers of one format each; `root` is the parsed file.
std::vector<RuleGroup> read_toml_rules(config::Context& context, const config::Node& root,
                                       const RuleFileOptions& options);
std::vector<RuleGroup> read_yaml_rules(config::Context& context, const config::Node& root,
                                       const RuleFileOptions& options);

}  // namespace tocsin::ruler
