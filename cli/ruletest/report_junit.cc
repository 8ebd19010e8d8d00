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

std::string failure_xml(const FileResult& file, const Finding& finding) {
  std::string body = fmt::format("{}:{}:{}", file.file, finding.at.line, finding.at.column);
  for (const std::string& line : finding.expected) body += "\nexpected: " + line;
  for (const std::string& line : finding.got) body += "\ngot: " + line;
  for (const std::string& line : finding.details) body += "\n" + line;
  return fmt::format("      <failure message=\"{}\">{}</failure>\n", xml(finding.message),
                     xml(body));
}

std::string case_xml(const FileResult& file, const CaseResult& test) {
  std::string text = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">\n",
                                 xml(file.file), xml(test.name), seconds(test.took));
  for (const Finding& finding : test.failures) text += failure_xml(file, finding);
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
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n" + suites + properties +
         "</testsuites>\n";
}

}  // namespace tocsin::ruletest
