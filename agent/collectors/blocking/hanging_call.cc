#include "agent/collectors/blocking/hanging_call.h"

#include "common/base/asio_executor.h"
#include "common/base/check.h"

namespace tocsin::agent {

HangingCallWorker::HangingCallWorker(const base::Clock& clock, std::string thread_name,
                                     std::shared_ptr<CallSignal> signal)
    : signal_(std::move(signal)),
      state_(std::make_shared<State>()),
      executor_(std::make_unique<base::AsioExecutor>(clock, std::move(thread_name), 1)) {}

HangingCallWorker::~HangingCallWorker() {
  if (busy()) executor_->abandon();  // see the class comment
}

void HangingCallWorker::start(std::function<void()> call) {
  TC_CHECK(!busy(), "the last call has not returned");
  {
    base::MutexLock lock(signal_->mutex);
    state_->busy = true;
  }
  executor_->post([call = std::move(call), state = state_, signal = signal_] {
    call();
    base::MutexLock lock(signal->mutex);
    state->busy = false;
    signal->returned.notify_all();
  });
}

bool HangingCallWorker::busy() const {
  base::MutexLock lock(signal_->mutex);
  return state_->busy;
}

bool HangingCallWorker::wait(base::Duration duration) {
  base::MutexLock lock(signal_->mutex);
  return signal_->returned.wait_for(signal_->mutex, duration, [this] { return !state_->busy; });
}

}  // namespace tocsin::agent
