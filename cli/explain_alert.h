// `tocsin explain --labels`: why somebody was called about an alert, or nobody; see alertd/story.
#pragma once

#include "cli/backtest_command.h"

namespace tocsin::cli {

/// Prints the cause in the first line and the evidence below it.
/// Returns kOk; kNegative if there is no such incident or fingerprint; kUnreachable; kUsage.
int run_explain_alert(const ExplainOptions& options, const CommandWorld& world);

}  // namespace tocsin::cli
