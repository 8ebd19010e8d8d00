// What is known not to pass, by name and with the reason; everything else must.
//
// The table is the whole truth: a failure that is not in it fails the run, and so does an entry
// that passes (then it is to be removed). Entries of files that are not in the directory are not
// looked at.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string_view>

namespace tocsin::promql_runner {

/// One case of a file that is expected not to pass.
struct Exception {
  std::string_view file;  ///< "histograms.give.test"
  std::string_view text;  ///< The query or the parser's input in full; of a rule file the problem.
  std::string_view reason;  ///< One line, printed with every run.
};

/// All of them.
std::span<const Exception> exceptions();

/// Keeps which exceptions were met during a run. One thread.
class ExceptionLog {
 public:
  /// Returns the exception of a case that did not pass, or null; remembers that it was met.
  const Exception* find(std::string_view file, std::string_view text);
  /// Prints each exception of the files that were run; returns how many of them were not met.
  std::size_t report(const std::set<std::string, std::less<>>& files_run) const;

 private:
  std::set<std::size_t> met_;
};

}  // namespace tocsin::promql_runner
