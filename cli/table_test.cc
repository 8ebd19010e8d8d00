#include "cli/table.h"

#include <doctest/doctest.h>

namespace tocsin::cli {
namespace {

TEST_CASE("columns are aligned and lines have no trailing spaces") {
  Table table({"NAME", "VALUE"});
  table.add({{"a"}, {"1"}});
  table.add({{"long name"}, {""}});
  CHECK(table.text({}) ==
        "NAME       VALUE\n"
        "a          1\n"
        "long name\n");
}

TEST_CASE("the widest column is cut to the terminal") {
  Table table({"ID", "TITLE"});
  table.add({{"T-1"}, {"the disk of the database is full"}});
  // 20 columns: 3 for the id, 2 between, 15 left: fourteen letters and the ellipsis.
  CHECK(table.text({20, false}) ==
        "ID   TITLE\n"
        "T-1  the disk of th\xE2\x80\xA6\n");
  // Not below eight columns, however narrow the terminal.
  CHECK(table.text({3, false}).find("the dis\xE2\x80\xA6") != std::string::npos);
  CHECK(table.text({0, false}).find("is full") != std::string::npos);
}

TEST_CASE("widths count characters, wide ones twice, combining ones not") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("\xC3\xA4") == 1);                  // a umlaut
  CHECK(display_width("a\xCC\x88") == 1);                 // a, combining diaeresis
  CHECK(display_width("\xE6\x97\xA5\xE6\x9C\xAC") == 4);  // two ideographs
  CHECK(display_width("\xF0\x9F\x94\xA5") == 2);          // an emoji
  Table table({"A", "B"});
  table.add({{"\xE6\x97\xA5"}, {"x"}});
  table.add({{"ab"}, {"y"}});
  CHECK(table.text({}) == "A   B\n\xE6\x97\xA5  x\nab  y\n");
}

TEST_CASE("nothing can steer the terminal") {
  CHECK(printable("a\x1b[31mb\n\t") == "a\\x1b[31mb\\n\\t");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\u009b31m");  // C1 control: CSI
  CHECK(printable("\xE2\x80\xAE"
                  "abc") ==
        "\\u202e"
        "abc");                                  // right-to-left override
  CHECK(printable("\xff\xC3") == "\\xff\\xc3");  // not UTF-8
  CHECK(printable("\xC3\xA4 \xE2\x82\xAC") == "\xC3\xA4 \xE2\x82\xAC");
  Table table({"A"});
  table.add({{"\x1b]0;title\x07"}});
  CHECK(table.text({}) == "A\n\\x1b]0;title\\x07\n");
}

TEST_CASE("colours only where they can be shown") {
  CHECK(colored("x", Color::Red, {80, false}) == "x");
  CHECK(colored("x", Color::Red, {80, true}) == "\x1b[1;31mx\x1b[0m");
  CHECK(colored("x", Color::None, {80, true}) == "x");
  CHECK(color_of("critical") == Color::Red);
  CHECK(color_of("healthy") == Color::Green);
  CHECK(color_of("anything") == Color::None);
}

TEST_CASE("ages in two units") {
  const base::WallTime now = base::wall_time(1'000'000'000);
  const auto ago = [&](std::int64_t seconds) {
    return age(now - std::chrono::seconds(seconds), now);
  };
  CHECK(ago(0) == "now");
  CHECK(ago(-5) == "now");
  CHECK(ago(59) == "59s");
  CHECK(ago(60) == "1m");
  CHECK(ago(192) == "3m12s");
  CHECK(ago(3'600) == "1h");
  CHECK(ago(3'659) == "1h");
  CHECK(ago(187'200) == "2d4h");
}

}  // namespace
}  // namespace tocsin::cli
