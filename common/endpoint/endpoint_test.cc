#include "common/endpoint/endpoint.h"

#include <doctest/doctest.h>

#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::endpoint {
namespace {

/// What was read, and every mistake as "line: message".
struct Read {
  Endpoint endpoint;
  std::string mistakes;

  explicit Read(const std::string& text) {
    base::Diagnostics diagnostics;
    const config::Source source{"alertd.toml", text};
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table table(context, &node);
    endpoint = read_endpoint(table, std::chrono::seconds(10));
    table.finish();
    for (const auto& one : diagnostics) {
      if (one.severity != base::DiagnosticSeverity::Error) continue;
      mistakes += std::to_string(one.line) + ": " + one.message + "\n";
    }
  }
  bool says(const std::string& text) const { return mistakes.find(text) != std::string::npos; }
};

}  // namespace

TEST_CASE("a request carries what lets us in, and what is shown carries none of it") {
  const Read read(R"(url = "https://vm.internal:8428/select/key-in-path/"
headers = { "X-Scope-OrgID" = "shop" }
username = "me"
password = "${PATH}"
ca_file = "/etc/ca.pem"
timeout = "3s"
)");
  CHECK(read.mistakes.empty());
  const net::HttpRequest request = read.endpoint.request("POST", "/api/v1/query");
  CHECK(request.url == "https://vm.internal:8428/select/key-in-path/api/v1/query");
  REQUIRE(request.headers.size() == 2);
  CHECK(request.headers[0] == std::pair<std::string, std::string>("X-Scope-OrgID", "shop"));
  CHECK(request.headers[1].second.starts_with("Basic "));
  CHECK(request.timeout == std::chrono::seconds(3));
  CHECK(request.tls.ca_file == "/etc/ca.pem");
  CHECK(read.endpoint.shown() == "https://vm.internal:8428");
}

TEST_CASE("an endpoint that cannot be is refused where it is written") {
  CHECK(Read("url = \"vm:8428\"").says("1: the url is no http:// or https:// address"));
  CHECK(Read("url = \"http://me:pw@vm\"").says("1: the url holds a user name"));
  CHECK(Read("url = \"http://vm\"\nheaders = { Authorization = \"x\" }")
            .says("2: Authorization does not belong into headers"));
  CHECK(Read("url = \"http://vm\"\nheaders = { \"a b\" = \"x\" }").says("2: header name 'a b'"));
  CHECK(Read("url = \"http://vm\"\nusername = \"a\"\ntoken = \"${PATH}\"")
            .says("2: both a user name and a token are given"));
  CHECK(Read("url = \"http://vm\"\nclient_cert_file = \"a\"").says("belong together"));
  CHECK(Read("url = \"http://vm\"\ntimeout = \"1h\"").says("2: a timeout lasts 100ms to 5m"));
}

}  // namespace tocsin::endpoint
