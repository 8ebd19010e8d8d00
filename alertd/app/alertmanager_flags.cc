#include "alertd/app/alertmanager_flags.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>

#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

using base::Result;
using Flags = AlertmanagerFlags;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

struct Flag {
  std::string_view name;
  std::function<Result<void>(Flags&, std::string_view)> set;
};

Flag text(std::string_view name, std::string Flags::*member) {
  return {name, [member](Flags& flags, std::string_view value) -> Result<void> {
            flags.*member = value;
            return base::ok();
          }};
}

Flag duration(std::string_view name, base::Duration Flags::*member) {
  return {name, [name, member](Flags& flags, std::string_view value) -> Result<void> {
            auto parsed = base::parse_duration(value);
            if (!parsed) return base::with_context(parsed.error(), fmt::format("--{}", name));
            flags.*member = *parsed;
            return base::ok();
          }};
}

Flag count(std::string_view name, std::size_t Flags::*member) {
  return {name, [name, member](Flags& flags, std::string_view value) -> Result<void> {
            const auto parsed = base::parse_u64(value);
            if (!parsed) return bad(fmt::format("--{}: '{}' is not a number", name, value));
            flags.*member = *parsed;
            return base::ok();
          }};
}

const std::vector<Flag>& known_flags() {
  static const std::vector<Flag> kFlags{
      text("config.file", &Flags::config_file),
      text("storage.path", &Flags::storage_path),
      text("web.listen-address", &Flags::listen_address),
      text("web.external-url", &Flags::external_url),
      {"web.route-prefix",
       [](Flags& flags, std::string_view value) -> Result<void> {
         flags.route_prefix = value;
         return base::ok();
       }},
      {"log.level",
       [](Flags& flags, std::string_view value) -> Result<void> {
         const auto level = base::parse_log_level(value == "warn" ? "warning" : value);
         if (!level) {
           return bad(fmt::format("--log.level: '{}' is none of debug, info, warn, error", value));
         }
         flags.log_level = *level;
         return base::ok();
       }},
      {"log.format",
       [](Flags& flags, std::string_view value) -> Result<void> {
         if (value != "logfmt" && value != "json") {
           return bad(fmt::format("--log.format: '{}' is none of logfmt, json", value));
         }
         if (value == "json") flags.ignored.emplace_back("log.format=json");
         return base::ok();
       }},
      duration("data.retention", &Flags::retention),
      count("silences.max-silences", &Flags::silences_max),
      count("silences.max-silence-size-bytes", &Flags::silence_bytes_max),
      text("cluster.listen-address", &Flags::cluster_listen),
      text("cluster.advertise-address", &Flags::cluster_advertise),
      {"cluster.peer",
       [](Flags& flags, std::string_view value) -> Result<void> {
         if (value.rfind(':') == std::string_view::npos) {
           return bad(fmt::format("--cluster.peer: '{}' is not host:port", value));
         }
         flags.cluster_peers.emplace_back(value);
         return base::ok();
       }},
      text("cluster.label", &Flags::cluster_label),
      text("cluster.secret-file", &Flags::cluster_secret_file),
      duration("cluster.settle-timeout", &Flags::settle_timeout),
      duration("cluster.peer-timeout", &Flags::peer_timeout),
      duration("cluster.pushpull-interval", &Flags::push_pull_interval),
      text("web.auth-token-file", &Flags::auth_token_file),
  };
  return kFlags;
}

/// They tune what works differently here, and change nothing that anybody is told.
constexpr std::array<std::string_view, 13> kWithoutEffect{
    "alerts.gc-interval",
    "data.maintenance-interval",
    "web.get-concurrency",
    "web.timeout",
    "cluster.gossip-interval",
    "cluster.tcp-timeout",
    "cluster.probe-timeout",
    "cluster.probe-interval",
    "cluster.reconnect-interval",
    "cluster.reconnect-timeout",
    "cluster.allow-insecure-public-advertise-address-discovery",
    "enable-feature",
    "auto-gomemlimit.ratio"};

struct Refused {
  std::string_view name;
  std::string_view instead;
};
constexpr std::array<Refused, 6> kRefused{{
    {"dispatch.start-delay", "groups go on where they were; nothing has to wait"},
    {"alerts.per-alertname-limit", "all names together are limited to 100000 alerts"},
    {"web.config.file", "for TLS and users use alertd.toml, or something in front"},
    {"web.systemd-socket", "give --web.listen-address"},
    {"cluster.tls-config", "use --cluster.secret-file on a network of your own"},
    {"cluster.peer-name", "names are made and kept in --storage.path"},
}};

bool is_switch(std::string_view name) {
  return name == "help" || name == "help-long" || name == "version" || name == "check" ||
         name == "silences.log" || name == "log.silences" || name == "auto-gomemlimit" ||
         name == "web.systemd-socket" ||
         name == "cluster.allow-insecure-public-advertise-address-discovery";
}

Result<void> set_switch(Flags& flags, std::string_view name) {
  if (name == "version") {
    flags.version = true;
  } else if (name == "help" || name == "help-long") {
    flags.help = true;
  } else if (name == "check") {
    flags.check = true;
  } else {
    flags.ignored.emplace_back(name);
  }
  return base::ok();
}

Result<void> set_flag(Flags& flags, std::string_view name, std::string_view value) {
  for (const Flag& flag : known_flags()) {
    if (flag.name == name) return flag.set(flags, value);
  }
  if (std::find(kWithoutEffect.begin(), kWithoutEffect.end(), name) != kWithoutEffect.end()) {
    flags.ignored.emplace_back(name);
    return base::ok();
  }
  std::vector<std::string> names(kWithoutEffect.begin(), kWithoutEffect.end());
  for (const Flag& flag : known_flags()) names.emplace_back(flag.name);
  const auto near = base::closest(name, names);
  return bad(fmt::format("unknown flag '--{}'{}", name,
                         near ? fmt::format("; did you mean '--{}'?", *near) : "; see --help"));
}

}  // namespace

bool is_alertmanager_command_line(std::span<const std::string_view> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](std::string_view argument) {
    return argument.starts_with("--") &&
           argument.substr(0, argument.find('=')).find('.') != std::string_view::npos;
  });
}

Result<Flags> parse_alertmanager_flags(std::span<const std::string_view> arguments) {
  Flags flags;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "-h") argument = "--help";
    if (!argument.starts_with("--")) {
      return bad(fmt::format("unexpected argument '{}'; see --help", argument));
    }
    argument.remove_prefix(2);
    const std::size_t equals = argument.find('=');
    std::string_view name = argument.substr(0, equals);
    for (const Refused& refused : kRefused) {
      if (refused.name == name) {
        return bad(fmt::format("--{} is not served: {}", name, refused.instead));
      }
    }
    const std::string_view positive = name.starts_with("no-") ? name.substr(3) : name;
    if (equals == std::string_view::npos && is_switch(positive)) {
      TC_TRY(set_switch(flags, name));
      continue;
    }
    if (equals != std::string_view::npos) {
      TC_TRY(set_flag(flags, name, argument.substr(equals + 1)));
      continue;
    }
    if (i + 1 == arguments.size()) return bad(fmt::format("--{} wants a value", name));
    TC_TRY(set_flag(flags, name, arguments[++i]));
  }
  return flags;
}

std::string listen_text(std::string_view address) {
  return address.starts_with(':') ? "0.0.0.0" + std::string(address) : std::string(address);
}

std::string path_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  const std::size_t slash = url.find('/', scheme + 3);
  return slash == std::string_view::npos ? "" : normal_prefix(url.substr(slash));
}

std::string normal_prefix(std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  return prefix.empty() ? "" : "/" + std::string(prefix);
}

std::string_view alertmanager_help() {
  return "tocsin-alertd in Alertmanager's place: reads its configuration, serves its API.\n"
         "\n"
         "Usage: tocsin-alertd --config.file=FILE [flags]; both --flag=value and --flag value\n"
         "  --config.file=alertmanager.yml   Alertmanager's YAML\n"
         "  --storage.path=data/             state that survives a restart\n"
         "  --data.retention=120h            how long notifications and silences are remembered\n"
         "  --silences.max-silences=0, --silences.max-silence-size-bytes=0   0: no limit\n"
         "  --web.listen-address=:9093       the API; open to everybody who reaches it\n"
         "  --web.auth-token-file=FILE       ask for this token (Bearer, or password of Basic)\n"
         "  --web.external-url=URL           what links start with\n"
         "  --web.route-prefix=PATH          serve below it; default: the URL's path\n"
         "  --log.level=info                 debug, info, warn, error\n"
         "  --cluster.listen-address=0.0.0.0:9094   for peers; empty: no cluster\n"
         "  --cluster.advertise-address=HOST:PORT   where peers reach us\n"
         "  --cluster.peer=HOST:PORT         a peer to join; may be repeated\n"
         "  --cluster.peer-timeout=15s       how long the next in order waits before it sends\n"
         "  --cluster.settle-timeout=1m      how long the start waits for peers at most\n"
         "  --cluster.secret-file=FILE       peers sign with what is in it\n"
         "  --check                          read the configuration, say what is wrong, end\n"
         "  --version, --help\n"
         "Signals: SIGHUP (or POST /-/reload) reads the file again, whole or not at all.\n"
         "Without flags that have a dot the daemon runs on alertd.toml; see --help then.\n";
}

}  // namespace tocsin::alertd
