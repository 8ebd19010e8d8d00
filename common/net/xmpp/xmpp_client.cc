#include "common/net/xmpp/xmpp_client.h"

#include <atomic>
#include <optional>

#include "common/base/asio_executor.h"
#include "common/net/xmpp/xmpp_session.h"

namespace tocsin::net {
namespace {

constexpr base::Duration kLinger{300'000};
constexpr unsigned long kIdleTurnMs = 100;

using Job = TalkJob<XmppMessage>;

class LiveXmppClient final : public XmppClient {
 public:
  LiveXmppClient(const base::Clock& clock, XmppAccount account)
      : clock_(clock), account_(std::move(account)), executor_(clock, "xmpp", 1) {
    xmpp_initialize();
  }

  ~LiveXmppClient() override {
    stopping_ = true;
    executor_.stop();
    queue_.cancel();
  }

  void send(XmppMessage message, base::Duration timeout, base::Executor& reply_on,
            TalkDone done) override {
    Job job{std::move(message), clock_.monotonic() + timeout, &reply_on, std::move(done)};
    if (queue_.push(std::move(job)) == TalkQueue<XmppMessage>::Pushed::Begin) {
      executor_.post([this] { run(); });
    }
  }

 private:
  // Works through the queue; then stays logged in for a while.
  void run() {
    base::MonotonicTime last = clock_.monotonic();
    while (!stopping_) {
      if (const std::optional<Job> job = queue_.take()) {
        job->reply(perform(*job));
        last = clock_.monotonic();
      } else if (session_ && session_->alive() && clock_.monotonic() < last + kLinger) {
        session_->turn(kIdleTurnMs);
      } else if (queue_.leave()) {
        break;
      }
    }
    session_.reset();
  }

  base::Result<TalkOutcome> perform(const Job& job) {
    deadline_ = job.deadline;
    if (!session_ || !session_->alive()) {
      session_.reset();
      session_ = std::make_unique<XmppSession>(
          account_, [this] { return stopping_.load() || clock_.monotonic() >= deadline_; });
      TC_TRY(TalkOutcome logged_in, session_->log_in());
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
  TalkQueue<XmppMessage> queue_{"XMPP"};
  base::MonotonicTime deadline_{};  // from here on: the client's own thread
  std::unique_ptr<XmppSession> session_;
  base::AsioExecutor executor_;
};

}  // namespace

std::unique_ptr<XmppClient> make_xmpp_client(const base::Clock& clock, XmppAccount account) {
  return std::make_unique<LiveXmppClient>(clock, std::move(account));
}

}  // namespace tocsin::net
