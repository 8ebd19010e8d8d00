#include "common/base/asio_executor.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/base/check.h"
#include "common/base/mutex.h"

namespace tocsin::base {

namespace asio = boost::asio;

struct AsioExecutor::State {
  State(const Clock& clock_in, std::string name_in, unsigned thread_count)
      : clock(clock_in), name(std::move(name_in)), io(static_cast<int>(thread_count)) {}

  const Clock& clock;
  std::string name;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::vector<std::thread> threads;
  Mutex mutex;
  std::unordered_map<TimerId, std::unique_ptr<asio::steady_timer>> timers GUARDED_BY(mutex);
  TimerId last_timer GUARDED_BY(mutex) = 0;
};

AsioExecutor::AsioExecutor(const Clock& clock, std::string name, unsigned threads)
    : state_(std::make_shared<State>(clock, std::move(name), threads)) {
  TC_CHECK(threads > 0, "an executor needs a thread");
  for (unsigned i = 0; i < threads; ++i) {
    state_->threads.emplace_back([state = state_] {
      pthread_setname_np(pthread_self(), state->name.substr(0, 15).c_str());
      try {
        state->io.run();
      } catch (const std::exception& exception) {
        // An exception that reaches a thread's top is a bug: die loudly, the supervisor restarts
        // us.
        check_failed("task threw", __FILE__, __LINE__, state->name + ": " + exception.what());
      }
    });
  }
}

AsioExecutor::~AsioExecutor() {
  stop();
}

void AsioExecutor::stop() {
  state_->work.reset();
  state_->io.stop();
  for (std::thread& thread : state_->threads) {
    if (thread.joinable()) thread.join();
  }
}

void AsioExecutor::abandon() {
  state_->work.reset();
  state_->io.stop();
  for (std::thread& thread : state_->threads) {
    if (thread.joinable()) thread.detach();
  }
}

void AsioExecutor::post(Task task) {
  asio::post(state_->io, std::move(task));
}

TimerId AsioExecutor::post_at(MonotonicTime due, Task task) {
  State& state = *state_;
  MutexLock lock(state.mutex);
  const TimerId id = ++state.last_timer;
  auto timer = std::make_unique<asio::steady_timer>(state.io, due);
  timer->async_wait([&state, id, task = std::move(task)](const boost::system::error_code& error) {
    if (error) return;
    {
      MutexLock inner(state.mutex);
      if (state.timers.erase(id) == 0) return;  // cancelled after it had expired
    }
    task();
  });
  state.timers.emplace(id, std::move(timer));
  return id;
}

void AsioExecutor::cancel(TimerId timer) {
  MutexLock lock(state_->mutex);
  state_->timers.erase(timer);
}

bool AsioExecutor::running_here() const {
  return state_->io.get_executor().running_in_this_thread();
}

const Clock& AsioExecutor::clock() const {
  return state_->clock;
}

asio::io_context& AsioExecutor::io() {
  return state_->io;
}

}  // namespace tocsin::base
