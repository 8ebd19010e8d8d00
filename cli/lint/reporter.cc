#include "cli/lint/reporter.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

Finding make(const std::string& file, base::Position at, std::size_t width, Remark remark) {
  Finding finding;
  finding.id = std::string(remark.id);
  finding.level = remark.level;
  finding.file = file;
  finding.line = at.line;
  finding.column = at.column;
  finding.width = std::max<std::size_t>(width, 1);
  finding.message = std::move(remark.message);
  finding.hint = std::move(remark.hint);
  return finding;
}

std::string nearest_check(const std::string& id) {
  std::vector<std::string> ids;
  for (const CheckInfo& check : checks()) ids.emplace_back(check.id);
  const auto near = base::closest(id, ids);
  return near ? fmt::format("did you mean '{}'?", *near) : "`tocsin check --list` prints all ids";
}

}  // namespace

void Reporter::at_expr(const Subject& subject, const promql::Location& where, Remark remark) {
  const std::size_t width = where.end > where.begin ? where.end - where.begin : 1;
  at_text(subject, subject.expr, where.begin, width, std::move(remark));
}

void Reporter::at_rule(const Subject& subject, Remark remark) {
  at_text(subject, nullptr, 0, 1, std::move(remark));
}

void Reporter::at_text(const Subject& subject, const config::Node* node, std::size_t offset,
                       std::size_t width, Remark remark) {
  const config::Source& source = subject.document->source;
  base::Position at{subject.rule->place.line, subject.rule->place.column};
  if (node != nullptr) {
    at = config::position_in(*node, offset, source);
    const base::Position end =
        config::position_in(*node, std::min(offset + width, node->text.size()), source);
    // A place that goes on over line ends is shown as its first line.
    const std::size_t line_end = source.text.find('\n', config::offset_of(source.text, at));
    const std::size_t rest =
        std::min(line_end, source.text.size()) - config::offset_of(source.text, at);
    width = end.line == at.line && end.column > at.column ? end.column - at.column : rest;
  }
  Finding finding = make(source.file, at, width, std::move(remark));
  finding.group = subject.group->name;
  finding.rule = subject.rule->name;
  add(std::move(finding));
}

void Reporter::at_place(const std::string& file, base::Position at, Remark remark) {
  add(make(file, at, 1, std::move(remark)));
}

bool Reporter::is_allowed(const Finding& finding) const {
  if (allowed_.contains(finding.id)) return true;
  for (const Document& document : corpus_.documents()) {
    if (document.source.file != finding.file) continue;
    for (const Allowance& allowance : document.allowances) {
      const bool covers = finding.line >= allowance.first && finding.line <= allowance.last;
      if (allowance.id == finding.id && covers) return true;
    }
  }
  return false;
}

void Reporter::add(Finding finding) {
  if (is_allowed(finding)) {
    ++suppressed_;
    return;
  }
  findings_.push_back(std::move(finding));
}

void Reporter::check_allowances() {
  for (const std::string& id : allowed_) {
    if (find_check(id) != nullptr) continue;
    add(make("", {0, 0}, 1,
             {"allow-unknown", Level::Warning,
              fmt::format("--allow {}: there is no such check", id), nearest_check(id)}));
  }
  for (const Document& document : corpus_.documents()) {
    for (const Allowance& allowance : document.allowances) {
      if (find_check(allowance.id) != nullptr) continue;
      add(make(document.source.file, {allowance.line, 1}, 1,
               {"allow-unknown", Level::Warning,
                fmt::format("there is no check '{}' to allow", allowance.id),
                nearest_check(allowance.id)}));
    }
  }
}

}  // namespace tocsin::lint
