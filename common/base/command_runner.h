// Runs a program of this host: no shell, fixed arguments, bounded time and output.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/result.h"

namespace tocsin::base {

struct Command {
  std::vector<std::string> arguments;              ///< The first is the program's absolute path.
  std::map<std::string, std::string> environment;  ///< All there is; nothing is inherited.
  std::string input;                               ///< Its standard input.
  Duration timeout{10'000};
  std::size_t output_bytes_max =
      4096;  ///< Of standard output and error together; the rest is lost.
};

struct CommandResult {
  int exit_status = 0;  ///< 0 to 255; meaningless with a signal.
  int signal = 0;       ///< That ended it; 0: it ended by itself.
  bool timed_out = false;
  std::string output;  ///< The beginning.
};

using CommandDone = std::function<void(Result<CommandResult>)>;

/// Thread: run() from any.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  /// Starts the program in a process group of its own, in the folder "/"; at the time-out the group
  /// is killed, and what is left of it when the program ends. `done` is posted to `reply_on`.
  /// Errors in `done`: InvalidArgument (no absolute path, NUL byte), NotFound, PermissionDenied,
  /// Unavailable (cannot start; too many wait), Cancelled (runner destroyed).
  virtual void run(Command command, Executor& reply_on, CommandDone done) = 0;
};

/// `threads` bounds the programs that run at once; at most `queue_max` wait.
std::unique_ptr<CommandRunner> make_command_runner(const Clock& clock, unsigned threads,
                                                   std::size_t queue_max);

}  // namespace tocsin::base
