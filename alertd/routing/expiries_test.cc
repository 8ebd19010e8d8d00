#include "alertd/routing/expiries.h"

#include <doctest/doctest.h>

namespace tocsin::routing {
namespace {

base::WallTime at(int seconds) {
  return base::wall_time(seconds * 1'000);
}

struct World {
  AlertTable alerts;
  Expiries expiries{alerts};

  void fire(Fingerprint fingerprint, int until) {
    AlertEntry& entry = alerts[fingerprint];
    entry.fingerprint = fingerprint;
    entry.resolved = false;
    entry.expires_at = at(until);
    expiries.set(entry);
  }
  Fingerprint take_over(int now) {
    const AlertEntry* entry = expiries.take_over(at(now));
    return entry ? entry->fingerprint : 0;
  }
};

TEST_CASE("expiries: the last word counts, sooner or later") {
  World world;
  world.fire(1, 60);
  world.fire(2, 60);
  world.fire(3, 60);
  world.fire(1, 90);  // sent again
  world.fire(3, 30);  // its end was announced
  CHECK(world.expiries.next() == at(30));
  CHECK(world.take_over(29) == 0);
  CHECK(world.take_over(60) == 3);
  world.alerts[3].resolved = true;
  CHECK(world.take_over(60) == 2);
  CHECK(world.take_over(60) == 0);
  CHECK(world.expiries.next() == at(90));
  CHECK(world.take_over(90) == 1);
  CHECK(!world.expiries.next());
}

TEST_CASE("expiries: what is resolved or gone does not time out, what comes again does once") {
  World world;
  world.fire(1, 60);
  world.fire(2, 70);
  world.alerts[1].resolved = true;
  world.alerts.erase(2);
  world.expiries.settle();
  CHECK(!world.expiries.next());
  world.fire(1, 60);
  world.fire(3, 80);
  world.alerts.erase(3);
  world.fire(3, 80);
  CHECK(world.take_over(100) == 1);
  CHECK(world.take_over(100) == 3);
  CHECK(world.take_over(100) == 0);
}

TEST_CASE("expiries: alerts that come and go with a far end leave little behind") {
  World world;
  for (int i = 0; i < 100'000; ++i) {
    world.fire(1, 1'000'000 + i);
    world.alerts.erase(1);
  }
  CHECK(world.expiries.size() < 2'000);
  world.fire(1, 60);
  CHECK(world.take_over(60) == 1);
}

}  // namespace
}  // namespace tocsin::routing
