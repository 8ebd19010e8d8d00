#include "agent/collectors/nagios/nagios_settings.h"

#include <fmt/format.h>

#include "agent/collectors/blocking/server_settings.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kEveryMax{86'400'000};

NagiosCheckSettings read_one(config::Table& table, base::Duration interval) {
  NagiosCheckSettings check;
  check.name = table.required_string("name");
  check.command = table.strings("command");
  if (check.command.empty() || !check.command.front().starts_with('/')) {
    table.error("command", "command needs the absolute path of a program first",
                "command = [\"/usr/lib/nagios/plugins/check_disk\", \"-w\", \"20%\"]");
  }
  for (const auto& [name, value] : table.string_map("environment")) {
    check.environment[name] = value;
  }
  check.every = table.duration("every", std::max(check.every, interval));
  if (check.every < interval || check.every > kEveryMax) {
    table.error("every", fmt::format("every must be {} (the agent's interval) to 1d",
                                     base::format_duration(interval)));
  }
  check.timeout = table.duration("timeout", std::min(check.timeout, check.every));
  if (check.timeout < base::Duration{100} || check.timeout > check.every) {
    table.error("timeout", "timeout must be at least 100ms and at most every");
  }
  check.numbers_max = static_cast<std::size_t>(
      table.integer("numbers_max", static_cast<std::int64_t>(check.numbers_max), 0, 1'000));
  table.finish();
  return check;
}

}  // namespace

std::vector<NagiosCheckSettings> read_nagios_settings(config::Table& root,
                                                      base::Duration interval) {
  return read_servers(root, "check",
                      [&](config::Table& table) { return read_one(table, interval); });
}

}  // namespace tocsin::agent
