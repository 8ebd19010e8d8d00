// Files are real ones in a temporary folder: what is tested is what the kernel does to names.
#include "agent/collectors/logs/tail.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>

#include "agent/collectors/logs/log_state.h"
#include "common/base/sim_executor.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

namespace fs = std::filesystem;

struct TailBench {
  TailBench() { options.patterns = {path("a.log")}; }

  std::string path(const std::string& name) const { return folder.file(name); }
  void append(const std::string& name, std::string_view text) {
    auto file = files->open_append(path(name), 0600);
    REQUIRE(file);
    REQUIRE((*file)->append(text));
  }
  /// A new run of the program.
  void begin() { tail = std::make_unique<Tail>(options, *files, clock); }
  void restart(bool with_state = true) {
    LogStates states;
    states["log x"].positions = tail->positions();
    const auto back = parse_log_states(format_log_states(states));
    REQUIRE(back);
    begin();
    if (with_state) tail->restore(back->at("log x").positions, clock.wall());
  }
  std::vector<std::string> read() {
    std::vector<std::string> lines;
    clock.advance(base::Duration{1'000});
    tail->read([&](std::string_view line) { lines.emplace_back(line); },
               clock.monotonic() + base::Duration{3'600'000});
    return lines;
  }

  using Lines = std::vector<std::string>;

  sim::TestFolder folder;
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();
  // The files' times are the real clock's.
  base::SimClock clock{base::RealClock().wall()};
  TailOptions options;
  std::unique_ptr<Tail> tail;
};

using Lines = TailBench::Lines;

}  // namespace

TEST_CASE("tail: begins at the end, takes whole lines, CRLF, holes, and waits for the rest") {
  TailBench bench;
  bench.append("a.log", "old\nhalf");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", " of it\nnew\r\n");
  bench.append("a.log", std::string_view("\0\0\0after a hole\npart", 20));
  CHECK(bench.read() == Lines{"new", "after a hole"});
  CHECK(bench.read().empty());
  bench.append("a.log", "ial\n\n");
  CHECK(bench.read() == Lines{"partial", ""});
  CHECK(bench.tail->stats().lag_bytes == 0);
  CHECK(bench.tail->stats().lines == 4);
}

TEST_CASE("tail: from the start, and a file that comes later") {
  TailBench bench;
  bench.options.from_start = true;
  bench.append("a.log", "1\n2\n");
  bench.begin();
  CHECK(bench.read() == Lines{"1", "2"});

  TailBench later;
  later.begin();
  CHECK(later.read().empty());
  REQUIRE(later.tail->errors().size() == 1);
  CHECK(later.tail->errors().begin()->second.code == base::ErrorCode::NotFound);
  later.append("a.log", "first\n");
  CHECK(later.read() == Lines{"first"});
  CHECK(later.tail->errors().empty());
}

TEST_CASE("tail: renamed away in the middle, and the writer goes on in the old file") {
  TailBench bench;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "1\n");
  CHECK(bench.read() == Lines{"1"});
  bench.append("a.log", "2\n");
  fs::rename(bench.path("a.log"), bench.path("a.log.1"));
  CHECK(bench.read() == Lines{"2"});  // no file for a moment, and no error
  CHECK(bench.tail->errors().empty());
  bench.append("a.log.1", "3\n");
  bench.append("a.log", "4\n");
  CHECK(bench.read() == Lines{"3", "4"});
  bench.append("a.log.1", "5\nlast");
  CHECK(bench.read() == Lines{"5"});
  CHECK(bench.tail->stats().rotations == 1);
  CHECK(bench.read() == Lines{});
  bench.clock.advance(base::Duration{40'000});
  // Nobody writes there any more: what has no end is a line as well.
  CHECK(bench.read() == Lines{"last"});
  CHECK(bench.tail->stats().gaps == 0);
  CHECK(bench.tail->stats().truncations == 0);
}

TEST_CASE("tail: a pattern that matches the older parts too reads nothing twice") {
  TailBench bench;
  bench.options.patterns = {bench.path("a.log*")};
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "1\n");
  fs::rename(bench.path("a.log"), bench.path("a.log.1"));
  bench.append("a.log", "2\n");
  CHECK(bench.read() == Lines{"1", "2"});
  for (int i = 0; i < 4; ++i) {
    bench.clock.advance(base::Duration{40'000});
    CHECK(bench.read().empty());
  }
  bench.restart();
  CHECK(bench.read().empty());
  fs::rename(bench.path("a.log.1"), bench.path("a.log.2"));
  fs::rename(bench.path("a.log"), bench.path("a.log.1"));
  bench.append("a.log", "3\n");
  CHECK(bench.read() == Lines{"3"});
}

TEST_CASE("tail: copied and cut, with lines that were not read yet") {
  TailBench bench;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "1\n");
  CHECK(bench.read() == Lines{"1"});
  bench.append("a.log", "2\n3\n");
  fs::copy_file(bench.path("a.log"), bench.path("a.log.1"));
  fs::resize_file(bench.path("a.log"), 0);
  bench.append("a.log", "4\n5\n6\n7 is longer than what was there before\n");
  CHECK(bench.read() == Lines{"2", "3", "4", "5", "6", "7 is longer than what was there before"});
  CHECK(bench.tail->stats().rotations == 1);
  CHECK(bench.tail->stats().truncations == 0);
}

TEST_CASE("tail: cut without a copy is told; cut with a compressed copy is a gap") {
  TailBench bench;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "who did it\n");
  CHECK(bench.read().size() == 1);
  fs::resize_file(bench.path("a.log"), 0);
  bench.append("a.log", "x\n");
  CHECK(bench.read() == Lines{"x"});
  CHECK(bench.tail->stats().truncations == 1);
  CHECK(bench.tail->stats().gaps == 0);

  bench.append("a.log.1.gz", "\x1f\x8b");
  // The clock of the test is ahead of the files'.
  fs::last_write_time(bench.path("a.log.1.gz"),
                      fs::file_time_type::clock::now() + std::chrono::seconds{10});
  fs::resize_file(bench.path("a.log"), 0);
  bench.append("a.log", "y\n");
  CHECK(bench.read() == Lines{"y"});
  CHECK(bench.tail->stats().truncations == 1);
  CHECK(bench.tail->stats().gaps == 1);
}

TEST_CASE("tail: a restart goes on where it was, over a rotation meanwhile") {
  TailBench bench;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "1\n");
  CHECK(bench.read() == Lines{"1"});
  bench.append("a.log", "2\n");
  bench.restart();
  bench.append("a.log", "3\n");
  CHECK(bench.read() == Lines{"2", "3"});

  SUBCASE("renamed") {
    bench.append("a.log", "4\n");
    fs::rename(bench.path("a.log"), bench.path("a.log-20261127"));
    bench.append("a.log", "5\n");
    bench.restart();
    CHECK(bench.read() == Lines{"4", "5"});
    CHECK(bench.tail->stats().rotations == 1);
    CHECK(bench.tail->stats().gaps == 0);
  }
  SUBCASE("renamed, and renamed again before the first part was let go") {
    bench.append("a.log", "4\n");
    fs::rename(bench.path("a.log"), bench.path("a.log.1"));
    bench.append("a.log", "5\n");
    CHECK(bench.read() == Lines{"4", "5"});
    bench.append("a.log.1", "4b\n");
    bench.append("a.log", "5b\n");
    fs::rename(bench.path("a.log.1"), bench.path("a.log.2"));
    fs::rename(bench.path("a.log"), bench.path("a.log.1"));
    bench.append("a.log", "6\n");
    bench.restart();
    CHECK(bench.read() == Lines{"4b", "5b", "6"});
    CHECK(bench.tail->stats().gaps == 0);
  }
  SUBCASE("copied and cut") {
    bench.append("a.log", "4\n");
    fs::copy_file(bench.path("a.log"), bench.path("a.log.1"));
    fs::resize_file(bench.path("a.log"), 0);
    bench.append("a.log", "5\n");
    bench.restart();
    CHECK(bench.read() == Lines{"4", "5"});
  }
  SUBCASE("gone") {
    bench.append("a.log", "4\n");
    fs::rename(bench.path("a.log"), bench.path("elsewhere"));
    bench.append("a.log", "5\n");
    bench.restart();
    CHECK(bench.read() == Lines{"5"});
    CHECK(bench.tail->stats().gaps == 1);
  }
  SUBCASE("a path that is new in the configuration begins at its end") {
    bench.append("b.log", "old\n");
    bench.clock.advance(base::Duration{5'000});
    bench.options.patterns.push_back(bench.path("b.log"));
    bench.restart();
    CHECK(bench.read().empty());
    bench.append("b.log", "new\n");
    CHECK(bench.read() == Lines{"new"});
  }
}

TEST_CASE("tail: deleted, and a new file of the same name") {
  TailBench bench;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "1\n");
  CHECK(bench.read() == Lines{"1"});
  fs::remove(bench.path("a.log"));
  CHECK(bench.read().empty());
  CHECK(bench.read().empty());
  bench.append("a.log", "2\n");
  CHECK(bench.read() == Lines{"2"});
  // An identity that is used again while we are away: the first bytes tell.
  bench.restart();
  fs::remove(bench.path("a.log"));
  bench.append("a.log", "three\n");
  CHECK(bench.read() == Lines{"three"});
}

TEST_CASE("tail: a line without an end costs bounded memory, and what follows it is read") {
  TailBench bench;
  bench.options.line_bytes_max = 1'024;
  bench.options.bytes_per_round = 64 << 10;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  bench.append("a.log", "before\n");
  fs::resize_file(bench.path("a.log"), 7 + (8U << 20U));
  bench.append("a.log", "x\nafter\n");
  Lines lines;
  int rounds = 0;
  while (rounds < 200 && (lines.empty() || lines.back() != "after")) {
    for (std::string& line : bench.read()) lines.push_back(std::move(line));
    // The position inside of it is kept as well.
    if (++rounds % 3 == 0) bench.restart();
  }
  CHECK(lines == Lines{"before", "after"});
  CHECK(rounds > 3);
  CHECK(rounds < 50);
}

TEST_CASE("tail: reads so many bytes a round, and tells what is left") {
  TailBench bench;
  bench.options.bytes_per_round = 64 << 10;
  bench.append("a.log", "");
  bench.begin();
  CHECK(bench.read().empty());
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += fmt::format("line {}\n", i);
  bench.append("a.log", text);
  std::size_t lines = bench.read().size();
  CHECK(lines < 30'000);
  CHECK(bench.tail->stats().lag_bytes > 500'000);
  for (int i = 0; i < 30; ++i) lines += bench.read().size();
  CHECK(lines == 100'000);
  CHECK(bench.tail->stats().lag_bytes == 0);
}

TEST_CASE("tail: what is no regular file, more files than allowed, and when a file was rotated") {
  TailBench bench;
  fs::create_directory(bench.path("a.log"));
  bench.begin();
  CHECK(bench.read().empty());
  REQUIRE(bench.tail->errors().size() == 1);
  CHECK(bench.tail->errors().begin()->second.code == base::ErrorCode::InvalidArgument);

  TailBench many;
  many.options.patterns = {many.path("*.log")};
  many.options.files_max = 2;
  for (const char* name : {"1.log", "2.log", "3.log", "4.log.gz"}) many.append(name, "x\n");
  many.begin();
  CHECK(many.read().empty());
  REQUIRE(many.tail->errors().size() == 1);
  CHECK(many.tail->errors().begin()->second.code == base::ErrorCode::LimitExceeded);
  CHECK(many.tail->stats().files.size() == 2);

  TailBench rotated;
  rotated.append("a.log", "x\n");
  rotated.append("a.log.1", "x\n");
  rotated.append("a_other.log", "x\n");
  const auto hours = std::chrono::hours{50};
  fs::last_write_time(rotated.path("a.log.1"), fs::file_time_type::clock::now() - hours);
  rotated.begin();
  CHECK(rotated.read().empty());
  const auto& file = rotated.tail->stats().files.at(rotated.path("a.log"));
  REQUIRE(file.rotated);
  CHECK(rotated.clock.wall() - *file.rotated > std::chrono::hours{49});
  CHECK(file.archives == 1);
  CHECK(file.archive_bytes == 2);
}

TEST_CASE("log state: what is damaged is left out") {
  LogStates states;
  TailPosition position;
  position.identity = {5, 77};
  position.offset = 1'000;
  position.path = "/var/log/a b.log";
  states["log shop"].positions = {position};
  states["log shop"].cursor = "s=1;i=2";
  states["log shop"].data = {{"audit", "17"}};
  std::string text = format_log_states(states);
  text += "file\tlog shop\tx\t1\t2\t0\t0\t0\t0\t/a\nfile\tshort\nnoise\n";
  const auto back = parse_log_states(text);
  REQUIRE(back);
  REQUIRE(back->at("log shop").positions.size() == 1);
  CHECK(back->at("log shop").positions[0].path == "/var/log/a b.log");
  CHECK(back->at("log shop").positions[0].identity == FileIdentity{5, 77});
  CHECK(back->at("log shop").cursor == "s=1;i=2");
  CHECK(back->at("log shop").data == states["log shop"].data);
  CHECK(!parse_log_states("something else"));
}

}  // namespace tocsin::agent
