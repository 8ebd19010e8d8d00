// `tocsin backtest`: what rules would have done over the past; see cli/backtest.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>

#include "cli/api_client.h"
#include "cli/table.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::cli {

/// What a command that asks more than one server works with. All of it outlives the call.
struct CommandWorld {
  const GlobalOptions& global;
  const base::Clock& clock;
  const base::FileSystem& files;
  Terminal terminal;
  bool err_is_terminal = false;
  std::ostream& out;
  std::ostream& err;
  /// Makes a client of a server; errors as make_api_client().
  std::function<base::Result<std::unique_ptr<ApiClient>>(const GlobalOptions&)> connect;
};

/// Returns kOk; kNegative if rule files have errors or a rule could not be evaluated; kUnreachable;
/// kUsage.
int run_backtest(const BacktestOptions& options, const CommandWorld& world);

}  // namespace tocsin::cli
