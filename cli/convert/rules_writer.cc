// Drafts as text. A table of labels or annotations is one line where that reads well, else a table
// of its own at the end of the rule, where comments have room.

#include <fmt/core.h>

#include <algorithm>

#include "cli/convert/rule_draft.h"

namespace tocsin::cli::convert {
namespace {

constexpr std::size_t kLineMax = 100;

void write_notes(const std::vector<std::string>& notes, TomlWriter& out) {
  for (const std::string& note : notes) out.note("import: " + note);
}

Pairs pairs_of(const std::vector<Text>& texts) {
  Pairs pairs;
  for (const Text& text : texts) pairs.emplace_back(text.name, text.text);
  return pairs;
}

bool fits_inline(std::string_view key, const std::vector<Text>& texts) {
  const bool quiet = std::all_of(texts.begin(), texts.end(),
                                 [](const Text& text) { return text.remarks.empty(); });
  const std::string inline_text = toml_inline_table(pairs_of(texts));
  return quiet && inline_text.find('\n') == std::string::npos &&
         key.size() + 3 + inline_text.size() <= kLineMax;
}

void write_table(std::string_view header, const std::vector<Text>& texts, const Remarks& remarks,
                 TomlWriter& out) {
  out.header(header, remarks);
  for (const Text& text : texts) out.string(text.name, text.text, text.remarks);
}

/// Annotations that have a key of their own in our format.
std::string_view key_for(const Text& annotation) {
  if (annotation.name == "summary" || annotation.name == "description") return annotation.name;
  const bool link =
      annotation.name == "runbook_url" && annotation.text.find("://") != std::string::npos;
  return link ? "runbook" : "";
}

void write_level(const DraftLevel& level, TomlWriter& out) {
  std::string text = fmt::format("{{ {} = {}", level.side, level.bound);
  if (!level.hold.empty()) text += fmt::format(", for = {}", toml_string(level.hold));
  if (!level.keep.empty()) text += fmt::format(", keep_firing_for = {}", toml_string(level.keep));
  out.value(model::to_string(level.severity), text + " }");
}

void write_condition(const RuleDraft& rule, TomlWriter& out) {
  if (!rule.alert) {
    out.string("expr", rule.expr.text, rule.expr.remarks);
  } else if (rule.levels.empty()) {
    out.string("expr", rule.expr.text, rule.expr.remarks);
    out.string("severity", model::to_string(rule.severity), rule.severity_remarks);
    if (rule.hold) out.string("for", rule.hold->text, rule.hold->remarks);
    if (rule.keep) out.string("keep_firing_for", rule.keep->text, rule.keep->remarks);
    // Ours would be alerted also when its series vanish; the source's was not.
    if (rule.severity >= model::Severity::High) out.string("no_data", "ok");
  } else {
    out.string("value", rule.expr.text, rule.expr.remarks);
    out.comments(rule.severity_remarks.above);
    out.comments(rule.severity_remarks.beside);
    for (const DraftLevel& level : rule.levels) write_level(level, out);
    out.string("no_data", "ok");
  }
}

void write_labels(std::string_view header, const std::vector<Text>& labels, const Remarks& remarks,
                  TomlWriter& out, bool& table_written) {
  if (labels.empty()) {
    out.comments(remarks.above);
    out.comments(remarks.beside);
    return;
  }
  if (fits_inline("labels", labels)) {
    out.value("labels", toml_inline_table(pairs_of(labels)), remarks);
    return;
  }
  table_written = true;
  write_table(header, labels, remarks, out);
}

}  // namespace

std::string write_group(const GroupDraft& group, std::string_view name) {
  TomlWriter out;
  out.blank();
  out.comments(group.name.remarks.above);
  write_notes(group.notes, out);
  out.header("[[group]]");
  out.string("name", name, {{}, group.name.remarks.beside});
  if (group.interval) out.string("interval", group.interval->text, group.interval->remarks);
  if (group.query_offset) {
    out.string("query_offset", group.query_offset->text, group.query_offset->remarks);
  }
  if (group.limit) out.value("limit", group.limit->text, group.limit->remarks);
  bool ignored = false;
  write_labels("[group.labels]", group.labels, group.labels_remarks, out, ignored);
  return out.take();
}

std::string write_rule(const RuleDraft& rule) {
  TomlWriter out;
  out.blank();
  out.comments(rule.name.remarks.above);
  write_notes(rule.notes, out);
  out.header(rule.alert ? "[[group.alert]]" : "[[group.record]]");
  out.string("name", rule.name.text, {{}, rule.name.remarks.beside});
  write_condition(rule, out);
  std::vector<Text> annotations;
  for (const Text& annotation : rule.annotations) {
    const std::string_view key = key_for(annotation);
    if (key.empty()) {
      annotations.push_back(annotation);
    } else {
      out.string(key, annotation.text, annotation.remarks);
    }
  }
  out.comments(rule.rest);
  // What is on one line comes before what opens a table.
  const bool annotations_inline = fits_inline("annotations", annotations);
  if (!annotations.empty() && annotations_inline) {
    out.value("annotations", toml_inline_table(pairs_of(annotations)), rule.annotations_remarks);
  } else if (annotations.empty()) {
    out.comments(rule.annotations_remarks.above);
    out.comments(rule.annotations_remarks.beside);
  }
  bool table_written = false;
  write_labels(rule.alert ? "[group.alert.labels]" : "[group.record.labels]", rule.labels,
               rule.labels_remarks, out, table_written);
  if (!annotations.empty() && !annotations_inline) {
    write_table("[group.alert.annotations]", annotations, rule.annotations_remarks, out);
  }
  return out.take();
}

}  // namespace tocsin::cli::convert
