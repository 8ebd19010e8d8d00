#include "common/base/json_text.h"

#include <doctest/doctest.h>

namespace tocsin::base {
namespace {

TEST_CASE("JSON as text: nested, with commas where they belong") {
  std::string text;
  JsonText json(text);
  json.begin_object().field("name", "a").field("at", std::int64_t{-12}).field("yes", true);
  json.key("none").begin_object().end_object().key("list").begin_array();
  json.value(std::uint64_t{1}).begin_array().value("x").end_array().begin_object().end_object();
  json.end_array().key("raw").raw("[1.5]").text_field("left out", "").field("last", false);
  json.end_object();
  CHECK(
      text ==
      R"({"name":"a","at":-12,"yes":true,"none":{},"list":[1,["x"],{}],"raw":[1.5],"last":false})");
}

TEST_CASE("JSON as text: what must be escaped is, and nothing else") {
  std::string text;
  JsonText(text).value(std::string_view("\b\f\n\r\t\"\\\0\x1f/\x7f\xc3\xa4", 13));
  CHECK(text == "\"\\b\\f\\n\\r\\t\\\"\\\\\\u0000\\u001f/\x7f\xc3\xa4\"");
  // Wherever it stands in a longer text.
  for (std::size_t at = 0; at < 20; ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string its(20, 'x');
      its[at] = static_cast<char>(c);
      text.clear();
      JsonText(text).value(its);
      const bool plain = c >= 0x20 && c != '"' && c != '\\';
      CHECK((text == '"' + its + '"') == plain);
      if (!plain) CHECK(text.find('\\') == at + 1);
    }
  }
  text.clear();
  JsonText(text).value("");
  CHECK(text == "\"\"");
}

}  // namespace
}  // namespace tocsin::base
