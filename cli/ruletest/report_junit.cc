// JUnit XML, the form that continuous integration reads: testsuites, testsuite, testcase, failure,
// error, skipped. A file that cannot be run is a suite with one case that is an error.

#include <fmt/core.h>

#include "cli/ruletest/report.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::ruletest {
namespace {

/// XML has no place for control characters; they become \xNN before quoting.
std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? base::escape_control(std::string_view(&c, 1))
                                                    : std::string(1, c);
    }
  }
  return out;
}

double seconds(base::Duration took) {
  return static_cast<double>(took.count()) / 1000;
}

std::string failures_xml(const FileResult& file, const std::vector<Finding>& failures) {
  std::string body;
  for (const Finding& finding : failures) {
    body += fmt::format("{}:{}:{}: {}\n", file.file, finding.at.line, finding.at.column,
                        finding.message);
    for (const std::string& line : finding.expected) body += "expected: " + line + "\n";
    for (const std::string& line : finding.got) body += "got: " + line + "\n";
    for (const std::string& line : finding.details) body += line + "\n";
  }
  const std::string more =
      failures.size() > 1 ? fmt::format(" (and {} more)", failures.size() - 1) : "";
  return fmt::format("      <failure message=\"{}{}\">{}</failure>\n",
                     xml(failures.front().message), more, xml(body));
}

std::string case_xml(const FileResult& file, const CaseResult& test) {
  std::string text = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">\n",
                                 xml(file.file), xml(test.name), seconds(test.took));
  if (!test.failures.empty()) text += failures_xml(file, test.failures);
  text += "    </testcase>\n";
  for (const Finding& finding : test.unsupported) {
    text += fmt::format(
        "    <testcase classname=\"{}\" name=\"{}: line {}\">\n"
        "      <skipped message=\"{}\"/>\n    </testcase>\n",
        xml(file.file), xml(test.name), finding.at.line, xml(finding.message));
  }
  return text;
}

}  // namespace

std::string to_junit(const SuiteResult& result) {
  std::string suites;
  std::size_t tests_all = 0;
  std::size_t failures_all = 0;
  std::size_t errors_all = 0;
  for (const FileResult& file : result.files) {
    std::string cases;
    std::size_t tests = 0;
    std::size_t failures = 0;
    std::size_t skipped = 0;
    base::Duration took{0};
    for (const CaseResult& test : file.cases) {
      tests += 1 + test.unsupported.size();
      failures += test.passed() ? 0 : 1;
      skipped += test.unsupported.size();
      took += test.took;
      cases += case_xml(file, test);
    }
    const bool broken = base::has_errors(file.diagnostics);
    if (broken) {
      ++tests;
      cases += fmt::format(
          "    <testcase classname=\"{0}\" name=\"{0}\">\n"
          "      <error message=\"the files have errors\">{1}</error>\n    </testcase>\n",
          xml(file.file), xml(config::render_all(file.diagnostics, file.sources)));
    }
    tests_all += tests;
    failures_all += failures;
    errors_all += broken ? 1 : 0;
    suites += fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" "
        "time=\"{:.3f}\">\n{}  </testsuite>\n",
        xml(file.file), tests, failures, broken ? 1 : 0, skipped, seconds(took), cases);
  }
  std::string properties;
  if (result.coverage) {
    properties = fmt::format(
        "  <testsuite name=\"coverage\" tests=\"0\">\n    <properties>\n"
        "      <property name=\"coverage\" value=\"{:.1f}\"/>\n    </properties>\n  </testsuite>\n",
        result.coverage->percent());
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites tests=\"{}\" failures=\"{}\" errors=\"{}\">\n{}{}</testsuites>\n",
      tests_all, failures_all, errors_all, suites, properties);
}

}  // namespace tocsin::ruletest
