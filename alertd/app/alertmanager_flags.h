// Alertmanager's command line, so that tocsin-alertd can stand in place of its binary.
//
//   tocsin-alertd --config.file=alertmanager.yml --storage.path=data/ --cluster.peer=b:9094
//
// Both --flag=value and --flag value are taken, as by Alertmanager. A flag that would change what
// is sent or who may come in and that we do not have is refused by name, never ignored; those that
// only tune its network protocol or its garbage are taken and said to do nothing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::alertd {

struct AlertmanagerFlags {
  std::string config_file = "alertmanager.yml";
  std::string storage_path = "data/";
  std::string listen_address = ":9093";
  std::string external_url;                 ///< Empty: http://<host name>:<port>.
  std::optional<std::string> route_prefix;  ///< nullopt: the path of the external URL.
  base::LogLevel log_level = base::LogLevel::Info;
  base::Duration retention = std::chrono::hours(120);
  std::size_t silences_max = 0;
  std::size_t silence_bytes_max = 0;

  std::string cluster_listen = "0.0.0.0:9094";  ///< Empty: no cluster.
  std::string cluster_advertise;
  std::vector<std::string> cluster_peers;
  std::string cluster_label;
  std::string cluster_secret_file;  ///< Ours: peers sign with what is in it.
  base::Duration settle_timeout = std::chrono::minutes(1);
  base::Duration peer_timeout = std::chrono::seconds(15);
  base::Duration push_pull_interval = std::chrono::minutes(1);

  std::string auth_token_file;  ///< Ours: the API asks for this token; else it is open.
  bool help = false;
  bool version = false;
  bool check = false;                ///< Ours: read the file, say what is wrong, end.
  std::vector<std::string> ignored;  ///< Flags that do nothing here.
};

/// Returns whether these arguments are Alertmanager's: one has a dot in its name.
bool is_alertmanager_command_line(std::span<const std::string_view> arguments);

/// Errors: InvalidArgument (names the flag, with the nearest known one).
base::Result<AlertmanagerFlags> parse_alertmanager_flags(
    std::span<const std::string_view> arguments);

/// Returns "host:port" for ":9093", where the host is every address.
std::string listen_text(std::string_view address);
/// Returns "/alertmanager" for "http://host/alertmanager/"; "" for none.
std::string path_of_url(std::string_view url);
/// Returns the prefix with a slash in front and none at the end; "" for "/".
std::string normal_prefix(std::string_view prefix);

/// What --help prints in this mode.
std::string_view alertmanager_help();

}  // namespace tocsin::alertd
