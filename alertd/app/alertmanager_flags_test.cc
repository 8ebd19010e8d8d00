#include "alertd/app/alertmanager_flags.h"

#include <doctest/doctest.h>

namespace tocsin::alertd {
namespace {

base::Result<AlertmanagerFlags> parse(std::vector<std::string_view> arguments) {
  return parse_alertmanager_flags(arguments);
}

TEST_CASE("both ways to write a flag, repeated peers, what does nothing") {
  const auto flags =
      parse({"--config.file=am.yml", "--storage.path", "/var/lib/am", "--cluster.peer=a:1",
             "--cluster.peer", "b:2", "--log.level=warn",
             "--cluster.listen-address=", "--alerts.gc-interval=10m", "--no-auto-gomemlimit",
             "--data.retention=1d", "--web.route-prefix=/am/"});
  REQUIRE(flags);
  CHECK(flags->config_file == "am.yml");
  CHECK(flags->storage_path == "/var/lib/am");
  CHECK(flags->cluster_peers == std::vector<std::string>{"a:1", "b:2"});
  CHECK(flags->cluster_listen.empty());
  CHECK(flags->log_level == base::LogLevel::Warning);
  CHECK(flags->retention == base::Duration(std::chrono::hours(24)));
  CHECK(flags->ignored == std::vector<std::string>{"alerts.gc-interval", "no-auto-gomemlimit"});
  CHECK(normal_prefix(*flags->route_prefix) == "/am");
  CHECK(parse({})->listen_address == ":9093");
  CHECK(parse({"--version"})->version);
}

TEST_CASE("mistakes are named") {
  const auto message = [](std::vector<std::string_view> arguments) {
    const auto flags = parse(std::move(arguments));
    return flags ? std::string() : flags.error().message;
  };
  CHECK(message({"--cluster.peers=a:1"}) ==
        "unknown flag '--cluster.peers'; did you mean '--cluster.peer'?");
  CHECK(message({"--what.ever.it.is=1"}) == "unknown flag '--what.ever.it.is'; see --help");
  CHECK(message({"--config.file"}) == "--config.file wants a value");
  CHECK(message({"--web.config.file=x"}).starts_with("--web.config.file is not served: "));
  CHECK(message({"--cluster.peer=a"}) == "--cluster.peer: 'a' is not host:port");
  CHECK(message({"--log.level=loud"}).ends_with("none of debug, info, warn, error"));
  CHECK(message({"--data.retention=soon"}).starts_with("--data.retention: "));
  CHECK(message({"word"}) == "unexpected argument 'word'; see --help");
}

TEST_CASE("which mode, and addresses") {
  const std::vector<std::string_view> ours{"--config", "alertd.toml"};
  const std::vector<std::string_view> theirs{"--config.file=a.yml"};
  const std::vector<std::string_view> path{"--config=a.b.toml"};
  CHECK_FALSE(is_alertmanager_command_line(ours));
  CHECK_FALSE(is_alertmanager_command_line(path));
  CHECK(is_alertmanager_command_line(theirs));
  CHECK(listen_text(":9093") == "0.0.0.0:9093");
  CHECK(listen_text("127.0.0.1:1") == "127.0.0.1:1");
  CHECK(path_of_url("http://host:9093/alert/manager/") == "/alert/manager");
  CHECK(path_of_url("http://host:9093") == "");
}

}  // namespace
}  // namespace tocsin::alertd
