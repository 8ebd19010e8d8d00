#include "common/net/url.h"

#include <doctest/doctest.h>

#include "common/net/http_text.h"

namespace tocsin::net {
namespace {

TEST_CASE("percent coding") {
  CHECK(*percent_decode("a%20b+c", Plus::Literal) == "a b+c");
  CHECK(*percent_decode("a+b", Plus::Space) == "a b");
  CHECK(*percent_decode("%41%4a", Plus::Literal) == "AJ");
  for (const char* bad : {"%", "%4", "%4g", "a%00", "%%41"}) {
    CHECK_FALSE(percent_decode(bad, Plus::Literal));
  }
  CHECK(percent_encode("a b/\xC3\xA4-._~") == "a%20b%2F%C3%A4-._~");
}

TEST_CASE("forms") {
  Query query;
  REQUIRE(parse_form("a=1&&b&match[]=x&match%5B%5D=y", query));
  CHECK(query.size() == 4);
  CHECK(query.count("match[]") == 2);
  CHECK(query.find("b")->second.empty());
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += "a&";
  Query full;
  auto refused = parse_form(many, full);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == base::ErrorCode::LimitExceeded);
}

TEST_CASE("request targets") {
  CHECK(parse_target("/a/b?c=d#e")->path == "/a/b");
  CHECK(parse_target("https://host/x?y=z")->query.begin()->second == "z");
  CHECK(parse_target("http://host")->path == "/");
  CHECK(parse_target("/a%2Fb")->path == "/a/b");
  for (const char* bad : {"", "*", "a", "/%0a", "/%", "/?%"}) CHECK_FALSE(parse_target(bad));
}

TEST_CASE("addresses to listen on") {
  CHECK(parse_host_port("[::1]:80")->host == "::1");
  CHECK(parse_host_port("0.0.0.0:65535")->port == 65535);
  for (const char* bad : {"", "1.2.3.4", ":80", "::1:80", "a:65536", "a:-1", "[::1:80", "a:"}) {
    CHECK_FALSE(parse_host_port(bad));
  }
}

TEST_CASE("origins show no credentials") {
  CHECK(url_origin("https://u:p@h.example:8443/T/secret?k=v#f") == "https://h.example:8443");
  CHECK(url_origin("https://h?token=1") == "https://h");
  CHECK(url_origin("https://h\\@evil/") == "https://h");
  CHECK(url_origin("mailto:a@b") == "<bad url>");
  CHECK(url_origin("http:///x") == "<bad url>");
}

TEST_CASE("loopback hosts") {
  for (const char* yes :
       {"localhost", "LocalHost:80", "127.0.0.1", "127.9.8.7:1", "[::1]:9", "::1"}) {
    CHECK(is_loopback_host(yes));
  }
  for (const char* no : {"", "localhost.evil.example", "127.0.0.1.evil", "127.1", "1127.0.0.1",
                         "127.0.0.256", "[::2]:80", "evil.example"}) {
    CHECK_FALSE(is_loopback_host(no));
  }
}

TEST_CASE("json text of errors") {
  CHECK(json_string("a\"b\\\n\xC3\xA4\xff\x01") ==
        "\"a\\\"b\\\\\\u000a\xC3\xA4\xEF\xBF\xBD\\u0001\"");
  CHECK(error_response(404, "not_found", "x").body ==
        "{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"x\"}\n");
}

}  // namespace
}  // namespace tocsin::net
