#include "agent/emergency/emergency_settings.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::agent {
namespace {

constexpr base::Duration kAfterMin{3'000};
constexpr base::Duration kRepeatMin{60'000};

}  // namespace

std::optional<EmergencySettings> read_emergency_settings(config::Table table,
                                                         base::Duration interval) {
  EmergencySettings settings;
  // Web hooks keep their secret in the path.
  if (table.has("url_file") || table.has("url_credential")) {
    if (const auto url = table.secret("url")) settings.url = url->reveal();
  } else {
    settings.url = table.string("url", "");
  }
  const std::string format = table.one_of("format", "webhook", {"webhook", "slack", "text"});
  settings.format = format == "slack"  ? EmergencyFormat::Slack
                    : format == "text" ? EmergencyFormat::Text
                                       : EmergencyFormat::Webhook;
  if (auto token = table.secret("token")) settings.token = std::move(*token);
  settings.tls.ca_file = table.string("ca_file", "");
  settings.times.after = table.duration("after", settings.times.after);
  const base::Duration least = std::max(kAfterMin, 3 * interval);
  if (settings.times.after < least) {
    table.error("after", fmt::format("after must be at least {}: three rounds of the agent",
                                     base::format_duration(least)));
  }
  settings.times.repeat = table.duration("repeat", settings.times.repeat);
  if (settings.times.repeat < kRepeatMin) table.error("repeat", "repeat must be at least 1m");
  if (!settings.url.empty() && !settings.url.starts_with("http://") &&
      !settings.url.starts_with("https://")) {
    table.error("url", "the url is no http:// or https:// address",
                "for example https://ntfy.example.org/oncall, with format = \"text\"");
  }
  table.finish();
  if (settings.url.empty()) return std::nullopt;
  return settings;
}

}  // namespace tocsin::agent
