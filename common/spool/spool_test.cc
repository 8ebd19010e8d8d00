#include "common/spool/spool.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/base/sim_executor.h"
#include "common/spool/memory_files.h"

using namespace tocsin;
using namespace tocsin::spool;
using namespace std::chrono_literals;

namespace {

struct World {
  MemoryFiles files;
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::Metrics metrics;

  SpoolOptions options() {
    SpoolOptions options;
    options.folder = "/spool";
    options.bytes_max = 64 << 10;
    options.segment_bytes = 4096;
    return options;
  }
  std::unique_ptr<Spool> open() { return open(options()); }
  std::unique_ptr<Spool> open(const SpoolOptions& with) {
    return std::make_unique<Spool>(with, Spool::World{files, clock, metrics});
  }
  double dropped(const std::string& reason) {
    return metrics.counter("tocsin_agent_samples_dropped_total", "", {{"reason", reason}}).value();
  }
  std::size_t segments() const {
    std::size_t count = 0;
    for (const auto& [path, file] : files.files) count += path.ends_with(".seg") ? 1 : 0;
    return count;
  }
  std::string segment(std::size_t index) const {
    for (const auto& [path, file] : files.files) {
      if (path.ends_with(".seg") && index-- == 0) return path;
    }
    return {};
  }
};

std::string payload(int number, std::size_t size = 1000) {
  std::string text = fmt::format("batch {} ", number);
  text.resize(size, '.');
  return text;
}

void fill(Spool& spool, int from, int to) {
  for (int number = from; number < to; ++number) spool.append(payload(number), 10);
}

// Takes everything out, acknowledging as it goes; returns the payloads in order.
std::vector<std::string> drain(Spool& spool) {
  std::vector<std::string> payloads;
  for (;;) {
    const auto records = spool.peek(25, 100);
    if (records.empty()) return payloads;
    for (const SpoolRecord& record : records) payloads.push_back(record.payload);
    spool.acknowledge(records.front().sequence, records.back().sequence);
  }
}

void check_is(const std::vector<std::string>& payloads, int from, int to) {
  REQUIRE(payloads.size() == static_cast<std::size_t>(to - from));
  for (int number = from; number < to; ++number) {
    CHECK(payloads[static_cast<std::size_t>(number - from)] == payload(number));
  }
}

}  // namespace

TEST_CASE("first in, first out, in bites of the samples asked for") {
  World world;
  auto spool = world.open();
  CHECK(spool->peek(1000, 10).empty());
  fill(*spool, 0, 5);
  CHECK(spool->peek(25, 10).size() == 2);  // 10 + 10 <= 25 < 30
  CHECK(spool->peek(5, 10).size() == 1);   // At least one, even if it is larger.
  CHECK(spool->peek(1000, 3).size() == 3);
  check_is(drain(*spool), 0, 5);
  CHECK(spool->empty());
}

TEST_CASE("kill -9 loses nothing and repeats nothing that was acknowledged") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 20);
  const auto taken = spool->peek(70, 10);
  REQUIRE(taken.size() == 7);
  spool->acknowledge(taken.front().sequence, taken.back().sequence);
  spool = world.open();  // No destructor of ours writes anything: this is what kill -9 leaves.
  CHECK(spool->records() == 13);
  check_is(drain(*spool), 7, 20);
  spool = world.open();
  CHECK(spool->empty());
  fill(*spool, 20, 22);
  check_is(drain(*spool), 20, 22);
}

TEST_CASE("with a prompt receiver the disk use stays at one segment, without any sync of it") {
  World world;
  auto spool = world.open();
  for (int number = 0; number < 500; ++number) {
    fill(*spool, number, number + 1);
    check_is(drain(*spool), number, number + 1);
    spool->maintain();
  }
  CHECK(world.segments() <= 1);
  CHECK(spool->disk_bytes() < 6000);
  CHECK(spool->disk_bytes() ==
        (world.segments() == 0 ? 0 : world.files.files[world.segment(0)].bytes.size()));
}

TEST_CASE("a torn tail is cut off and counted; everything before it is kept") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 3);
  std::string& bytes = world.files.files[world.segment(0)].bytes;
  bytes.resize(bytes.size() - 100);
  spool = world.open();
  check_is(drain(*spool), 0, 2);
  // 1032 bytes of the record less the 100 that never arrived.
  CHECK(world.metrics.counter("tocsin_agent_spool_lost_bytes_total", "", {{"reason", "torn_tail"}})
            .value() == 932);
}

TEST_CASE("damage in the middle costs the rest of that segment only, and is put aside") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 12);  // Four records of 1032 bytes reach 4096: segments 0..3, 4..7, 8..11.
  REQUIRE(world.segments() == 3);
  world.files.files[world.segment(1)].bytes[16 + 1032 + 500] ^= 1;  // In batch 5.
  spool = world.open();
  const auto payloads = drain(*spool);
  REQUIRE(payloads.size() == 9);
  CHECK(payloads[4] == payload(4));
  CHECK(payloads[5] == payload(8));
  std::size_t put_aside = 0;
  for (const auto& [path, file] : world.files.files)
    put_aside += path.starts_with("/spool/damaged/");
  CHECK(put_aside == 1);
  CHECK(world.metrics.counter("tocsin_agent_spool_lost_bytes_total", "", {{"reason", "damaged"}})
            .value() == 3 * 1032);
}

TEST_CASE("damage that happens while running is counted in samples") {
  World world;
  auto options = world.options();
  options.cache_bytes = 0;
  auto spool = world.open(options);
  fill(*spool, 0, 12);
  world.files.files[world.segment(1)].bytes[16 + 1032 + 500] ^= 1;
  CHECK(drain(*spool).size() == 9);
  CHECK(world.dropped("damaged") == 30);
  CHECK(spool->empty());
}

TEST_CASE("a segment that vanished is dropped and counted, not a crash") {
  World world;
  auto options = world.options();
  options.cache_bytes = 0;
  auto spool = world.open(options);
  fill(*spool, 0, 12);
  world.files.files.erase(world.segment(0));
  check_is(drain(*spool), 4, 12);
  CHECK(world.dropped("damaged") == 40);
}

TEST_CASE("a position beyond everything that is left goes on after it") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 8);
  drain(*spool);
  world.files.files.erase(world.segment(0));
  spool = world.open();
  CHECK(spool->empty());
  fill(*spool, 8, 10);
  spool = world.open();
  check_is(drain(*spool), 8, 10);
}

TEST_CASE("an odd or damaged position file costs repeats, never batches") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 3);
  const auto taken = spool->peek(10, 1);
  spool->acknowledge(taken.front().sequence, taken.back().sequence);
  SUBCASE("cut") {
    world.files.files["/spool/acknowledged"].bytes.resize(7);
  }
  SUBCASE("damaged") {
    world.files.files["/spool/acknowledged"].bytes[3] ^= 1;
  }
  SUBCASE("missing") {
    world.files.files.erase("/spool/acknowledged");
  }
  SUBCASE("with rubbish behind") {
    world.files.files["/spool/acknowledged"].bytes += "rubbish that is no entry";
    spool = world.open();
    check_is(drain(*spool), 1, 3);
    return;
  }
  spool = world.open();
  check_is(drain(*spool), 0, 3);
}

TEST_CASE("full: the oldest goes first, and is counted") {
  World world;
  auto options = world.options();
  options.bytes_max = 20'000;
  options.segment_bytes = 4096;
  auto spool = world.open(options);
  fill(*spool, 0, 100);
  CHECK(spool->disk_bytes() <= 20'000);
  const auto payloads = drain(*spool);
  CHECK(payloads.size() >= 12);  // 20000 / 1032 = 19, less one segment of four and its header.
  CHECK(payloads.back() == payload(99));
  CHECK(world.dropped("spool_full") == 10.0 * static_cast<double>(100 - payloads.size()));
}

TEST_CASE("too old: dropped and counted; a clock that jumps does not age anything") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 2);
  world.clock.advance(23h);
  world.clock.step_wall(48h);
  fill(*spool, 2, 3);
  CHECK(spool->peek(1000, 10).size() == 3);
  world.clock.advance(2h);
  spool->maintain();
  check_is(drain(*spool), 2, 3);
  CHECK(world.dropped("too_old") == 20);
}

TEST_CASE("power cut: what was synced stays; unsynced is at most the last interval") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 2);
  world.clock.advance(6s);
  spool->maintain();
  fill(*spool, 2, 3);
  world.files.power_cut();
  spool = world.open();
  check_is(drain(*spool), 0, 2);
}

TEST_CASE("flush makes everything survive a power cut") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 3);
  const auto taken = spool->peek(10, 1);
  spool->acknowledge(taken.front().sequence, taken.back().sequence);
  spool->flush();
  world.files.power_cut();
  spool = world.open();
  check_is(drain(*spool), 1, 3);
}

TEST_CASE("disk full: goes on in memory within its bound, returns to the disk in order") {
  World world;
  auto options = world.options();
  options.memory_bytes_max = 10'000;
  auto spool = world.open(options);
  fill(*spool, 0, 3);
  world.files.fail_in = 0;
  fill(*spool, 3, 8);
  CHECK(spool->degraded());
  CHECK(spool->records() == 8);
  SUBCASE("nothing lost while memory lasts") {
    world.files.fail_in = -1;
    world.clock.advance(11s);
    spool->maintain();
    CHECK_FALSE(spool->degraded());
    spool = world.open(options);  // kill -9: what was in memory is on the disk again.
    check_is(drain(*spool), 0, 8);
  }
  SUBCASE("delivers from memory while the disk is full") {
    check_is(drain(*spool), 0, 8);
    CHECK(world.dropped("memory_full") == 0);
  }
  SUBCASE("over the bound the oldest in memory goes; what the disk holds is kept") {
    fill(*spool, 8, 30);
    const auto payloads = drain(*spool);
    REQUIRE(payloads.size() >= 10);
    CHECK(payloads[0] == payload(0));
    CHECK(payloads[2] == payload(2));
    CHECK(payloads.back() == payload(29));
    CHECK(world.dropped("memory_full") == 10.0 * static_cast<double>(30 - payloads.size()));
  }
}

TEST_CASE("without a folder at the start it works from memory and finds the old batches later") {
  World world;
  auto spool = world.open();
  fill(*spool, 0, 2);
  world.files.fail_in = 0;
  spool = world.open();
  CHECK(spool->degraded());
  fill(*spool, 2, 4);
  const auto in_flight = spool->peek(1000, 10);
  REQUIRE(in_flight.size() == 2);
  world.files.fail_in = -1;
  world.clock.advance(11s);
  spool->maintain();
  CHECK_FALSE(spool->degraded());
  // The answer to what was sent before must not forget the older batches that turned up.
  spool->acknowledge(in_flight.front().sequence, in_flight.back().sequence);
  check_is(drain(*spool), 0, 4);
}

TEST_CASE("the N-th operation fails, for every N: nothing is lost, repeated or out of order") {
  for (long n = 0;; ++n) {
    World world;
    world.files.fail_in = n;
    world.files.fail_count = 1;
    auto spool = world.open();
    std::vector<std::string> seen;
    for (int number = 0; number < 15; ++number) {
      fill(*spool, number, number + 1);
      if (number % 4 == 3) {
        const auto records = spool->peek(20, 2);
        for (const SpoolRecord& record : records) seen.push_back(record.payload);
        spool->acknowledge(records.front().sequence, records.back().sequence);
      }
      world.clock.advance(6s);
      spool->maintain();
    }
    for (std::string& rest : drain(*spool)) seen.push_back(std::move(rest));
    CAPTURE(n);
    check_is(seen, 0, 15);
    if (world.files.fail_count == 1) break;  // The failure never came: every N is done.
  }
}

TEST_CASE(
    "kill -9 after the N-th operation, for every N: every batch of before is still there once") {
  for (long n = 0;; ++n) {
    World world;
    world.files.fail_in = n;  // From there on nothing reaches the disk: as good as dead.
    std::size_t appended_on_disk = 0;
    {
      auto spool = world.open();
      for (int number = 0; number < 9; ++number) {
        fill(*spool, number, number + 1);
        if (!spool->degraded()) ++appended_on_disk;
      }
    }
    const bool died = world.files.fail_in == 0;
    world.files.fail_in = -1;
    auto spool = world.open();
    CAPTURE(n);
    check_is(drain(*spool), 0, static_cast<int>(appended_on_disk));
    if (!died) break;
  }
}
