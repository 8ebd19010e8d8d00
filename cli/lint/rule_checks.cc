#include "cli/lint/rule_checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "alertd/promql/engine.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

const std::string* text_of(const std::vector<ruler::NamedText>& texts, std::string_view name) {
  for (const ruler::NamedText& text : texts) {
    if (text.name == name) return &text.text;
  }
  return nullptr;
}

bool has_any(const std::vector<ruler::NamedText>& texts,
             std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    const std::string* text = text_of(texts, name);
    return text != nullptr && !base::trim(*text).empty();
  });
}

void check_runbook(const Subject& subject, Reporter& reporter, const base::FileSystem& files) {
  // The TOML reader looks after its `runbook` key itself.
  if (subject.toml) return;
  const auto& annotations = subject.rule->annotations;
  const std::string* url = text_of(annotations, "runbook_url");
  if (url == nullptr) url = text_of(annotations, "runbook");
  if (url == nullptr) {
    reporter.at_rule(subject,
                     {"runbook-missing", Level::Info,
                      fmt::format("alert '{}' has no runbook", subject.rule->name),
                      "add the annotation runbook_url: who is paged must know what to do"});
    return;
  }
  const bool elsewhere = url->find("://") != std::string::npos ||
                         url->find("{{") != std::string::npos || url->starts_with('/') ||
                         !url->ends_with(".md");
  if (elsewhere) return;
  const std::string& file = subject.document->source.file;
  const auto slash = file.rfind('/');
  const std::string path =
      (slash == std::string::npos ? std::string() : file.substr(0, slash + 1)) + *url;
  if (files.exists(path)) return;
  reporter.at_text(
      subject, subject.annotation_node("runbook_url"), 0, url->size(),
      {"runbook-missing", Level::Warning,
       fmt::format("there is no '{}' beside the rule file", *url), "write it, or give a URL"});
}

std::string identity(const ruler::Rule& rule) {
  std::string key = rule.name;
  for (const ruler::NamedText& label : rule.labels) {
    key += '\xff' + label.name + '\xff' + label.text;
  }
  return key;
}

std::string place_of(const Subject& subject) {
  return fmt::format("{}:{}", subject.rule->place.file, subject.rule->place.line);
}

struct Wording {
  std::string_view part;
  std::string_view id;
};

/// Parts of the reader's messages, the more special first.
constexpr std::array kWordings = std::to_array<Wording>({
    {"not defined", "template-function"},  // of templates only: see from_diagnostic
    {"has no runbook", "runbook-missing"},
    {"there is no 'runbooks/", "runbook-missing"},
    {"has no severity", "severity-missing"},
    {"severity '", "severity-unknown"},
    {"with the same labels is already defined", "rule-duplicate"},
    {"unknown key", "rule-field"},
    {"there is no receiver", "receiver-missing"},
    {"undefined variable", "template-error"},
    {"annotation '", "template-error"},
    {"label '", "rule-syntax"},
});

bool about_template(std::string_view message) {
  for (const std::string_view begin : {"annotation '", "label '", "summary: ", "description: "}) {
    if (message.starts_with(begin)) return true;
  }
  return false;
}

}  // namespace

void check_times(const Subject& subject, Reporter& reporter) {
  if (!subject.alerting() || subject.group_node == nullptr) return;
  const config::Node* written = subject.group_node->find("interval");
  const base::Duration interval = subject.group->interval;
  // Without an interval of its own the group runs as the daemon is configured.
  if (written == nullptr || !base::parse_duration(written->text) || interval.count() <= 0) return;
  for (const ruler::Level& level : subject.rule->levels) {
    const base::Duration hold = level.hold_for;
    if (hold.count() == 0 || hold % interval == base::Duration{0}) continue;
    const base::Duration effective = (hold / interval + 1) * interval;
    const config::Node* node = subject.node == nullptr ? nullptr : subject.node->find("for");
    reporter.at_text(
        subject, node, 0, 1,
        {"for-interval", Level::Info,
         fmt::format("for = {} is no multiple of the group's interval {}: it acts as {}",
                     base::format_duration(hold), base::format_duration(interval),
                     base::format_duration(effective)),
         fmt::format("write {}", base::format_duration(effective))});
    return;
  }
}

void check_texts(const Subject& subject, Reporter& reporter, const base::FileSystem& files) {
  if (!subject.alerting()) return;
  const ruler::Rule& rule = *subject.rule;
  if (!subject.toml && text_of(rule.labels, "severity") == nullptr) {
    reporter.at_rule(subject, {"severity-missing", Level::Warning,
                               fmt::format("alert '{}' has no severity: it counts as {}", rule.name,
                                           model::to_string(rule.levels.front().severity)),
                               "add the label severity: critical, high, medium or low"});
  }
  if (!has_any(rule.annotations, {"summary", "message", "title"})) {
    const bool described = has_any(rule.annotations, {"description", "details"});
    reporter.at_rule(
        subject,
        {"summary-missing", described ? Level::Info : Level::Warning,
         fmt::format("alert '{}' has no summary", rule.name),
         subject.toml
             ? "add summary = \"{{ $labels.instance }}: what is wrong\": it is what a phone shows"
             : "add the annotation summary: it is what a phone shows"});
  }
  check_runbook(subject, reporter, files);
}

void check_duplicates(Reporter& reporter) {
  std::map<std::string, const Subject*> names;
  std::map<std::string, const Subject*> conditions;
  for (const Subject& subject : reporter.corpus().subjects()) {
    const ruler::Rule& rule = *subject.rule;
    if (!subject.alerting() || !rule.expr) continue;
    const auto [first, added] = names.emplace(identity(rule), &subject);
    const Subject& other = *first->second;
    // Within one group the reader says so itself.
    if (!added && other.group != subject.group) {
      reporter.at_rule(subject,
                       {"alert-duplicate", Level::Warning,
                        fmt::format("the alert '{}' with the same labels is also defined at {}: "
                                    "both speak for the same alert",
                                    rule.name, place_of(other)),
                        "remove one, rename it, or give it a label of its own"});
    }
    std::string condition = promql::print(*rule.expr);
    for (const ruler::Level& level : rule.levels) {
      condition += level.bound ? level.bound->to_string() : "";
    }
    const auto [same, fresh] = conditions.emplace(std::move(condition), &subject);
    if (fresh || !added) continue;
    reporter.at_expr(subject, rule.expr->location,
                     {"expr-duplicate", Level::Info,
                      fmt::format("the alert '{}' at {} has the same condition",
                                  same->second->rule->name, place_of(*same->second)),
                      "one alert with levels says it once"});
  }
}

Finding from_diagnostic(const base::Diagnostic& diagnostic, std::string_view default_id) {
  Finding finding;
  finding.level =
      diagnostic.severity == base::DiagnosticSeverity::Error ? Level::Error : Level::Warning;
  finding.file = diagnostic.file;
  finding.line = diagnostic.line;
  finding.column = diagnostic.column;
  finding.message = diagnostic.message;
  finding.hint = diagnostic.hint;
  finding.id = std::string(default_id);
  if (const auto near = finding.message.find("; did you mean");
      near != std::string::npos && finding.hint.empty()) {
    finding.hint = finding.message.substr(near + 2);
    finding.message.resize(near);
  }
  const bool of_template = about_template(diagnostic.message);
  for (const Wording& wording : kWordings) {
    if (diagnostic.message.find(wording.part) == std::string::npos) continue;
    const bool for_templates = wording.id.starts_with("template-");
    if (for_templates && !of_template && wording.id != "template-error") continue;
    if (wording.id == "rule-field" && default_id != "rule-syntax") continue;
    finding.id = std::string(wording.id);
    break;
  }
  if (finding.id == "rule-syntax" && of_template &&
      diagnostic.message.find("__name__") == std::string::npos) {
    finding.id = "template-error";
  }
  if (finding.id == "template-function" && finding.hint.empty()) {
    finding.hint =
        "for numbers: humanize, humanize1024 (bytes), humanizePercentage, humanizeDuration, "
        "humanizeTimestamp, or printf \"%.1f\"";
  }
  return finding;
}

}  // namespace tocsin::lint
