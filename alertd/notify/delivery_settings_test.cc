#include "alertd/notify/delivery_settings.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "alertd/notify/receivers.h"
#include "alertd/notify/template_check.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::notify {
namespace {

struct Read {
  NotifySettings settings;
  std::string errors;
};

Read read(const std::string& text) {
  const config::Source source{"alertd.toml", text};
  base::Diagnostics diagnostics;
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Table root(context, &document);
  Read result;
  result.settings = read_notify_settings(root);
  root.finish();
  for (const base::Diagnostic& one : diagnostics) {
    if (one.severity == base::DiagnosticSeverity::Error) {
      result.errors += fmt::format("{}:{}: {}\n", one.line, one.column, one.message);
    }
  }
  return result;
}

std::string two_receivers(const std::string& of_receiver, const std::string& of_channel,
                          const std::string& notify = "") {
  return "[notify]\n" + notify + "\n[[receiver]]\nname = \"ops\"\n" + of_receiver +
         "\n[[receiver.webhook]]\nurl = \"https://a.example.org/\"\n" + of_channel +
         "\n[[receiver]]\nname = \"backup\"\n[[receiver.webhook]]\n"
         "url = \"https://b.example.org/\"\n";
}

TEST_CASE("failover: of a channel, of all channels of a receiver, and what is wrong with one") {
  const Read good =
      read(two_receivers("failover = \"backup/webhook\"",
                         "failover_after = 7\nbreaker_failures = 0\nsummary = false"));
  CHECK(good.errors == "");
  const DeliverySettings& delivery = good.settings.receivers[0].channels[0].delivery;
  CHECK(delivery.failover == "backup/webhook");
  CHECK(delivery.failover_after == 7);
  CHECK(delivery.breaker_failures == 0);
  CHECK_FALSE(delivery.summary);
  CHECK(good.settings.receivers[1].channels[0].delivery.failover.empty());
  CHECK(read(two_receivers("", "failover = \"backup/webhok\"")).errors ==
        "8:12: failover \"backup/webhok\" is not configured; did you mean \"backup/webhook\"?\n");
  CHECK(read(two_receivers("failover = \"ops/webhook\"", "")).errors ==
        "5:12: failover \"ops/webhook\" is of the same receiver: it gets every message anyway\n");
  CHECK(read(two_receivers("", "failover = \"backup\"")).errors ==
        "8:12: failover \"backup\" is no channel\n");
}

TEST_CASE("what holds for all channels: fallback, proof, unsent resolves") {
  const Read good = read(two_receivers("", "",
                                       "fallback = \"backup\"\nproof = \"09:30\"\n"
                                       "proof_time_zone = \"Europe/Berlin\"\n"
                                       "resolved_unsent = \"send\""));
  CHECK(good.errors == "");
  const DeliveryPolicy& policy = good.settings.delivery;
  CHECK(policy.fallback == "backup");
  REQUIRE(policy.proof);
  CHECK(policy.proof->at == std::chrono::minutes(9 * 60 + 30));
  CHECK(policy.proof->zone.name() == "Europe/Berlin");
  CHECK(policy.unsent_resolved == UnsentResolved::Send);
  CHECK_FALSE(read("").settings.delivery.proof);
  CHECK(read(two_receivers("", "", "fallback = \"backap\"")).errors ==
        "2:12: fallback: there is no receiver 'backap'\n");
  CHECK(read(two_receivers("", "", "proof = \"25:00\"")).errors ==
        "2:9: proof \"25:00\" is no time of the day\n");
}

TEST_CASE("a template is run over samples before it is taken") {
  CHECK(check_message_template("{{ range .Alerts }}{{ .Labels.host }}{{ end }}", {}));
  const auto unknown = check_message_template("a\n{{ template \"gone\" . }}", {});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("gone") != std::string::npos);
  CHECK(check_message_template("{{ template \"known\" . }}", {"{{ define \"known\" }}x{{ end }}"}));
  CHECK_FALSE(check_message_template("{{ len 3 }}", {}));
}

}  // namespace
}  // namespace tocsin::notify
