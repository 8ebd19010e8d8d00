#include "agent/collectors/blocking/server_settings.h"

#include <fmt/format.h>

namespace tocsin::agent {

base::Duration read_round_timeout(config::Table& table, base::Duration usual,
                                  base::Duration interval) {
  const base::Duration timeout = table.duration("timeout", std::min(usual, interval * 4 / 5));
  if (timeout < base::Duration{100} || timeout >= interval) {
    table.error("timeout",
                fmt::format("timeout must be at least 100ms and less than the interval {}",
                            base::format_duration(interval)));
  }
  return timeout;
}

}  // namespace tocsin::agent
