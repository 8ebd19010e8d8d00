#include <doctest/doctest.h>

#include "alertd/notify/pacing.h"

namespace tocsin::notify {
namespace {

using State = CircuitBreaker::State;
using std::chrono::seconds;

TEST_CASE("circuit breaker: closed, open, probed, closed") {
  const auto random = base::make_seeded_random(1);
  CircuitBreaker breaker(3);
  base::MonotonicTime now{};
  for (int i = 0; i < 2; ++i) CHECK_FALSE(breaker.failed(now, *random));
  breaker.answered();  // the failures were not in a row
  for (int i = 0; i < 2; ++i) CHECK_FALSE(breaker.failed(now, *random));
  CHECK(breaker.failed(now, *random));
  CHECK(breaker.state() == State::Open);
  CHECK_FALSE(breaker.allows(now));
  CHECK(breaker.probe_at() - now >= seconds(15));
  CHECK(breaker.probe_at() - now <= seconds(30));
  now = breaker.probe_at();
  CHECK(breaker.allows(now));
  breaker.began(now);
  CHECK(breaker.state() == State::HalfOpen);
  CHECK_FALSE(breaker.allows(now));           // one probe at a time
  CHECK_FALSE(breaker.failed(now, *random));  // it was open before
  CHECK(breaker.probe_at() - now >= seconds(30));
  CHECK(breaker.probe_at() - now <= seconds(60));
  now = breaker.probe_at();
  breaker.began(now);
  breaker.abandoned();
  CHECK(breaker.allows(now));
  breaker.began(now);
  breaker.answered();
  CHECK(breaker.closed());
  CHECK(breaker.failures() == 0);
}

TEST_CASE("circuit breaker: the wait has an upper bound, and 0 switches it off") {
  const auto random = base::make_seeded_random(1);
  CircuitBreaker breaker(1);
  base::MonotonicTime now{};
  for (int i = 0; i < 20; ++i) {
    breaker.failed(now, *random);
    CHECK(breaker.probe_at() - now <= kBreakerWaitMax);
    now = breaker.probe_at();
    breaker.began(now);
  }
  CircuitBreaker off(0);
  for (int i = 0; i < 100; ++i) CHECK_FALSE(off.failed(now, *random));
  CHECK(off.allows(now));
}

TEST_CASE("a rate of 0 is no limit") {
  TokenBucket bucket({0, 1, 0.3}, base::MonotonicTime{});
  for (int i = 0; i < 1000; ++i) CHECK(bucket.take(base::MonotonicTime{}, false));
  CHECK(bucket.wait(base::MonotonicTime{}, false) == base::Duration{0});
}

}  // namespace
}  // namespace tocsin::notify
