// Executor on real threads, over Boost.Asio.
#pragma once

#include <memory>
#include <string>

#include "common/base/executor.h"

namespace boost::asio {
class io_context;
}

namespace tocsin::base {

/// `threads` threads that run tasks. With one thread, tasks never overlap: that is how a component
/// owns its state without a lock.
///
/// The destructor (or stop()) drops tasks that have not started and joins the threads.
class AsioExecutor final : public Executor {
 public:
  /// `name` is at most 15 characters and shows in `ps -L` and in the log.
  AsioExecutor(const Clock& clock, std::string name, unsigned threads);
  ~AsioExecutor() override;
  AsioExecutor(const AsioExecutor&) = delete;
  AsioExecutor& operator=(const AsioExecutor&) = delete;

  void post(Task task) override;
  TimerId post_at(MonotonicTime due, Task task) override;
  void cancel(TimerId timer) override;
  bool running_here() const override;
  const Clock& clock() const override;

  /// Stops after the running tasks; idempotent. Not from one of its own threads.
  void stop();

  /// As stop(), without waiting for the running tasks: the threads end after them, and what those
  /// tasks use must live that long. For a task that may hang; the object may be destroyed then.
  void abandon();

  /// For net/http_server.cc, which runs its coroutines on this executor's threads.
  boost::asio::io_context& io();

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< Also of the threads, which may outlive this object.
};

}  // namespace tocsin::base
