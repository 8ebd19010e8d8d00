// Journeys: what one page says goes into the next, and how their settings are checked.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "agent/collectors/probe/journey.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

/// Reads one probe; its mistakes go to `messages`.
ProbeSettings read(const std::string& text, std::string* messages = nullptr) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  config::Table table(context, &document);
  auto all = read_probe_settings(table, base::Duration(10'000));
  table.finish();
  if (messages != nullptr) {
    for (const auto& each : diagnostics) *messages += each.message + "\n";
  }
  return all.empty() ? ProbeSettings{} : all.front();
}

std::string mistakes(const std::string& pages, const std::string& probe = {}) {
  std::string messages;
  read("[[probe]]\nname = \"j\"\nurl = \"https://app.example/\"\n" + probe + pages, &messages);
  return messages;
}

HttpExchange page_of(std::string url, std::string body, const char* type = "text/html") {
  HttpExchange exchange;
  exchange.url = std::move(url);
  exchange.answer.status = 200;
  exchange.answer.headers = {{"content-type", type}};
  exchange.answer.body = std::move(body);
  return exchange;
}

std::optional<std::string> no_cookie(const std::string&) {
  return std::nullopt;
}

constexpr const char* kLogin = R"toml(
[[probe]]
name = "login"
url = "https://app.example/"
headers = { X-Probe = "1" }
basic_user = "gate"
basic_password = "open"
[[probe.page]]
name = "form"
url = "/login/?next=/"
take = { token = 'name="csrfmiddlewaretoken" value="([^"]+)"' }
take_cookie = { csrf = "csrftoken" }
[[probe.page]]
name = "log in"
url = "/login/"
secret = "p&ss w"
form = { csrfmiddlewaretoken = "${token}", username = "probe", password = "${secret}" }
headers = { X-CSRFToken = "${csrf}" }
[[probe.page]]
name = "look"
url = "grades?of=${token}"
body_match = ["Grades of"]
)toml";

}  // namespace

TEST_CASE("journey: a log-in as Django wants it") {
  const ProbeSettings settings = read(kLogin);
  REQUIRE(settings.pages.size() == 3);
  Journey journey(settings);
  const auto form = journey.request(settings.pages[0]);
  REQUIRE(form.has_value());
  CHECK(form->url == "https://app.example/login/?next=/");
  CHECK(form->method == "GET");
  CHECK(form->user == "gate");
  CHECK(form->headers == net::Headers{{"X-Probe", "1"}});
  CHECK(journey.referer(form->url).empty());
  const auto early = journey.request(settings.pages[1]);
  REQUIRE(!early.has_value());
  CHECK(early.error().detail == "nothing was taken as 'csrf'");

  const auto arrived = journey.arrived(
      settings.pages[0],
      page_of("https://app.example/login/?next=/#top",
              R"(<input type="hidden" name="csrfmiddlewaretoken" value="a&amp;b&#x27;c">)"),
      [](const std::string& name) {
        return name == "csrftoken" ? std::optional("cookie") : std::nullopt;
      });
  CHECK(!arrived);
  const auto log_in = journey.request(settings.pages[1]);
  REQUIRE(log_in.has_value());
  CHECK(log_in->method == "POST");
  CHECK(log_in->body == "csrfmiddlewaretoken=a%26b%27c&password=p%26ss%20w&username=probe");
  CHECK(log_in->headers == net::Headers{{"X-Probe", "1"},
                                        {"X-CSRFToken", "cookie"},
                                        {"Content-Type", "application/x-www-form-urlencoded"}});
  CHECK(journey.referer(log_in->url) == "https://app.example/login/?next=/");
  CHECK(journey.referer("http://app.example/login/").empty());

  CHECK(!journey.arrived(settings.pages[1], page_of("https://app.example/home/", "hello"),
                         no_cookie));
  CHECK(journey.request(settings.pages[2])->url == "https://app.example/home/grades?of=a%26b%27c");
}

TEST_CASE("journey: what is not there, and where secrets and credentials do not go") {
  const ProbeSettings settings = read(kLogin);
  Journey journey(settings);
  const auto gone =
      journey.arrived(settings.pages[0], page_of("https://app.example/", "500"), no_cookie);
  REQUIRE(gone);
  CHECK(gone->reason == ProbeReason::Body);
  CHECK(gone->detail.find("'token' is not in the body") == 0);
  const std::string body = R"(name="csrfmiddlewaretoken" value="t")";
  const auto bare =
      journey.arrived(settings.pages[0], page_of("https://app.example/", body), no_cookie);
  REQUIRE(bare);
  CHECK(bare->detail == "no cookie 'csrftoken' was set");

  const auto cookie = [](const std::string&) { return std::optional<std::string>("c\r\nEvil: 1"); };
  CHECK(!journey.arrived(settings.pages[0], page_of("https://app.example/", body), cookie));
  const auto split = journey.request(settings.pages[1]);
  REQUIRE(!split.has_value());
  CHECK(split.error().detail == "what was taken as 'csrf' cannot stand in a header");
  // A redirect to elsewhere: the next relative address is of elsewhere.
  CHECK(!journey.arrived(settings.pages[0], page_of("https://evil.example/", body),
                         [](const std::string&) { return std::optional<std::string>("c"); }));
  const auto elsewhere = journey.request(settings.pages[1]);
  REQUIRE(!elsewhere.has_value());
  CHECK(elsewhere.error().detail ==
        "a redirect led to https://evil.example, which is not told the secret");
  const auto third = journey.request(settings.pages[2]);
  REQUIRE(third.has_value());
  CHECK(third->url == "https://evil.example/grades?of=t");
  CHECK(third->user.empty());
  CHECK(third->headers.empty());
}

TEST_CASE("journey: characters of HTML, and of JSON as they are") {
  CHECK(unescape_html("a&amp;b&lt;&gt;&quot;&#39;&#x2F;&#X2f;") == "a&b<>\"'//");
  CHECK(unescape_html("&euro;&#0;&#300;&;&#;&#x;& &amp") == "&euro;&#0;&#300;&;&#;&#x;& &amp");
  const ProbeSettings settings = read(kLogin);
  Journey journey(settings);
  CHECK(
      !journey.arrived(settings.pages[0],
                       page_of("https://app.example/",
                               R"(name="csrfmiddlewaretoken" value="a&amp;b")", "application/json"),
                       [](const std::string&) { return std::optional<std::string>("c"); }));
  CHECK(journey.request(settings.pages[1])->body.find("a%26amp%3Bb") != std::string::npos);
}

TEST_CASE("journey: mistakes of the settings") {
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\n") == "");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/${x}\"\n") ==
        "nothing is taken as 'x' before this page\n");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\nbody = \"${secret}\"\n") ==
        "nothing is taken as 'secret' before this page\n");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/${x\"\n").find("'${' begins a name") == 0);
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\ntake = { t = \"value=.*\" }\n") ==
        "'value=.*' has no group in parentheses: what is to be taken\n");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\n[[probe.page]]\nname = \"a\"\nurl = "
                 "\"/\"\n") == "two pages are called 'a'\n");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"ftp://x/\"\n") ==
        "'ftp://x' is no http:// or https:// address\n");
  CHECK(
      mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\nbody = \"x\"\nform = { a = \"b\" }\n") ==
      "form and body exclude each other\n");
  CHECK(mistakes("[[probe.page]]\nname = \"a\"\nurl = \"/\"\n", "status = [\"200\"]\n") ==
        "'status' of a journey belongs to one of its pages\n");
}

TEST_CASE("journey: Strict-Transport-Security") {
  const auto seconds = [](const char* value) {
    net::HttpResponse answer;
    if (value != nullptr) answer.headers = {{"strict-transport-security", value}};
    return hsts_seconds(answer);
  };
  CHECK(seconds("max-age=31536000; includeSubDomains") == 31536000);
  CHECK(seconds("includeSubDomains ; Max-Age=\"60\"") == 60);
  CHECK(seconds("max-age=0") == 0);
  CHECK(seconds("max-age=soon") == 0);
  CHECK(seconds(nullptr) == 0);
}

}  // namespace tocsin::agent
