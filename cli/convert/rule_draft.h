// A rule between the two formats: the texts of the YAML file with their comments, sorted into the
// places where our format has them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/convert/comments.h"
#include "cli/convert/convert.h"
#include "cli/convert/toml_text.h"

namespace tocsin::cli::convert {

/// The label that keeps a severity which is none of ours, or which would not tell two alerts apart.
inline constexpr std::string_view kKeptSeverity = "imported_severity";

/// A key with its value as text, and what was written about it.
struct Text {
  std::string name;
  std::string text;
  Remarks remarks;
};

/// One severity of an alert that was several.
struct DraftLevel {
  model::Severity severity = model::Severity::Medium;
  std::string side;   ///< "above", "at_least", "below", "at_most"
  std::string bound;  ///< As written.
  std::string hold;   ///< `for`; empty for none.
  std::string keep;   ///< `keep_firing_for`
};

struct RuleDraft {
  bool alert = false;
  std::size_t line = 0;      ///< Where the rule begins in the source.
  std::size_t line_end = 0;  ///< Where the next thing begins.
  Text name;
  Text expr;
  std::optional<Text> hold;
  std::optional<Text> keep;
  model::Severity severity = model::Severity::Medium;
  std::string severity_text;  ///< As it was written; empty for none.
  Remarks severity_remarks;
  std::vector<Text> labels;
  Remarks labels_remarks;
  std::vector<Text> annotations;
  Remarks annotations_remarks;
  std::vector<std::string> notes;  ///< What does not carry over; become comments.
  std::vector<std::string> rest;   ///< Comments with no place of their own.
  std::vector<DraftLevel> levels;  ///< Ascending; empty: a plain alert.
};

struct GroupDraft {
  std::size_t line = 0;
  Text name;
  std::optional<Text> interval;
  std::optional<Text> query_offset;
  std::optional<Text> limit;
  std::vector<Text> labels;
  Remarks labels_remarks;
  std::vector<std::string> notes;
  std::vector<RuleDraft> rules;
};

/// What the reading of one file shares.
struct Reading {
  const config::Source& source;
  const ConvertOptions& options;
  Comments& comments;
  base::Diagnostics& diagnostics;

  void warn(base::Position at, std::string message, std::string hint = {}) const;
  void error(base::Position at, std::string message, std::string hint = {}) const;
};

/// Reads one entry of `groups:`; `line_end` is where the next group begins.
GroupDraft read_group_draft(const config::Node& node, std::size_t line_end, const Reading& reading);

/// Returns the first line of a mapping.
std::size_t first_line(const config::Node& node);

/// Joins alerts that differ only in threshold and severity; see ConvertOptions::merge_levels.
void merge_levels(GroupDraft& group, const Reading& reading);

/// Writes `[[group]]` with its own keys, and one rule of it.
std::string write_group(const GroupDraft& group, std::string_view name);
std::string write_rule(const RuleDraft& rule);

}  // namespace tocsin::cli::convert
