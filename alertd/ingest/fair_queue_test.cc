#include "alertd/ingest/fair_queue.h"

#include <doctest/doctest.h>

#include <string>

namespace tocsin::ingest {
namespace {

void run(FairQueue& queue, int count) {
  for (int i = 0; i < count; ++i) {
    auto next = queue.pop();
    if (!next) break;
    next->second();
    queue.finished(next->first);
  }
}

TEST_CASE("a flood waits behind every small request") {
  FairQueue queue(1'000);
  const auto flood = queue.lane();
  const auto quiet = queue.lane();
  std::string order;
  for (int i = 0; i < 5; ++i) queue.push(flood, 1'000, [&] { order += 'F'; });
  run(queue, 1);
  queue.push(quiet, 10, [&] { order += 'q'; });
  queue.push(quiet, 10, [&] { order += 'q'; });
  run(queue, 10);
  CHECK(order == "FqqFFFF");
  CHECK(queue.waiting() == 0);
}

TEST_CASE("a pause earns no credit") {
  FairQueue queue(1'000);
  const auto busy = queue.lane();
  const auto late = queue.lane();
  std::string order;
  for (int i = 0; i < 4; ++i) queue.push(busy, 100, [&] { order += 'b'; });
  run(queue, 2);
  for (int i = 0; i < 4; ++i) queue.push(late, 100, [&] { order += 'l'; });
  run(queue, 10);
  CHECK(order == "bblblbll");
}

TEST_CASE("one task of a lane at a time, and none while much of it is in the store") {
  FairQueue queue(100);
  const auto lane = queue.lane();
  for (int i = 0; i < 3; ++i) queue.push(lane, 1, [] {});
  const auto first = queue.pop();
  REQUIRE(first);
  CHECK(!queue.pop());
  queue.opened(lane, 150);
  queue.finished(lane);
  CHECK(!queue.pop());
  CHECK(!queue.closed(lane, 20));  // still 130
  CHECK(queue.closed(lane, 130));
  REQUIRE(queue.pop());
  queue.finished(lane);
  CHECK(queue.waiting() == 1);
}

}  // namespace
}  // namespace tocsin::ingest
