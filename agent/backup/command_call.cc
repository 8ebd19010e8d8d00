#include "agent/backup/command_call.h"

#include <memory>
#include <optional>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"

namespace tocsin::agent {
namespace {

struct Answer {
  base::Mutex mutex;
  base::Condition came;
  std::optional<base::Result<base::CommandResult>> result;
};

}  // namespace

base::Result<base::CommandResult> call_command(base::CommandRunner& runner,
                                               const base::Clock& clock, base::Command command) {
  auto answer = std::make_shared<Answer>();
  base::AsioExecutor executor(clock, "command-answer", 1);
  runner.run(std::move(command), executor, [answer](base::Result<base::CommandResult> result) {
    const base::MutexLock lock(answer->mutex);
    answer->result = std::move(result);
    answer->came.notify_all();
  });
  // The runner answers always: at the latest at the command's time-out.
  const base::MutexLock lock(answer->mutex);
  answer->came.wait(answer->mutex, [&answer] { return answer->result.has_value(); });
  return std::move(*answer->result);
}

}  // namespace tocsin::agent
