#include "agent/collectors/host/statfs_pool.h"

#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <utility>

namespace tocsin::agent {
namespace {

// A healthy mount answers in microseconds; after this the next one is asked without waiting longer.
constexpr base::Duration kPatience{20};

// Remote file systems may use up the time, so they come last.
std::vector<std::size_t> local_first(std::span<const StatfsPool::Request> requests) {
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t i) { return !requests[i].remote; });
  return order;
}

}  // namespace

struct StatfsPool::Worker {
  Worker(const base::Clock& clock, const std::shared_ptr<CallSignal>& signal)
      : calls(clock, "statfs", signal) {}

  HangingCallWorker calls;
  std::string path;                    // of the running or last call
  std::shared_ptr<StatfsReply> reply;  // written by the call
};

StatfsReply real_statfs(const std::string& path) {
  StatfsReply reply;
  struct statfs raw {};
  int status = 0;
  do {
    status = ::statfs(path.c_str(), &raw);
  } while (status != 0 && errno == EINTR);
  if (status != 0) {
    reply.error = errno;
    return reply;
  }
  const auto block = static_cast<double>(raw.f_bsize);
  reply.usage = {static_cast<double>(raw.f_blocks) * block,
                 static_cast<double>(raw.f_bfree) * block,
                 static_cast<double>(raw.f_bavail) * block, static_cast<double>(raw.f_files),
                 static_cast<double>(raw.f_ffree)};
  return reply;
}

StatfsPool::StatfsPool(const base::Clock& clock, StatfsFunction statfs, base::Duration deadline)
    : clock_(clock), statfs_(std::move(statfs)), deadline_(deadline) {}

StatfsPool::~StatfsPool() = default;

std::vector<StatfsPool::Answer> StatfsPool::ask(std::span<const Request> requests) {
  const base::MonotonicTime started = clock_.monotonic();
  std::vector<Answer> answers(requests.size());
  // Asked in this round, and not answered at once.
  std::vector<std::pair<Worker*, std::size_t>> pending;
  const auto take = [&](const Worker& worker, std::size_t index) {
    const StatfsReply& reply = *worker.reply;
    answers[index] = {reply.error == 0 ? Outcome::Answered : Outcome::Failed, reply};
  };
  // Takes late answers before their workers are given something else.
  const auto harvest = [&] {
    std::erase_if(pending, [&](const auto& entry) {
      if (entry.first->calls.busy()) return false;
      take(*entry.first, entry.second);
      return true;
    });
  };

  for (const std::size_t i : local_first(requests)) {
    if (worker_on(requests[i].path) != nullptr) {
      answers[i].outcome = Outcome::Stuck;
      continue;
    }
    harvest();
    Worker* worker = free_worker(requests[i].remote);
    if (worker == nullptr && !pending.empty()) {
      // All are taken, some of them by this round: one may come back in time.
      static_cast<void>(pending.front().first->calls.wait(left(started)));
      harvest();
      worker = free_worker(requests[i].remote);
    }
    if (worker == nullptr) continue;  // Refused
    start(*worker, requests[i]);
    pending.emplace_back(worker, i);
    static_cast<void>(worker->calls.wait(std::min(kPatience, left(started))));
  }
  for (const auto& [worker, index] : pending) {
    if (worker->calls.wait(left(started))) {
      take(*worker, index);
    } else {
      answers[index].outcome = Outcome::Stuck;
    }
  }
  trim();
  return answers;
}

StatfsPool::Worker* StatfsPool::free_worker(bool remote) {
  const std::size_t limit = remote ? kWorkersMax - 1 : kWorkersMax;
  if (busy_workers() >= limit) return nullptr;
  for (const auto& worker : workers_) {
    if (!worker->calls.busy()) return worker.get();
  }
  workers_.push_back(std::make_unique<Worker>(clock_, signal_));
  return workers_.back().get();
}

StatfsPool::Worker* StatfsPool::worker_on(const std::string& path) {
  for (const auto& worker : workers_) {
    if (worker->path == path && worker->calls.busy()) return worker.get();
  }
  return nullptr;
}

std::size_t StatfsPool::busy_workers() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](const auto& worker) { return worker->calls.busy(); }));
}

base::Duration StatfsPool::left(base::MonotonicTime started) const {
  const auto used = std::chrono::duration_cast<base::Duration>(clock_.monotonic() - started);
  return std::max(base::Duration{0}, deadline_ - used);
}

void StatfsPool::start(Worker& worker, const Request& request) {
  worker.path = request.path;
  worker.reply = std::make_shared<StatfsReply>();
  worker.calls.start(
      [statfs = statfs_, path = request.path, reply = worker.reply] { *reply = statfs(path); });
}

// Keeps one idle worker for the next round.
void StatfsPool::trim() {
  bool kept = false;
  std::erase_if(workers_, [&](const auto& worker) {
    if (worker->calls.busy()) return false;
    return std::exchange(kept, true);
  });
}

}  // namespace tocsin::agent
