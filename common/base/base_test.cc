#include <doctest/doctest.h>

#include <cmath>

#include "common/base/diagnostic.h"
#include "common/base/hash.h"
#include "common/base/metrics.h"
#include "common/base/random.h"
#include "common/base/secret.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"
#include "common/base/time.h"

namespace tocsin::base {

TEST_CASE("durations read and print in Prometheus notation") {
  CHECK(*parse_duration("1h30m") == Duration{5400000});
  CHECK(*parse_duration("500ms") == Duration{500});
  CHECK(*parse_duration("1d") == Duration{86400000});
  CHECK(*parse_duration("0") == Duration{0});
  for (const char* bad : {"", "5", "m", "-5m", "5x", "1m1h", "1.5h", "99999999999999y", "5m "}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(format_duration(Duration{5400000}) == "1h30m");
  CHECK(format_duration(Duration{15 * 86400000LL}) == "15d");
  CHECK(format_duration(Duration{0}) == "0s");
}

TEST_CASE("RFC 3339 reads what it prints, and offsets") {
  CHECK(format_rfc3339(wall_time(0)) == "1970-01-01T00:00:00Z");
  CHECK(format_rfc3339(wall_time(1795444115250)) == "2026-11-23T14:28:35.250Z");
  CHECK(to_ms(*parse_rfc3339("2026-11-23T14:28:35.25Z")) == 1795444115250);
  CHECK(*parse_rfc3339("2026-11-23T21:28:35+07:00") == *parse_rfc3339("2026-11-23T14:28:35Z"));
  CHECK_FALSE(parse_rfc3339("2026-02-30T00:00:00Z"));
  CHECK_FALSE(parse_rfc3339("2026-11-23"));
  CHECK(format_rfc5322(wall_time(0)) == "Thu, 01 Jan 1970 00:00:00 +0000");
}

TEST_CASE("numbers read whole or not at all") {
  CHECK(*parse_double("1e3") == 1000);
  CHECK(*parse_double("0x10") == 16);
  CHECK(std::isinf(*parse_double("-Inf")));
  CHECK(std::isnan(*parse_double("NaN")));
  for (const char* bad : {"", "1x", "--1", "+-1", " 1", "0x", "nanx"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_double(bad));
  }
  CHECK(format_double(0.1) == "0.1");
  CHECK(format_double(1e21) == "1e+21");
  CHECK(format_double(1e-6) == "0.000001");
  CHECK(format_double(-9.5e-7) == "-9.5e-07");
  CHECK(*parse_bytes("64KiB") == 65536);
  CHECK(*parse_bytes("10 MB") == 10000000);
  CHECK_FALSE(parse_bytes("10 XB"));
}

TEST_CASE("a slip of the keyboard finds its word") {
  const std::vector<std::string> words{"listen", "path", "retention"};
  CHECK(*closest("lisetn", words) == "listen");
  CHECK(*closest("retension", words) == "retention");
  CHECK_FALSE(closest("database", words));
}

TEST_CASE("a diagnostic shows the line with a caret") {
  const std::string source = "a = 1\nlisten = 5 weeks\n";
  const Diagnostic d{DiagnosticSeverity::Error, "alertd.toml", 2, 10, "bad duration", "write 35d"};
  CHECK(render(d, source) ==
        "alertd.toml:2:10: error: bad duration\n    listen = 5 weeks\n             ^\n"
        "    hint: write 35d\n");
  CHECK(position_of(source, 8).line == 2);
  CHECK(position_of(source, 8).column == 3);
}

TEST_CASE("control characters cannot forge a log line") {
  CHECK(escape_control("a\n<2>b\x1b]0;") == "a\\n<2>b\\x1b]0;");
  CHECK(is_utf8("ភ្នំពេញ"));
  CHECK_FALSE(is_utf8("\xc0\x80"));
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));
}

TEST_CASE("hashes agree with their published test values") {
  CHECK(crc32("123456789") == 0xcbf43926);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8cULL);
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  CHECK(hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 4231, test case 6: a key longer than a block is hashed first.
  CHECK(hmac_sha256_hex(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("a secret prints as itself never") {
  CHECK(fmt::format("{}", Secret("hunter2")) == "<secret>");
}

TEST_CASE("simulated timers fire in order of time, then of insertion") {
  SimClock clock;
  SimExecutor executor(clock);
  std::string trace;
  executor.post_after(Duration{20}, [&] { trace += "c"; });
  executor.post_after(Duration{10}, [&] { trace += "a"; });
  executor.post_after(Duration{10}, [&] { trace += "b"; });
  const TimerId cancelled = executor.post_after(Duration{15}, [&] { trace += "x"; });
  executor.cancel(cancelled);
  executor.run_for(Duration{30});
  CHECK(trace == "abc");
  CHECK(to_ms(clock.wall()) == 30);
}

TEST_CASE("a seed gives the same sequence") {
  const auto a = make_seeded_random(7);
  const auto b = make_seeded_random(7);
  for (int i = 0; i < 100; ++i) CHECK(a->next() == b->next());
  for (int i = 0; i < 100; ++i) CHECK(a->below(3) < 3);
  CHECK(a->hex(5).size() == 10);
}

TEST_CASE("own metrics show in text and as points") {
  Metrics metrics;
  metrics.counter("x_total", "Help.", {{"reason", "a"}}).increment(2);
  metrics.counter("x_total", "Help.", {{"reason", "a"}}).increment();
  metrics.gauge("y", "Help.").set(1.5);
  metrics.histogram("z_seconds", "Help.", {0.1, 1}).observe(0.5);
  CHECK(metrics.text().find("x_total{reason=\"a\"} 3") != std::string::npos);
  CHECK(metrics.points().size() == 1 + 1 + 5);
  metrics.remove_gauge("y", {});
  CHECK(metrics.points().size() == 1 + 5);
}

}  // namespace tocsin::base
