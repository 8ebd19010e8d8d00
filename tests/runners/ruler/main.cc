// Runs the data-driven tests of the ruler.
//
//   ruler_data PATH...          plays every *.test below the paths; in folders named "bad", every
//   rule file
//                               must be refused with exactly the errors its first lines name
//   ruler_data --trace MINUTES FILE  prints the alerts that fire after each minute
//   ruler_data --check FILE...  reads rule files as the daemon would; "ok FILE" or what is wrong

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "alertd/ruler/rule_loader.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "tests/runners/ruler/scenario.h"

namespace tocsin::ruler {
namespace {

struct Totals {
  std::size_t files = 0;
  std::size_t failed = 0;
};

void report(const std::string& file, const std::vector<std::string>& failures, Totals& totals) {
  ++totals.files;
  if (failures.empty()) return;
  ++totals.failed;
  for (const std::string& failure : failures) std::printf("%s\n", failure.c_str());
  std::printf("FAILED %s\n", file.c_str());
}

/// The errors that the lines "# error: LINE:COLUMN: message" at the top ask for.
std::vector<std::string> wanted_errors(std::string_view text) {
  constexpr std::string_view kPrefix = "# error: ";
  std::vector<std::string> wanted;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.starts_with(kPrefix)) wanted.emplace_back(line.substr(kPrefix.size()));
  });
  return wanted;
}

void run_bad(const std::string& file, const base::FileSystem& files, Totals& totals) {
  const auto text = files.read(file, 1U << 20U);
  std::vector<std::string> failures;
  if (!text) {
    report(file, {text.error().message}, totals);
    return;
  }
  std::vector<std::string> wanted = wanted_errors(*text);
  if (wanted.empty()) failures.push_back(file + ": no line \"# error: LINE:COLUMN: message\"");
  const RuleSet set = load_rules({file}, {}, files);
  std::vector<std::string> got;
  for (const base::Diagnostic& diagnostic : set.diagnostics) {
    if (diagnostic.severity != base::DiagnosticSeverity::Error) continue;
    got.push_back(std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + ": " +
                  diagnostic.message);
  }
  std::sort(wanted.begin(), wanted.end());
  std::sort(got.begin(), got.end());
  for (const std::string& error : wanted) {
    if (std::find(got.begin(), got.end(), error) == got.end()) {
      failures.push_back(file + ": missing: " + error);
    }
  }
  for (const std::string& error : got) {
    if (std::find(wanted.begin(), wanted.end(), error) == wanted.end()) {
      failures.push_back(file + ": not wanted: " + error);
    }
  }
  report(file, failures, totals);
}

void run_path(const std::string& path, const base::FileSystem& files, Totals& totals) {
  if (files.is_folder(path)) {
    const auto names = files.list(path);
    if (!names) {
      report(path, {names.error().message}, totals);
      return;
    }
    for (const std::string& name : *names) run_path(base::join_path(path, name), files, totals);
  } else if (path.find("/bad/") != std::string::npos) {
    run_bad(path, files, totals);
  } else if (path.ends_with(".test")) {
    const auto scenario = read_scenario(path, files);
    report(path, scenario ? play(*scenario) : std::vector{scenario.error().message}, totals);
  }
}

int check(const std::vector<std::string>& paths, const base::FileSystem& files) {
  int status = 0;
  for (const std::string& path : paths) {
    const CheckResult result = check_rule_paths({path}, {}, files);
    std::fputs(config::render_all(result.diagnostics, result.sources).c_str(), stdout);
    std::printf("%s %s\n", result.ok() ? "ok" : "refused", path.c_str());
    if (!result.ok()) status = 1;
  }
  return status;
}

int print_trace(const std::vector<std::string>& arguments, const base::FileSystem& files) {
  const auto minutes = arguments.size() == 3 ? base::parse_i64(arguments[1]) : std::nullopt;
  if (!minutes) return 2;
  const auto scenario = read_scenario(arguments[2], files);
  if (!scenario) {
    std::printf("%s\n", scenario.error().message.c_str());
    return 1;
  }
  std::fputs(trace(*scenario, std::chrono::minutes(*minutes)).c_str(), stdout);
  return 0;
}

int run(std::vector<std::string> arguments) {
  const auto files = base::make_real_file_system();
  if (!arguments.empty() && arguments.front() == "--check") {
    arguments.erase(arguments.begin());
    return check(arguments, *files);
  }
  if (!arguments.empty() && arguments.front() == "--trace") return print_trace(arguments, *files);
  Totals totals;
  for (const std::string& path : arguments) run_path(path, *files, totals);
  std::printf("%zu files, %zu failed\n", totals.files, totals.failed);
  return totals.failed == 0 && totals.files > 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin::ruler

int main(int argc, char** argv) {
  return tocsin::ruler::run({argv + 1, argv + argc});
}
