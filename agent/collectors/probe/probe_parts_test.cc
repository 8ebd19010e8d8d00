// The parts without a network: what an HTTP answer must be, DNS and ICMP as bytes, settings.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "agent/collectors/probe/dns_message.h"
#include "agent/collectors/probe/echo_message.h"
#include "agent/collectors/probe/http_checks.h"
#include "agent/collectors/probe/probe_settings.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

const base::WallTime kNow = base::wall_time(1'700'000'000'000);  // 2023-11-14T22:13:20Z

/// Reads a table and returns the first probe, with what is wrong as text.
struct ReadProbe {
  std::vector<ProbeSettings> probes;
  std::string messages;

  explicit ReadProbe(const std::string& text) {
    const config::Source source{"agent.toml", text};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    probes = read_probe_settings(root, base::Duration{15'000});
    for (const auto& each : diagnostics) messages += each.message + "\n";
  }
  const ProbeSettings& first() const { return probes.front(); }
};

HttpExpectations expecting(const std::string& keys) {
  const ReadProbe read("[[probe]]\nname = \"a\"\nurl = \"http://a/\"\n" + keys);
  REQUIRE(read.messages == "");
  return read.first().http.expect;
}

/// "" if all is as expected, else "reason: detail".
std::string checked(const HttpExpectations& expectations, int status, const std::string& body,
                    const net::Headers& headers = {}) {
  bool due_to_pattern = false;
  const auto failure = check_answer(expectations, {status, headers, body}, kNow, &due_to_pattern);
  if (!failure) return due_to_pattern ? "pattern, and good" : "";
  return fmt::format("{}{}: {}", to_string(failure->reason), due_to_pattern ? " (pattern)" : "",
                     failure->detail);
}

}  // namespace

TEST_CASE("probe: statuses") {
  const HttpExpectations usual = expecting("");
  CHECK(checked(usual, 204, "") == "");
  CHECK(checked(usual, 301, "") == "status: status 301");
  const HttpExpectations own = expecting("status = [\"401\", \"3xx\", \"200-201\"]\n");
  CHECK(checked(own, 401, "") == "");
  CHECK(checked(own, 302, "") == "");
  CHECK(checked(own, 202, "") == "status: status 202");
  for (const char* bad : {"", "2x", "6xx", "99", "600", "204-200", "200-", "abc", "20000"}) {
    CHECK_MESSAGE(!parse_status_range(bad), bad);
  }
}

TEST_CASE("probe: patterns of body and headers, and what must not be there") {
  const HttpExpectations wanted = expecting(
      "body_match = ['Sign in', '(?i)</HTML>']\nbody_not_match = [\"Traceback\"]\n"
      "headers_match = { \"Strict-Transport-Security\" = \"max-age=[1-9]\" }\n");
  const net::Headers good = {{"strict-transport-security", "max-age=63072000"}};
  CHECK(checked(wanted, 200, "Sign in\n</html>", good) == "");
  CHECK(checked(wanted, 200, "Sign in\n</html>") ==
        "header (pattern): header 'strict-transport-security' does not match 'max-age=[1-9]'");
  CHECK(checked(wanted, 200, "</html>", good) ==
        "body (pattern): the body does not match 'Sign in'");
  CHECK(checked(wanted, 200, "Sign in Traceback </html>", good) ==
        "body (pattern): the body matches 'Traceback', which it must not");
  CHECK(checked(expecting("body_match = '^\\x00\\xff'\n"), 200, std::string("\x00\xff", 2)) == "");
}

TEST_CASE("probe: a contract catches a page that always says that it is well") {
  const HttpExpectations wanted = expecting(
      "[probe.json]\nstatus = \"ok\"\n\"checks.0.state\" = \"up\"\n\"paused\" = false\n"
      "[probe.json_min]\n\"workers\" = 1\n[probe.json_max]\n\"lag\" = 60\n"
      "[probe.json_fresh]\n\"checked_at\" = \"1m\"\n");
  const auto body = [](const std::string& at, const std::string& workers = "2") {
    return fmt::format(R"({{"status":"ok","checks":[{{"state":"up"}}],"paused":false,)"
                       R"("workers":{},"lag":"12.5","checked_at":{}}})",
                       workers, at);
  };
  CHECK(checked(wanted, 200, body("1699999990")) == "");
  CHECK(checked(wanted, 200, body("1699999990123")) == "");                  // milliseconds
  CHECK(checked(wanted, 200, body("\"2023-11-15T00:13:00+02:00\"")) == "");  // a time zone
  CHECK(checked(wanted, 200, R"({"status":"ok"})") ==
        "body: 'checks.0.state' is not in the answer");
  CHECK(checked(wanted, 200, body("1699990000")) ==
        "body: 'checked_at' is 2h46m40s old, which is more than 1m");
  CHECK(checked(wanted, 200, body("1800000000")) == "body: 'checked_at' is a time in the future");
  CHECK(checked(wanted, 200, body("\"today\"")) == "body: 'checked_at' is no time: 'today'");
  CHECK(checked(wanted, 200, body("1699999990", "0")) ==
        "body: 'workers' is 0, which is less than 1");
  CHECK(checked(wanted, 200, "healthy") == "body: the body is no JSON");
  CHECK(checked(wanted, 200, std::string(1000, '[')) == "body: the body is no JSON");
  const auto down =
      check_json({{"a", JsonExpectation::Kind::Equals, "up", 0, {}}},
                 R"({"a":"down because somebody pulled the plug of it\n, long"})", kNow);
  REQUIRE(!down);
  CHECK(down.error().message == "'a' is 'down because somebody pulled the plug of...', not 'up'");
}

TEST_CASE("probe: settings say what they cannot read") {
  const auto wrong = [](const std::string& keys) {
    return ReadProbe("[[probe]]\n" + keys).messages;
  };
  CHECK(wrong("name = \"a\"\nurl = \"ftp://a/\"\n") ==
        "'ftp://a' is no http:// or https:// address\n");
  CHECK(wrong("name = \"a\"\nurl = \"http://me:secret@a/\"\n").find("secret") == std::string::npos);
  CHECK(wrong("name = \"a\"\nurl = \"http://a/\"\nstatus = \"ok\"\n") ==
        "'ok' is no status: expected 200, 2xx or 200-204\n");
  CHECK(wrong("name = \"a\"\nurl = \"http://a/\"\nbody_match = \"(\"\n").find("'('") == 0);
  CHECK(wrong("name = \"a\"\nurl = \"http://a/\"\ntimeout = \"15s\"\n") ==
        "timeout must be at least 100ms and less than the interval 15s\n");
  CHECK(wrong("name = \"a\"\nurl = \"http://a/\"\ninterval = \"2h\"\n") ==
        "interval must be 1s to 1h\n");
  CHECK(wrong("name = \"a\"\nkind = \"tcp\"\naddress = \"db\"\n") != "");
  CHECK(wrong("name = \"a\"\nkind = \"tcp\"\naddress = \"db:1\"\n[[probe.step]]\nsend = \"a\"\n"
              "expect = \"b\"\n") == "a step is one of expect, send and start_tls\n");
  CHECK(wrong("name = \"a\"\nurl = \"http://a/\"\nlabels = { target = \"x\" }\n") ==
        "'target' cannot be a label here\n");
  CHECK(wrong("name = \"a\"\nkind = \"dns\"\nserver = \"::1\"\nquery = \"a..b\"\n") ==
        "'a..b' is no name for DNS\n");
  CHECK(
      wrong("name = \"a\"\nurl = \"http://a/\"\n[[probe]]\nname = \"a\"\nurl = \"http://b/\"\n") ==
      "two probes are called 'a'\n");
}

TEST_CASE("probe: settings and their defaults") {
  const ReadProbe http(
      "[[probe]]\nname = \"shop\"\nurl = \"https://[::1]:8443/a?token=x#y\"\nparty = \"third\"\n"
      "labels = { service = \"shop\" }\nconnect_to = \"10.0.0.1\"\nip_protocol = \"4\"\n");
  CHECK(http.messages == "");
  CHECK(http.first().labels.to_string() ==
        R"({party="third", probe="shop", service="shop", target="https://[::1]:8443/a"})");
  CHECK(http.first().route.address.host == "::1");
  CHECK(http.first().route.connect_to->host == "10.0.0.1");
  CHECK(http.first().route.connect_to->port == 8443);
  CHECK(http.first().route.ip == IpProtocol::V4);
  CHECK(http.first().interval == base::Duration{15'000});
  CHECK(http.first().timeout == base::Duration{5'000});
  const ReadProbe dns(
      "[[probe]]\nname = \"d\"\nkind = \"dns\"\nserver = \"::1\"\nquery = \"a.b\"\n");
  CHECK(dns.first().route.address.host == "::1");
  CHECK(dns.first().route.address.port == 53);
  const ReadProbe tls("[[probe]]\nname = \"t\"\nkind = \"tls\"\naddress = \"mail.a\"\n");
  CHECK(tls.first().route.address.port == 443);
  CHECK(tls.first().route.server_name == "mail.a");
}

TEST_CASE("probe: DNS messages") {
  const DnsQuestion question{"www.Example.org", 1, 0x1234, true};
  const auto query = make_dns_query(question);
  REQUIRE(query);
  CHECK(*query == std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                              "\x03www\x07"
                              "Example\x03org\x00\x00\x01\x00\x01",
                              33));
  // CNAME to example.org by a pointer, and its address.
  std::string answer = *query;
  answer[2] = '\x81';
  answer[3] = '\x80';
  answer[7] = 2;
  answer += std::string("\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10", 14);
  answer += std::string("\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x07", 16);
  const auto parsed = parse_dns_answer(answer, question);
  REQUIRE(parsed);
  CHECK(parsed->rcode == "NOERROR");
  CHECK(parsed->answers == 2);
  CHECK(parsed->records == std::vector<std::string>{"10.0.0.7"});
  CHECK(!parsed->truncated);
  // Of somebody else, to another question, and cut at every length.
  CHECK(!parse_dns_answer(answer, {"www.example.org", 1, 0x1235, true}));
  CHECK(!parse_dns_answer(answer, {"www.example.com", 1, 0x1234, true}));
  CHECK(!parse_dns_answer(*query, question));
  for (std::size_t size = 0; size < answer.size(); ++size) {
    CHECK(!parse_dns_answer(std::string_view(answer).substr(0, size), question));
  }
  // A name that points to itself.
  std::string loop = *query;
  loop[2] = '\x81';
  loop[7] = 1;
  loop += std::string("\xc0\x21\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x07", 16);
  CHECK(!parse_dns_answer(loop, question));
  CHECK(!make_dns_query({std::string(300, 'a'), 1, 0, true}));
}

TEST_CASE("probe: DNS data of several kinds") {
  const auto one = [](int type, const std::string& data) {
    const DnsQuestion question{"a.b", type, 7, true};
    std::string message = make_dns_query(question).value();
    message[2] = '\x81';
    message[7] = 1;
    message += std::string("\xc0\x0c\x00", 3) + static_cast<char>(type);
    message += std::string("\x00\x01\x00\x00\x00\x3c\x00", 7) + static_cast<char>(data.size());
    message += data;
    const auto parsed = parse_dns_answer(message, question);
    return parsed && parsed->records.size() == 1 ? parsed->records.front() : std::string("none");
  };
  CHECK(one(dns_record_type("MX"), std::string("\x00\x0a\x02Mx\xc0\x0c", 7)) == "10 mx.a.b");
  CHECK(one(dns_record_type("TXT"), "\x03one\x03two") == "onetwo");
  CHECK(one(dns_record_type("TXT"), "\x09one") == "none");
  CHECK(one(dns_record_type("SRV"), std::string("\x00\x01\x00\x02\x01\xbb\x01h\x00", 9)) ==
        "1 2 443 h");
  CHECK(one(dns_record_type("AAAA"), std::string(15, '\0') + "\x01") == "::1");
  CHECK(one(dns_record_type("A"), "\x01\x02\x03") == "none");
  CHECK(one(dns_record_type("SOA"), std::string("\x01n\x00\x01h\x00\x00\x00\x01\x02", 10)) ==
        "n h 258");
}

TEST_CASE("probe: echo messages") {
  const EchoMessage echo{0x0102, 3, 0x1122334455667788};
  std::string request = make_echo_request(echo, false);
  REQUIRE(request.size() == 16);
  CHECK(request[0] == 8);
  CHECK(internet_checksum(request) == 0);  // with its own checksum in it
  CHECK(!is_echo_reply(request, false, echo));
  request[0] = 0;
  CHECK(is_echo_reply(request, false, echo));
  CHECK(!is_echo_reply(request, true, echo));
  CHECK(!is_echo_reply(request, false, {0x0102, 3, 1}));
  CHECK(!is_echo_reply("", false, echo));
  std::string datagram(20, '\0');
  datagram[0] = '\x45';
  CHECK(without_ip_header(datagram + request) == request);
  CHECK(without_ip_header("\x4f") == "");
  CHECK(make_echo_request(echo, true)[0] == static_cast<char>(128));
}

}  // namespace tocsin::agent
