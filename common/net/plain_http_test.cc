// Which requests are written down without curl, and how.
#include "common/net/plain_http.h"

#include <doctest/doctest.h>

namespace tocsin::net {
namespace {

TEST_CASE("a plain URL is taken apart, anything else is curl's") {
  const auto target = plain_target("http://hooks.example:9093/a%20b/c?x=1&y=http://z/#part");
  REQUIRE(target);
  CHECK(target->peer == "hooks.example:9093");
  CHECK(target->host == "hooks.example:9093");
  CHECK(target->path == "/a%20b/c?x=1&y=http://z/");
  CHECK(plain_target("http://h")->path == "/");
  CHECK(plain_target("http://h?q=1")->path == "/?q=1");
  CHECK(plain_target("http://h:80/")->host == "h");
  CHECK(plain_target("http://h/")->peer == "h:80");
  CHECK(plain_target("http://[::1]:9/x")->peer == "[::1]:9");
  CHECK(plain_target("http://[::1]/x")->peer == "[::1]:80");
  for (const char* url : {"https://h/",
                          "HTTP://h/",
                          "http://",
                          "http://:9/",
                          "http://h:/",
                          "http://h:0/",
                          "http://h:65536/",
                          "http://h:9x/",
                          "http://user@h/",
                          "http://user:pass@h/",
                          "http://h/a/../b",
                          "http://h/./b",
                          "http://h\xC3\xA4/",
                          "http://h/\xC3\xA4",
                          "http://h/a\\b",
                          "http://h%41/",
                          "http://[fe80::1%25eth0]/",
                          "http://[::1/",
                          "http://::1/",
                          "http://[]/",
                          "http://a,b/"}) {
    CHECK_MESSAGE(!plain_target(url), url);
  }
}

TEST_CASE("the head is what curl would send") {
  HttpRequest request;
  request.method = "POST";
  request.url = "http://h/p?q";
  request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
  request.body = "{}";
  request.bearer_token = base::Secret("t0ken");
  CHECK(plain_head(request, *plain_target(request.url)) ==
        "POST /p?q HTTP/1.1\r\nHost: h\r\nUser-Agent: tocsin/" TOCSIN_VERSION
        "\r\nAccept: */*\r\nContent-Type: application/json\r\nX-Empty: \r\n"
        "Authorization: Bearer t0ken\r\nContent-Length: 2\r\n\r\n");
  HttpRequest get;
  get.url = "http://h:9/";
  get.headers = {{"user-agent", "mine"}, {"ACCEPT", "text/plain"}};
  CHECK(plain_head(get, *plain_target(get.url)) ==
        "GET / HTTP/1.1\r\nHost: h:9\r\nuser-agent: mine\r\nACCEPT: text/plain\r\n\r\n");
  get.method = "PUT";
  CHECK(plain_head(get, *plain_target(get.url))->find("Content-Length: 0\r\n") !=
        std::string::npos);
  get.method = "HEAD";
  get.body = "not sent";
  CHECK(plain_head(get, *plain_target(get.url))->find("Content-Length") == std::string::npos);
  for (const char* name : {"Host", "connection", "Content-Length", "Transfer-Encoding", "Expect"}) {
    get.headers = {{name, "x"}};
    CHECK_FALSE(plain_head(get, *plain_target(get.url)));
  }
}

}  // namespace
}  // namespace tocsin::net
