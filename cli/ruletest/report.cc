#include "cli/ruletest/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::ruletest {
namespace {

namespace json = boost::json;

std::string paint(const TextStyle& style, std::string_view code, const std::string& text) {
  return style.color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

/// Lines expected and not there with -, lines there and not expected with +, in order.
std::string diff_text(const Finding& finding, const TextStyle& style) {
  std::string text;
  std::vector<std::string> left = finding.got;
  const auto take = [&](const std::string& line) {
    const auto found = std::find(left.begin(), left.end(), line);
    if (found == left.end()) return false;
    left.erase(found);
    return true;
  };
  for (const std::string& line : finding.expected) {
    const std::string safe = base::escape_control(line);
    if (!take(line)) {
      text += "    " + paint(style, "31", "- " + safe) + "\n";
    } else if (style.whole_diff) {
      text += "      " + safe + "\n";
    }
  }
  for (const std::string& line : left) {
    // A message of several lines keeps them.
    base::for_each_line(line, [&](std::string_view part) {
      text += "    " + paint(style, "32", "+ " + base::escape_control(part)) + "\n";
    });
  }
  return text;
}

std::string finding_text(const FileResult& file, const CaseResult& test, const Finding& finding,
                         const TextStyle& style) {
  base::Diagnostic diagnostic;
  diagnostic.file = file.file;
  diagnostic.line = finding.at.line;
  diagnostic.column = finding.at.column;
  diagnostic.message =
      base::escape_control(fmt::format("test '{}': {}", test.name, finding.message));
  std::string text = base::render(
      diagnostic, file.sources.empty() ? std::string_view() : file.sources.front().text);
  const std::size_t word = text.find(": error: ");
  if (word != std::string::npos) {
    text.replace(word, 9, ": " + paint(style, "1;31", "failed") + ": ");
  }
  text += diff_text(finding, style);
  for (const std::string& line : finding.details) {
    text += "    " + base::escape_control(line) + "\n";
  }
  return text;
}

json::array lines_json(const std::vector<std::string>& lines) {
  json::array array;
  for (const std::string& line : lines) array.emplace_back(line);
  return array;
}

json::object finding_json(const Finding& finding) {
  return {{"line", finding.at.line},        {"column", finding.at.column},
          {"message", finding.message},     {"expected", lines_json(finding.expected)},
          {"got", lines_json(finding.got)}, {"details", lines_json(finding.details)}};
}

json::object case_json(const CaseResult& test) {
  json::array failures;
  for (const Finding& finding : test.failures) failures.push_back(finding_json(finding));
  json::array unsupported;
  for (const Finding& finding : test.unsupported) {
    unsupported.push_back({{"line", finding.at.line}, {"message", finding.message}});
  }
  return {{"name", test.name},
          {"line", test.at.line},
          {"passed", test.passed()},
          {"assertions", test.assertions},
          {"seconds", static_cast<double>(test.took.count()) / 1000},
          {"failures", std::move(failures)},
          {"unsupported", std::move(unsupported)}};
}

json::object coverage_json(const CoverageReport& coverage) {
  json::array rules;
  for (const RuleCoverage& rule : coverage.rules) {
    json::array fired;
    for (const model::Severity severity : rule.asserted.fired) {
      fired.emplace_back(std::string(model::to_string(severity)));
    }
    rules.push_back({{"file", rule.file},
                     {"line", rule.line},
                     {"name", rule.name},
                     {"kind", rule.alerting ? "alert" : "record"},
                     {"items", rule.items},
                     {"covered", rule.covered},
                     {"fired", std::move(fired)},
                     {"pending", rule.seen.pending},
                     {"resolved", rule.asserted.resolved},
                     {"what", rule.describe()}});
  }
  return {{"percent", coverage.percent()},
          {"items", coverage.items},
          {"covered", coverage.covered},
          {"rules", std::move(rules)}};
}

/// "1 test", "2 tests".
std::string counted(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

struct Sums {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t unsupported = 0;
  std::size_t left_out = 0;
  std::size_t broken = 0;  ///< Files that did not run.
};

Sums add_up(const SuiteResult& result) {
  Sums sums;
  for (const FileResult& file : result.files) {
    sums.left_out += file.left_out;
    sums.broken += base::has_errors(file.diagnostics) ? 1 : 0;
    for (const CaseResult& test : file.cases) {
      ++(test.passed() ? sums.passed : sums.failed);
      sums.unsupported += test.unsupported.size();
    }
  }
  return sums;
}

std::string coverage_text(const CoverageReport& coverage) {
  std::string text = "coverage of rules:\n";
  for (const RuleCoverage& rule : coverage.rules) {
    text += base::escape_control(fmt::format(
                "  {} {}/{} {}:{} {}: {}", rule.covered == rule.items ? "ok  " : "MISS",
                rule.covered, rule.items, rule.file, rule.line, rule.name, rule.describe())) +
            "\n";
  }
  return text + fmt::format("coverage: {} of {} = {:.1f} %\n", coverage.covered, coverage.items,
                            coverage.percent());
}

}  // namespace

std::string findings_text(const SuiteResult& result, const TextStyle& style) {
  std::string text;
  for (const FileResult& file : result.files) {
    text += config::render_all(file.diagnostics, file.sources);
    for (const CaseResult& test : file.cases) {
      for (const Finding& finding : test.failures) {
        text += finding_text(file, test, finding, style);
      }
    }
  }
  return text;
}

std::string summary_text(const SuiteResult& result) {
  std::string text;
  for (const FileResult& file : result.files) {
    const auto failed = static_cast<std::size_t>(
        std::count_if(file.cases.begin(), file.cases.end(),
                      [](const CaseResult& test) { return !test.passed(); }));
    text += fmt::format("{} {}: {}", file.passed() ? "ok    " : "FAILED",
                        base::escape_control(file.file), counted(file.cases.size(), "test"));
    if (failed > 0) text += fmt::format(", {} failed", failed);
    if (base::has_errors(file.diagnostics)) text += ", the files have errors";
    text += "\n";
    for (const CaseResult& test : file.cases) {
      for (const Finding& finding : test.unsupported) {
        text += base::escape_control(fmt::format("       not supported: {}:{}: test '{}': {}",
                                                 file.file, finding.at.line, test.name,
                                                 finding.message)) +
                "\n";
      }
    }
  }
  if (result.coverage) text += coverage_text(*result.coverage);
  const Sums sums = add_up(result);
  text += fmt::format("{}, {}: {} passed, {} failed", counted(result.files.size(), "file"),
                      counted(sums.passed + sums.failed, "test"), sums.passed, sums.failed);
  if (sums.broken > 0) text += fmt::format("; {} with errors", counted(sums.broken, "file"));
  if (sums.unsupported > 0) {
    text += fmt::format("; {} not supported", counted(sums.unsupported, "assertion"));
  }
  if (sums.left_out > 0) {
    text += fmt::format("; {} left out by --run", counted(sums.left_out, "test"));
  }
  return text + "\n";
}

std::string to_json(const SuiteResult& result) {
  json::array files;
  for (const FileResult& file : result.files) {
    json::array tests;
    for (const CaseResult& test : file.cases) tests.push_back(case_json(test));
    json::array diagnostics;
    for (const base::Diagnostic& one : file.diagnostics) {
      const bool error = one.severity == base::DiagnosticSeverity::Error;
      diagnostics.push_back({{"severity", error ? "error" : "warning"},
                             {"file", one.file},
                             {"line", one.line},
                             {"column", one.column},
                             {"message", one.message},
                             {"hint", one.hint}});
    }
    files.push_back({{"file", file.file},
                     {"passed", file.passed()},
                     {"left_out", file.left_out},
                     {"diagnostics", std::move(diagnostics)},
                     {"tests", std::move(tests)}});
  }
  json::object object{{"passed", result.passed()}, {"files", std::move(files)}};
  if (result.coverage) object["coverage"] = coverage_json(*result.coverage);
  return json::serialize(object) + "\n";
}

}  // namespace tocsin::ruletest
