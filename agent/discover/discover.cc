#include "agent/discover/discover.h"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "agent/collectors/redis/redis_connection.h"
#include "agent/discover/proposals.h"
#include "common/base/strings.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTrialTimeout{1'000};
constexpr mode_t kFileMode = 0640;
constexpr const char* kHelp = R"(Usage: tocsin-agent discover [--output FILE]

Looks at this host (processes, sockets, well-known files) and proposes an agent.toml: what was
found, why, and which right is still missing. Changes nothing. As root it sees whose each socket is.

  --output FILE  write it there instead of printing it; an existing file is never overwritten
)";

std::string try_redis(const std::string& text) {
  RedisAddress address;
  const std::size_t colon = text.rfind(':');
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[')) address.host = address.host.substr(1, address.host.size() - 2);
  address.port = static_cast<int>(base::parse_u64(text.substr(colon + 1)).value_or(0));
  address.timeout = kTrialTimeout;
  const auto connection = RedisConnection::connect(address);
  if (!connection) return connection.error().message;
  const auto info = (*connection)->run({"INFO", "server"});
  return info ? std::string() : info.error().message;
}

std::string try_postgres(const std::string& dsn) {
  postgres::Settings settings;
  settings.dsn = dsn;
  settings.application_name = "tocsin-agent";
  settings.read_only = true;
  settings.connect_timeout = kTrialTimeout;
  const auto connection = postgres::Connection::connect(settings);
  return connection ? std::string() : connection.error().message;
}

std::string heading(const DiscoverWorld& world) {
  return fmt::format(
      "A proposal by `tocsin-agent discover` on {} at {}{}.\n"
      "Read it, correct it, then:  tocsin-agent --config FILE --check\n"
      "                            tocsin-agent --config FILE --once\n"
      "Every key with its default: the agent.toml that comes with the package",
      base::escape_control(world.host_name), base::format_rfc3339(world.clock.wall()),
      world.is_root ? "" : ", not as root: whose a socket is was mostly not to be seen");
}

}  // namespace

int run_discover(std::span<char*> words, const DiscoverWorld& world) {
  std::string output;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at];
    if (word == "--help" || word == "-h") return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
    if (word == "--output" && at + 1 < words.size()) {
      output = words[++at];
    } else if (word.starts_with("--output=")) {
      output = word.substr(9);
    } else {
      fmt::print(stderr, "tocsin-agent discover: unknown argument '{}'\n{}", word, kHelp);
      return 2;
    }
  }
  if (!output.empty() && world.files.exists(output)) {
    fmt::print(stderr, "tocsin-agent discover: '{}' exists and is not overwritten\n", output);
    return 1;
  }
  const HostLook look = look_at_host(world.files, HostPaths{});
  const Trials trials{world.files, try_redis, try_postgres};
  const std::string text = render_proposals(propose(look, trials), heading(world), world.accepts);
  if (output.empty()) return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0;
  if (const auto written = world.files.write_atomic(output, text, kFileMode); !written) {
    fmt::print(stderr, "tocsin-agent discover: {}\n", written.error().message);
    return 1;
  }
  fmt::print("written to {}; check it with: tocsin-agent --config {} --check\n", output, output);
  return 0;
}

}  // namespace tocsin::agent
