// A call that hangs while its owner goes: a configuration that is read again, in the agent.
#include "agent/collectors/blocking/hanging_call.h"

#include <doctest/doctest.h>

#include <future>

#include "common/base/file_system.h"

namespace tocsin::agent {
namespace {

/// How many threads of this program are called `name`.
std::size_t threads_called(const std::string& name) {
  const auto files = base::make_real_file_system();
  const auto tasks = files->list("/proc/self/task");
  REQUIRE(tasks);
  std::size_t count = 0;
  for (const std::string& task : *tasks) {
    const auto text = files->read("/proc/self/task/" + task + "/comm", 64);
    if (text && *text == name + "\n") ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a call left behind ends its thread when it returns, and frees what it held") {
  const base::RealClock clock;
  std::promise<void> opener;
  std::shared_future<void> open = opener.get_future().share();
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> is_held = held;
  const auto signal = std::make_shared<CallSignal>();
  for (int reload = 0; reload < 3; ++reload) {
    HangingCallWorker worker(clock, "left-behind", signal);
    const auto began = std::make_shared<std::promise<void>>();
    worker.start([open, held, began] {
      began->set_value();
      open.wait();
    });
    began->get_future().wait();
    CHECK_FALSE(worker.wait(base::Duration{1}));
  }
  held.reset();
  CHECK(threads_called("left-behind") == 3);
  opener.set_value();
  const base::MonotonicTime until = clock.monotonic() + base::Duration{10'000};
  while (threads_called("left-behind") > 0 && clock.monotonic() < until) {
    HangingCallWorker(clock, "pause", signal).start([] {});  // gives the others the processor
  }
  CHECK(threads_called("left-behind") == 0);
  CHECK(is_held.expired());
}

}  // namespace tocsin::agent
