#include "agent/collectors/blocking/blocking_source.h"

#include <utility>

namespace tocsin::agent {

namespace {

/// The thread may need a moment beyond the reading's own deadline.
constexpr base::Duration kMargin{500};
constexpr base::Duration kReturns{5};

constexpr MetricInfo kFailed{"tocsin_agent_check_failed",
                             "1 for a check that fails; the log says why and what it needs."};

}  // namespace

void add_check_failed(MetricSink& sink, std::string_view server, std::string_view check,
                      const base::Error& error) {
  sink.add(kFailed, {{"server", server}, {"check", check}, {"reason", base::to_string(error.code)}},
           1);
}

BlockingSource::BlockingSource(std::string key, std::string thread, Reading reading, World world)
    : key_(std::move(key)),
      reading_(std::move(reading)),
      world_(world),
      worker_(world.clock, std::move(thread), std::make_shared<CallSignal>()) {}

void BlockingSource::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  const std::uint64_t number = ++number_;
  done_ = std::move(done);
  // A call whose answer is here already may need a moment to return.
  if (worker_.busy() && !worker_.wait(kReturns)) {
    give_up(number, "no answer: a call of an earlier round is still out");
    return;
  }
  timer_ = world_.executor.post_after(reading_.timeout + kMargin,
                                      [this, number, alive = std::weak_ptr<int>(alive_)] {
                                        if (!alive.expired())
                                          give_up(number, "no answer within the timeout");
                                      });
  worker_.start([this, number, read = reading_.read, alive = std::weak_ptr<int>(alive_),
                 &executor = world_.executor] {
    Fill fill = read();
    executor.post([this, number, fill = std::move(fill), alive] {
      if (!alive.expired()) answered(number, fill);
    });
  });
}

void BlockingSource::answered(std::uint64_t number, const Fill& fill) {
  if (number != number_ || !done_) return;  // given up before
  world_.executor.cancel(std::exchange(timer_, 0));
  std::exchange(done_, nullptr)(fill);
}

void BlockingSource::give_up(std::uint64_t number, const char* why) {
  if (number != number_ || !done_) return;
  world_.executor.cancel(std::exchange(timer_, 0));
  std::exchange(done_, nullptr)(reading_.down(base::error(base::ErrorCode::Timeout, why)));
}

}  // namespace tocsin::agent
