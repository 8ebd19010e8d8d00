#include "alertd/routing/matcher_text.h"

#include <doctest/doctest.h>

#include <string>

namespace tocsin::routing {
namespace {

std::string parsed(std::string_view text) {
  const auto matchers = parse_matchers(text);
  if (!matchers) return "error: " + matchers.error().message;
  std::string result;
  for (const auto& matcher : *matchers) result += matcher.to_string() + ";";
  return result;
}

struct Mistake {
  std::string message;
  std::size_t offset = 0;
};

Mistake mistake(std::string_view text) {
  Mistake result;
  const auto matchers = parse_matchers(text, &result.offset);
  REQUIRE(!matchers);
  result.message = matchers.error().message;
  return result;
}

}  // namespace

TEST_CASE("matchers: the four operators, with and without quotes") {
  CHECK(parsed("severity=\"critical\"") == "severity=\"critical\";");
  CHECK(parsed("host=~\"db.*\"") == "host=~\"db.*\";");
  CHECK(parsed("a!=b") == "a!=\"b\";");
  CHECK(parsed("a!~b|c") == "a!~\"b|c\";");
  CHECK(parsed(" a = b , c != \"\" , ") == "a=\"b\";c!=\"\";");
  CHECK(parsed("{a=b,c=d,}") == "a=\"b\";c=\"d\";");
  CHECK(parsed("{}") == "");
  CHECK(parsed("größe=\"日本\"") == "größe=\"日本\";");
  CHECK(parsed("\"label with space\"=x") == "label with space=\"x\";");
}

TEST_CASE("matchers: escapes") {
  const auto matchers = parse_matchers(R"(a="tab\t quote\" back\\ \x41\u00e9\U0001F514\101")");
  REQUIRE(matchers);
  CHECK(matchers->front().value() == "tab\t quote\" back\\ Aé🔔A");
  CHECK(mistake(R"(a="\q")").message == "unknown escape '\\q'");
  CHECK(mistake(R"(a="\ud800")").message == "escape names no Unicode character");
  CHECK(mistake(R"(a="\xff")").message == "escapes give text that is not valid UTF-8");
  CHECK(mistake(R"(a="\x4)").message == "expected 2 digits in the escape");
}

TEST_CASE("matchers: mistakes are told where they are") {
  CHECK(mistake("severity critical").offset == 9);
  CHECK(mistake("severity critical").message == "expected =, !=, =~ or !~ after the label name");
  CHECK(mistake("severity=").offset == 9);
  CHECK(mistake("a=\"open").message == "missing closing '\"'");
  CHECK(mistake("a=b c=d").offset == 4);
  CHECK(mistake("a=b c=d").message == "expected ',' between matchers");
  CHECK(mistake("{a=b").message == "expected ',' or '}' after the matcher");
  CHECK(mistake("a=b}").message == "'}' without '{'");
  CHECK(mistake("").message == "expected a matcher such as severity=\"critical\"");
  CHECK(mistake("=b").offset == 0);
  CHECK(mistake("a!b").message == "expected '=' or '~' after '!'");
  CHECK(mistake("host=~\"(\"").offset == 6);
  CHECK(mistake("a=\"\xff\"").message == "text is not valid UTF-8");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "a=b,";
  CHECK(mistake(many).message == "more than 64 matchers");
}

}  // namespace tocsin::routing
