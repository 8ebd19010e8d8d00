// promql_conformance [--rules DIRECTORY] DIRECTORY: runs every *.test file, every line of *.tsv
// files for the parser and, with --rules, printing and parsing again of every expression in rule
// files.
//
// Prints passed and total by file, then the expected exceptions by name. Fails if something fails
// that is not among them, or if one of them passes. A directory that is not there is skipped with a
// message, because the reference suites are not part of this repository.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "common/base/file_system.h"
#include "tests/runners/promql/case_runner.h"
#include "tests/runners/promql/parser_cases.h"
#include "tests/runners/promql/rule_files.h"

namespace {

using namespace tocsin;
using promql_runner::Counts;

std::string read_file(const std::filesystem::path& path) {
  const auto files = base::make_real_file_system();
  const auto text = files->read(path.string(), std::size_t{16} << 20U);
  return text ? *text : "";
}

std::vector<std::filesystem::path> files_in(const std::string& directory,
                                            std::string_view extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().extension() == extension) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

class Run {
 public:
  void test_files(const std::string& directory) {
    for (const std::filesystem::path& path : files_in(directory, ".test")) {
      const std::string name = path.filename().string();
      files_run_.insert(name);
      const auto commands = promql_runner::parse_test_file(read_file(path));
      if (!commands) {
        fmt::print("{}: {}\n", name, commands.error().message);
        ++all_.failed;
        continue;
      }
      count(name, promql_runner::CaseRunner(name, exceptions_).run(*commands));
    }
    for (const std::filesystem::path& path : files_in(directory, ".tsv")) {
      const std::string name = path.filename().string();
      files_run_.insert(name);
      count(name, promql_runner::check_parser_cases(name, read_file(path), exceptions_));
    }
  }

  void rule_files(const std::string& directory) {
    Counts counts;
    for (const std::filesystem::path& path : files_in(directory, ".yml")) {
      const std::string name = path.filename().string();
      files_run_.insert(name);
      const Counts one = promql_runner::check_rule_file(name, read_file(path), exceptions_);
      counts.passed += one.passed;
      counts.excepted += one.excepted;
      counts.failed += one.failed;
    }
    count("expressions of rule files", counts);
  }

  /// Returns whether all is as expected.
  bool finish() const {
    const std::size_t unmet = exceptions_.report(files_run_);
    fmt::print("total: {} of {} passed, {} expected exceptions, {} failed\n", all_.passed,
               all_.total(), all_.excepted, all_.failed);
    return all_.failed == 0 && unmet == 0;
  }

 private:
  void count(const std::string& name, const Counts& counts) {
    fmt::print("{:32} {:5} of {:5} passed, {} expected exceptions, {} failed\n", name,
               counts.passed, counts.total(), counts.excepted, counts.failed);
    all_.passed += counts.passed;
    all_.excepted += counts.excepted;
    all_.failed += counts.failed;
  }

  promql_runner::ExceptionLog exceptions_;
  std::set<std::string, std::less<>> files_run_;
  Counts all_;
};

}  // namespace

int main(int argc, char** argv) {
  std::string directory;
  std::string rules;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--rules" && i + 1 < argc) {
      rules = argv[++i];
    } else {
      directory = arg;
    }
  }
  if (!std::filesystem::is_directory(directory)) {
    fmt::print("skipped: no directory '{}'\n", directory);
    return 0;
  }
  Run run;
  run.test_files(directory);
  if (std::filesystem::is_directory(rules)) run.rule_files(rules);
  return run.finish() ? 0 : 1;
}
