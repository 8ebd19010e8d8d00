#include "alertd/bulletin/send_settings.h"

#include <fmt/format.h>

#include <set>

#include "common/base/strings.h"

namespace tocsin::bulletin {
namespace {

using Receivers = std::map<std::string, std::vector<std::string>>;

constexpr std::size_t kReportsMax = 50;

void read_receiver(config::Table& table, const Receivers& receivers, const Receivers& quiet,
                   SendSettings& settings) {
  settings.receiver = table.required_string("receiver");
  if (settings.receiver.empty()) return;
  if (!receivers.contains(settings.receiver)) {
    const auto names = base::keys_of(receivers);
    const auto close = base::closest(settings.receiver, names);
    table.error("receiver", fmt::format("no receiver '{}'", settings.receiver),
                close ? "did you mean '" + *close + "'?" : "");
    return;
  }
  if (const auto found = quiet.find(settings.receiver); found != quiet.end()) {
    settings.channels = found->second;
  }
  if (settings.channels.empty()) {
    table.error("receiver",
                fmt::format("'{}' has only channels that wake people", settings.receiver),
                "reports go by mail, chat or webhook");
  }
}

}  // namespace

std::vector<SendSettings> read_send_settings(config::Table& report, const Receivers& receivers,
                                             const Receivers& quiet) {
  std::vector<SendSettings> all;
  std::set<std::string> names;
  for (config::Table& table : report.tables("send")) {
    SendSettings settings;
    settings.kind =
        parse_kind(
            table.one_of("kind", "daily", {"daily", "weekly", "monthly", "compliance", "capacity"}))
            .value_or(Kind::Daily);
    settings.name = table.string("name", to_string(settings.kind));
    if (!names.insert(settings.name).second) {
      table.error("name", fmt::format("two reports are named '{}'", settings.name),
                  "give each a name");
    }
    if (const std::string text = table.required_string("schedule"); !text.empty()) {
      const auto schedule = Schedule::parse(text);
      if (schedule) {
        settings.schedule = *schedule;
      } else {
        table.error("schedule", schedule.error().message);
      }
    }
    // Without it "07:30" would mean UTC to one and the morning to the other.
    if (const std::string zone = table.required_string("timezone"); !zone.empty()) {
      const auto found = timezone::Zone::find(zone);
      if (found) {
        settings.zone = *found;
      } else {
        table.error("timezone", found.error().message);
      }
    }
    settings.schedule_text = table.string("schedule", "") + " " + table.string("timezone", "");
    read_receiver(table, receivers, quiet, settings);
    const auto format = parse_format(table.one_of("format", "html", {"html", "markdown", "text"}));
    settings.format = format.value_or(Format::Html);
    table.finish();
    all.push_back(std::move(settings));
  }
  if (all.size() > kReportsMax) {
    report.error("send", fmt::format("{} reports, limit {}", all.size(), kReportsMax));
  }
  return all;
}

}  // namespace tocsin::bulletin
