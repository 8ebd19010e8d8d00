// tocsin test: rules are tested like code; the work is in cli/ruletest.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::cli {

struct TestOptions {
  enum class Format { Text, Json, Junit };

  std::vector<std::string> paths;      ///< Test files, and folders with everything below them.
  Format format = Format::Text;        ///< Text: findings to `err`, the summary to `out`.
  std::vector<std::string> run;        ///< Only tests whose name one of these expressions finds.
  bool ignore_unknown_fields = false;  ///< Unknown keys are warnings.
  bool diff = false;                   ///< A difference also has the lines that are as expected.
  bool coverage = false;               ///< Say which rules no test saw at work.
  std::optional<double> coverage_min;  ///< Percent; less fails. Means `coverage` too.
  bool color = false;
};

/// What the tests work with.
struct TestWorld {
  const base::FileSystem& files;
  const base::Clock& clock;  ///< For how long tests take.
  std::ostream& out;
  std::ostream& err;
};

/// Runs the tests. Returns 0 if all pass (and enough is covered), 1 if not, 2 if there is nothing
/// to test: a path that does not exist, no test; 64 if an expression of `run` cannot be read.
int run_tests(const TestOptions& options, const TestWorld& world);

}  // namespace tocsin::cli
