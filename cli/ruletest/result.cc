#include "cli/ruletest/result.h"

#include <algorithm>

namespace tocsin::ruletest {

bool FileResult::passed() const {
  return !base::has_errors(diagnostics) &&
         std::all_of(cases.begin(), cases.end(),
                     [](const CaseResult& result) { return result.passed(); });
}

}  // namespace tocsin::ruletest
