#include "common/base/command_runner.h"

#include <doctest/doctest.h>

#include <future>

#include "common/base/asio_executor.h"
#include "common/base/clock.h"

namespace tocsin::base {
namespace {

Result<CommandResult> run(Command command) {
  const RealClock clock;
  AsioExecutor executor(clock, "test", 1);
  const auto runner = make_command_runner(clock, 1, 4);
  std::promise<Result<CommandResult>> promise;
  auto future = promise.get_future();
  runner->run(std::move(command), executor,
              [&](Result<CommandResult> result) { promise.set_value(std::move(result)); });
  return future.get();
}

Command shell(const std::string& script) {
  Command command;
  command.arguments = {"/bin/sh", "-c", script};
  return command;
}

TEST_CASE("a command gets its input and only its environment, and answers with output and status") {
  Command command = shell("cat; echo; echo \"[$SECRET][$KEY]\"; pwd >&2; exit 7");
  command.input = "{\"a\":1}";
  command.environment = {{"KEY", "k"}};
  const auto result = run(command);
  REQUIRE(result);
  CHECK(result->exit_status == 7);
  CHECK(result->output == "{\"a\":1}\n[][k]\n/\n");
  CHECK_FALSE(result->timed_out);
}

TEST_CASE("a command that hangs is killed with its children") {
  Command command = shell("sleep 100 & echo $!; wait");
  command.timeout = Duration{300};
  const auto result = run(command);
  REQUIRE(result);
  CHECK(result->timed_out);
  CHECK(result->signal == 9);
  const std::string child = result->output.substr(0, result->output.find('\n'));
  // Its parent's group was killed: nobody of that number runs any more (a zombie may be left).
  const auto looked =
      run(shell("test ! -e /proc/" + child + " || grep -q '^State:.Z' /proc/" + child + "/status"));
  REQUIRE(looked);
  CHECK(looked->exit_status == 0);
}

TEST_CASE("a child that outlives the command holds nobody up") {
  Command command = shell("sleep 100 & exit 0");
  command.timeout = Duration{60'000};
  const auto result = run(command);
  REQUIRE(result);
  CHECK(result->exit_status == 0);
  CHECK_FALSE(result->timed_out);
}

TEST_CASE("output is cut, large input is not a deadlock") {
  Command command = shell("head -c 1000000 /dev/zero | tr '\\0' x");
  command.input = std::string(3 << 20, 'y');
  command.output_bytes_max = 100;
  const auto result = run(command);
  REQUIRE(result);
  CHECK(result->exit_status == 0);
  CHECK(result->output == std::string(100, 'x'));
}

TEST_CASE("what cannot be started says why") {
  Command command;
  CHECK(run(command).error().code == ErrorCode::InvalidArgument);
  command.arguments = {"true"};
  CHECK(run(command).error().code == ErrorCode::InvalidArgument);
  command.arguments = {"/nonexistent/program"};
  CHECK(run(command).error().code == ErrorCode::NotFound);
  command.arguments = {"/etc/passwd"};
  CHECK(run(command).error().code == ErrorCode::PermissionDenied);
}

}  // namespace
}  // namespace tocsin::base
