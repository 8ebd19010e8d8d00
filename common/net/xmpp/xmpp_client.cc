#include "common/net/xmpp/xmpp_client.h"

#include <fmt/core.h>

#include <atomic>
#include <deque>
#include <optional>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/net/xmpp/xmpp_session.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kQueueMax = 100;
constexpr base::Duration kLinger{300'000};
constexpr unsigned long kIdleTurnMs = 100;

struct Job {
  XmppMessage message;
  base::MonotonicTime deadline;
  base::Executor* reply_on = nullptr;
  XmppDone done;
};

class LiveXmppClient final : public XmppClient {
 public:
  LiveXmppClient(const base::Clock& clock, XmppAccount account)
      : clock_(clock), account_(std::move(account)), executor_(clock, "xmpp", 1) {
    xmpp_initialize();
  }

  ~LiveXmppClient() override {
    stopping_ = true;
    executor_.stop();
    for (Job& job : jobs_) reply(job, base::error(base::ErrorCode::Cancelled, "stopped"));
  }

  void send(XmppMessage message, base::Duration timeout, base::Executor& reply_on,
            XmppDone done) override {
    Job job{std::move(message), clock_.monotonic() + timeout, &reply_on, std::move(done)};
    bool full = false;
    bool begin = false;
    {
      base::MutexLock lock(mutex_);
      full = jobs_.size() >= kQueueMax;
      if (!full) {
        jobs_.push_back(std::move(job));
        begin = !running_;
        running_ = true;
      }
    }
    if (full) {
      reply(job,
            base::error(base::ErrorCode::Unavailable,
                        fmt::format("{} messages wait for the XMPP server already", kQueueMax)));
    } else if (begin) {
      executor_.post([this] { run(); });
    }
  }

 private:
  static void reply(const Job& job, base::Result<XmppOutcome> result) {
    job.reply_on->post([done = job.done, result = std::move(result)] { done(result); });
  }

  // Works through the queue; then stays logged in for a while.
  void run() {
    base::MonotonicTime last = clock_.monotonic();
    while (!stopping_) {
      if (std::optional<Job> job = take()) {
        reply(*job, perform(*job));
        last = clock_.monotonic();
      } else if (session_ && session_->alive() && clock_.monotonic() < last + kLinger) {
        session_->turn(kIdleTurnMs);
      } else if (leave()) {
        break;
      }
    }
    session_.reset();
  }

  std::optional<Job> take() {
    base::MutexLock lock(mutex_);
    if (jobs_.empty()) return std::nullopt;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

  bool leave() {
    base::MutexLock lock(mutex_);
    running_ = !jobs_.empty();
    return !running_;
  }

  base::Result<XmppOutcome> perform(const Job& job) {
    deadline_ = job.deadline;
    if (!session_ || !session_->alive()) {
      session_.reset();
      session_ = std::make_unique<XmppSession>(
          account_, [this] { return stopping_.load() || clock_.monotonic() >= deadline_; });
      TC_TRY(XmppOutcome logged_in, session_->log_in());
      if (!logged_in.delivered) return logged_in;
    }
    auto result = session_->deliver(job.message);
    if (!result) session_.reset();  // a silent connection is not used again
    if (!result && stopping_) return base::error(base::ErrorCode::Cancelled, "stopped");
    return result;
  }

  const base::Clock& clock_;
  const XmppAccount account_;
  std::atomic<bool> stopping_ = false;
  base::Mutex mutex_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
  base::MonotonicTime deadline_{};  // from here on: the client's own thread
  std::unique_ptr<XmppSession> session_;
  base::AsioExecutor executor_;
};

}  // namespace

std::unique_ptr<XmppClient> make_xmpp_client(const base::Clock& clock, XmppAccount account) {
  return std::make_unique<LiveXmppClient>(clock, std::move(account));
}

}  // namespace tocsin::net
