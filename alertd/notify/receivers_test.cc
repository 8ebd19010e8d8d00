#include "alertd/notify/receivers.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "alertd/notify/pacing.h"
#include "common/base/strings.h"
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
    const bool error = one.severity == base::DiagnosticSeverity::Error;
    result.errors +=
        fmt::format("{}:{}: {}{}\n", one.line, one.column, error ? "" : "warning: ", one.message);
  }
  return result;
}

const char* const kGood = R"(
[smtp]
host = "mail.example.org"
from = "tocsin@example.org"
[notify]
deadline = { critical = "48h", low = "1h" }
[[receiver]]
name = "ops"
[[receiver.email]]
to = ["a@example.org", "b@example.org"]
title = "{{ .Status }}"
[[receiver.webhook]]
url = "https://hooks.example.org/x"
max_alerts = 10
send_resolved = false
[[receiver.webhook]]
url = "http://127.0.0.1:9/y"
headers = { X-Team = "dba" }
[[receiver.slack]]
name = "chat"
url = "https://hooks.example.org/T0"
)";

TEST_CASE("receivers are read with their defaults") {
  const Read result = read(kGood);
  CHECK(result.errors == "21:7: warning: url is written into the configuration\n");
  CHECK(receiver_names(result.settings) == std::vector<std::string>{"ops"});
  CHECK(channels_by_receiver(result.settings).at("ops") ==
        std::vector<std::string>{"email", "webhook", "webhook-2", "chat"});
  const auto& channels = result.settings.receivers[0].channels;
  const auto& email = std::get<EmailSettings>(channels[0].kind);
  CHECK(email.server.port == 587);
  CHECK(email.from == "tocsin@example.org");
  CHECK(channels[0].templates.title == "{{ .Status }}");
  CHECK(channels[0].receiver == "ops");
  CHECK(std::get<WebhookSettings>(channels[1].kind).alerts_max == 10);
  CHECK_FALSE(channels[1].send_resolved);
  CHECK(std::get<SlackSettings>(channels[3].kind).url.reveal() == "https://hooks.example.org/T0");
  CHECK(result.settings.deadlines[3] == std::chrono::hours(48));
  CHECK(result.settings.deadlines[0] == std::chrono::hours(1));
  CHECK(read("").errors.empty());
}

TEST_CASE("mistakes, all at once") {
  const Read result = read(R"(
[[receiver]]
name = "ops"
[[receiver.email]]
to = ["{{ .Labels.owner }}"]
[[receiver.webhook]]
url = "ftp://x"
title = "x"
[[receiver.webhook]]
name = "webhook"
url = "https://user:pw@x/"
headers = { "X-Tocsin-Signature" = "forged" }
[[receiver.slack]]
text = "{{ nope }}"
[[receiver]]
name = "ops"
)");
  CHECK(result.errors ==
        "5:6: mail needs a server\n"
        "5:6: to: \"{{ .Labels.owner }}\" is not a mail address\n"
        "7:7: url must begin with https:// or http://\n"
        "8:1: unknown key 'title' in [[receiver.webhook]]\n"
        "11:7: url must not contain user or password\n"
        "12:11: header X-Tocsin-Signature is set by tocsin itself\n"
        "10:8: receiver 'ops' has two channels named 'webhook'\n"
        "13:1: 'url' is missing\n"
        "14:12: text: function \"nope\" not defined; did you mean \"now\"?\n"
        "16:8: receiver 'ops' is defined twice\n"
        "16:8: warning: receiver 'ops' has no channel: it tells nobody\n");
}

TEST_CASE("chat channels are read, with the products' own limits as defaults") {
  const Read result = read(R"(
[[receiver]]
name = "ops"
[[receiver.slack]]
token = "xoxb-1"
channel = "#ops"
[[receiver.telegram]]
token = "1:a"
chat_id = "-100"
rate_per_minute = 20
[[receiver.matrix]]
homeserver_url = "https://m.example.org/"
token = "t"
room_id = "!r:example.org"
[[receiver.mattermost]]
server_url = "https://mm.example.org"
token = "t"
channel_id = "abcdefghijklmnopqrstuvwxyz"
[[receiver.irc]]
server = "irc.example.org"
target = "#ops"
[[receiver.xmpp]]
jid = "tocsin@example.org"
password = "p"
room = "ops@conference.example.org"
)");
  for (const auto& line : base::split(result.errors, '\n')) {
    CHECK((line.empty() || line.find("is written into the configuration") != line.npos));
  }
  const auto& channels = result.settings.receivers.at(0).channels;
  REQUIRE(channels.size() == 6);
  CHECK(std::get<SlackApiSettings>(channels[0].kind).api_url == "https://slack.com/api");
  CHECK(channels[0].rate.per_minute == 30);
  CHECK(channels[0].name == "slack");
  CHECK(std::get<MattermostSettings>(channels[1].kind).channel_id.size() == 26);
  CHECK(channels[2].rate.per_minute == 20);
  CHECK(channels[2].rate.burst == 10);
  CHECK(std::get<MatrixSettings>(channels[3].kind).homeserver_url == "https://m.example.org");
  CHECK(std::get<IrcSettings>(channels[4].kind).server.address.port == 6697);
  CHECK(channels[4].in_flight_max == 1);
  CHECK(std::get<XmppSettings>(channels[5].kind).is_room);
}

TEST_CASE("mistakes in chat channels") {
  const auto errors = [](const std::string& text) {
    std::string out;
    const std::string all = read("[[receiver]]\nname = \"a\"\n" + text).errors;
    for (const std::string_view line : base::split(all, '\n')) {
      if (line.find("written into the configuration") == line.npos && !line.empty()) {
        out += std::string(line) + "\n";
      }
    }
    return out;
  };
  CHECK(errors("[[receiver.slack]]\ntoken = \"x\"\nurl = \"https://h/\"\nchannel = \"c\"\n") ==
        "5:7: a webhook's url and a bot's token exclude each other\n");
  CHECK(errors("[[receiver.slack]]\ntoken = \"x y\"\nchannel = \"c\"\n") ==
        "4:9: token holds a character that no such token has\n");
  CHECK(errors("[[receiver.telegram]]\ntoken = \"x\"\nchat_id = \"ops\"\n") ==
        "5:11: chat_id is a number or a channel's @name\n");
  CHECK(errors("[[receiver.matrix]]\nhomeserver_url = \"https://m\"\ntoken = \"x\"\n"
               "room_id = \"#a:b\"\n") ==
        "6:11: room_id begins with '!': the room's internal id, not its address\n");
  CHECK(errors("[[receiver.teams]]\nurl = \"https://u:p@h/\"\n") ==
        "4:7: url must not contain user or password\n");
  CHECK(errors("[[receiver.zulip]]\nserver_url = \"https://z\"\nemail = \"e\"\nstream = \"s\"\n"
               "topick = \"t\"\n") ==
        "3:1: 'api_key' is missing\n7:1: unknown key 'topick' in [[receiver.zulip]]; did you mean "
        "'topic'?\n");
  CHECK(errors("[[receiver.irc]]\nserver = \"h\"\ntarget = \"#a b\"\n") ==
        "5:10: target \"#a b\" has a character that IRC does not take\n");
  CHECK(errors("[[receiver.irc]]\nserver = \"h:70000\"\ntarget = \"#a\"\nuser = \"u\"\n"
               "tls = false\npassword = \"p\"\n")
            .find("a user's password must not go over an unencrypted connection") !=
        std::string::npos);
  CHECK(errors("[[receiver.xmpp]]\njid = \"tocsin\"\npassword = \"p\"\n") ==
        "3:1: either 'to' (a person) or 'room' is needed\n"
        "4:7: jid \"tocsin\" is not an XMPP address\n");
}

TEST_CASE("link-local targets and passwords in clear are refused") {
  const auto webhook = [](const std::string& url) {
    return read("[[receiver]]\nname = \"a\"\n[[receiver.webhook]]\nurl = \"" + url + "\"\n").errors;
  };
  for (const char* url :
       {"http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.1.1]/"}) {
    CAPTURE(url);
    CHECK(webhook(url) == "4:7: url is a link-local address\n");
  }
  CHECK(webhook("http://10.0.0.1:80/x").empty());
  CHECK(read("[smtp]\nhost = \"h\"\nfrom = \"a@b\"\ntls = \"none\"\nuser = \"u\"\n"
             "password = \"p\"\n")
            .errors.find("a password must not go over an unencrypted connection") !=
        std::string::npos);
}

TEST_CASE("retry delays: full jitter between 1 s and a bound that doubles to 5 min") {
  const auto random = base::make_seeded_random(7);
  for (std::uint32_t attempt = 1; attempt < 40; ++attempt) {
    // 2, 4, 8, ... 256, then 300 seconds.
    const std::int64_t bound = attempt >= 9 ? 300'000 : (1LL << attempt) * 1000;
    for (int i = 0; i < 50; ++i) {
      const base::Duration delay = retry_delay(attempt, base::Duration{0}, *random);
      CHECK(delay >= base::Duration{1000});
      CHECK(delay <= base::Duration{bound});
    }
  }
  CHECK(retry_delay(1, base::Duration{60'000}, *random) == base::Duration{60'000});
  CHECK(retry_delay(1, std::chrono::hours(48), *random) == base::Duration{3'600'000});
}

TEST_CASE("token bucket: rate, burst, and a share for Critical") {
  const base::MonotonicTime start{};
  // 10 a burst, 3 of them reserved, 60 a minute.
  TokenBucket bucket({60, 10, 0.3}, start);
  int normal = 0;
  while (bucket.take(start, false)) ++normal;
  CHECK(normal == 7);
  int critical = 0;
  while (bucket.take(start, true)) ++critical;
  CHECK(critical == 3);
  CHECK(bucket.wait(start, true) == base::Duration{1000});
  CHECK(bucket.wait(start, false) == base::Duration{4000});
  CHECK(bucket.take(start + std::chrono::seconds(1), true));
  CHECK_FALSE(bucket.take(start + std::chrono::seconds(4), false));
  CHECK(bucket.take(start + std::chrono::seconds(5), false));
  TokenBucket single({60, 1, 0.3}, start);
  CHECK(single.take(start, false));
}

}  // namespace
}  // namespace tocsin::notify
