// `tocsin explain`: why a rule fires, or does not; see cli/explain.
#pragma once

#include "cli/backtest_command.h"

namespace tocsin::cli {

/// Returns kOk; kNegative if there is no such rule or the expression is wrong; kUnreachable;
/// kUsage.
int run_explain(const ExplainOptions& options, const CommandWorld& world);

}  // namespace tocsin::cli
