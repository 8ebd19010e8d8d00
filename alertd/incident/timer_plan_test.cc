#include "alertd/incident/timer_plan.h"

#include <doctest/doctest.h>

namespace tocsin::incident {
namespace {

using base::wall_time;
using Numbers = std::vector<std::int64_t>;

TEST_CASE("timer plan: what is due, earliest first, until it is set anew") {
  TimerPlan plan;
  CHECK(!plan.next_due());
  plan.set(1, {wall_time(3000)});
  plan.set(2, {wall_time(1000)});
  plan.set(3, {wall_time(2000)});
  CHECK(plan.next_due() == wall_time(1000));
  CHECK(plan.due_at(wall_time(2000)) == Numbers{2, 3});
  plan.set(2, {wall_time(9000)});
  CHECK(plan.due_at(wall_time(2000)) == Numbers{3});
  plan.set(3, {});
  CHECK(plan.due_at(wall_time(2000)).empty());
  CHECK(plan.next_due() == wall_time(3000));
}

TEST_CASE("timer plan: who waits for whom") {
  TimerPlan plan;
  plan.set(5, {{}, 1});
  plan.set(4, {wall_time(1000), 1});
  plan.set(6, {{}, 2});
  CHECK(plan.held_for(1) == Numbers{4, 5});
  plan.set(4, {wall_time(1000)});
  CHECK(plan.held_for(1) == Numbers{5});
  CHECK(plan.due_at(wall_time(1000)) == Numbers{4});
  plan.set(5, {});
  CHECK(plan.held_for(1).empty());
  CHECK(plan.held_for(2) == Numbers{6});
}

}  // namespace
}  // namespace tocsin::incident
