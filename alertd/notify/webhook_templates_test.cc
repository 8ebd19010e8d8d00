// Payloads and addresses of webhooks that templates make; reading the pagers of alertd.toml.

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "alertd/notify/channels.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::notify {
namespace {

struct Read {
  NotifySettings settings;
  std::string errors;
};

Read read(const std::string& text) {
  const auto files = base::make_real_file_system();
  const config::Source source{"alertd.toml", text};
  base::Diagnostics diagnostics;
  config::Context context{source, diagnostics, *files};
  const config::Node root = config::parse_toml(source, diagnostics);
  config::Table table(context, &root);
  Read result{read_notify_settings(table), ""};
  table.finish();
  for (const base::Diagnostic& one : diagnostics) {
    if (one.severity != base::DiagnosticSeverity::Error) continue;
    result.errors += fmt::format("{}:{}: {}\n", one.line, one.column, one.message);
  }
  return result;
}

struct Sent {
  Outcome outcome;
  std::vector<net::HttpRequest> requests;
};

Sent send(const std::string& webhook, const incident::Notification& notification) {
  Read settings = read("[[receiver]]\nname = \"ops\"\n[[receiver.webhook]]\n" + webhook);
  REQUIRE(settings.errors == "");
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  FakeHttp http;
  FakeMail mail;
  base::Metrics metrics;
  const auto channel = make_channel(settings.settings.receivers.at(0).channels.at(0),
                                    settings.settings, {executor, http, mail, metrics, "host"});
  Sent sent;
  channel->send(notification, {}, [&](Outcome outcome) { sent.outcome = std::move(outcome); });
  executor.run_ready();
  sent.requests = http.requests;
  return sent;
}

TEST_CASE("a payload of one's own, and the built-in one when it is not JSON") {
  const Sent good = send(R"(url = "https://h.example.org/"
payload = '{"a": {{ .CommonLabels.host | toJson }}, "n": {{ len .Alerts }}}'
)",
                         sample_notification());
  CHECK(good.requests.at(0).body == R"({"a": "db1", "n": 1})");
  CHECK(good.outcome.text == "HTTP 200");
  incident::Notification odd = sample_notification();
  odd.common_labels = with(odd.common_labels, "host", "db\"1");
  const Sent bad = send(R"(url = "https://h.example.org/"
payload = '{"a": "{{ .CommonLabels.host }}"}'
)",
                        odd);
  CHECK(bad.outcome.verdict == Verdict::Delivered);
  CHECK(bad.outcome.text ==
        "HTTP 200; the payload's template did not give JSON: the built-in payload was sent");
  CHECK(bad.requests.at(0).body.find("\"version\":\"4\"") != std::string::npos);
}

TEST_CASE("templates fill an address behind its host, and can lead nowhere else") {
  const Sent good =
      send("url = \"https://h.example.org/{{ .CommonLabels.host | urlquery }}?s={{ .Status }}\"\n",
           sample_notification());
  CHECK(good.requests.at(0).url == "https://h.example.org/db1?s=firing");
  incident::Notification odd = sample_notification();
  odd.common_labels = with(odd.common_labels, "host", "a b\r\nX: y");
  const Sent bad = send("url = \"https://h.example.org/{{ .CommonLabels.host }}\"\n", odd);
  CHECK(bad.requests.empty());
  CHECK(bad.outcome.verdict == Verdict::Permanent);
  CHECK(bad.outcome.text == "the URL's template failed: it is not a URL");
  for (const char* url : {"https://{{ .CommonLabels.host }}/", "https://h{{ .Status }}.org/",
                          "https://h.org{{ .Status }}", "{{ .ExternalURL }}/x"}) {
    CAPTURE(url);
    CHECK(read(fmt::format("[[receiver]]\nname = \"a\"\n[[receiver.webhook]]\nurl = \"{}\"\n", url))
              .errors.find("4:7: url must not take its host from a template") != std::string::npos);
  }
}

TEST_CASE("pagers are read with their defaults") {
  const Read result = read(R"(
[notify]
allow_commands = true
[[receiver]]
name = "ops"
[[receiver.pagerduty]]
routing_key = "r"
[[receiver.opsgenie]]
api_key = "k"
url = "https://api.eu.opsgenie.com/"
responders = ["team:dba"]
[[receiver.ntfy]]
topic = "ops"
[[receiver.pushover]]
token = "t"
user = "u"
[[receiver.twilio]]
account_sid = "AC1"
auth_token = "t"
from = "+49151"
to = "+49170"
[[receiver.kannel]]
url = "http://127.0.0.1:13013/cgi-bin/sendsms"
user = "u"
password = "p"
to = ["+49170", "49171"]
[[receiver.alertmanager]]
urls = ["http://am1:9093/", "http://am2:9093"]
[[receiver.command]]
command = ["/bin/true", "x"]
)");
  CHECK(result.errors == "");
  const auto& channels = result.settings.receivers.at(0).channels;
  REQUIRE(channels.size() == 8);
  CHECK(std::get<PagerDutySettings>(channels[0].kind).url ==
        "https://events.pagerduty.com/v2/enqueue");
  CHECK(std::get<OpsgenieSettings>(channels[1].kind).url == "https://api.eu.opsgenie.com");
  CHECK(std::get<NtfySettings>(channels[2].kind).url == "https://ntfy.sh");
  CHECK(std::get<PushoverSettings>(channels[3].kind).retry == base::Duration{60'000});
  CHECK(std::get<TwilioSettings>(channels[4].kind).sms.segments_max == 3);
  CHECK(std::get<AlertmanagerSettings>(channels[6].kind).urls.at(0) == "http://am1:9093");
  CHECK(std::get<CommandSettings>(channels[7].kind).command.at(1) == "x");
}

TEST_CASE("mistakes in pagers, each with its place") {
  const Read result = read(R"(
[[receiver]]
name = "ops"
[[receiver.pagerduty]]
[[receiver.opsgenie]]
api_key = "k"
responders = ["dba"]
[[receiver.ntfy]]
topic = "a/b"
user = "u"
[[receiver.pushover]]
token = "t"
user = "u"
retry = "5s"
expire = "9h"
[[receiver.twilio]]
account_sid = "A/C"
auth_token = "t"
from = "x"
to = "{{ .CommonLabels.owner }}"
[[receiver.alertmanager]]
urls = ["http://am1:9093/api/v2/alerts"]
keep = "1m"
[[receiver.command]]
command = ["page", "{{ .Status }}"]
)");
  CHECK(result.errors ==
        "4:1: 'routing_key' is missing\n"
        "7:14: responder \"dba\" is not TYPE:NAME\n"
        "9:9: a topic is 1 to 64 letters, digits, '-' and '_'\n"
        "10:8: user and password belong together\n"
        "14:9: retry must be at least 30s: Pushover refuses less\n"
        "15:10: expire must be at most 3h, and not below retry\n"
        "17:15: account_sid holds only letters and digits\n"
        "20:6: to: \"{{ .CommonLabels.owner }}\" is not a telephone number\n"
        "22:8: urls name the peers without the path /api/v2\n"
        "23:8: keep must be at least three times resend\n"
        "25:11: \"page\" is not an absolute path\n"
        "25:11: arguments are fixed: templates are not expanded\n"
        "25:11: commands are off\n");
}

}  // namespace
}  // namespace tocsin::notify
