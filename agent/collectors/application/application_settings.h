// What `[statsd]` and `[otlp]` in the agent's configuration say.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/application/series_store.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// A name made of parts, turned into a name and labels.
struct StatsdMapping {
  std::string match;  ///< "app.*.requests": each '*' is one part.
  std::string name;
  std::map<std::string, std::string> labels;  ///< "$1" is the first '*'.

  friend bool operator==(const StatsdMapping&, const StatsdMapping&) = default;
};

struct StatsdSettings {
  std::string listen = "127.0.0.1:8125";  ///< Of UDP; empty for none.
  std::string socket;                     ///< Path of a Unix datagram socket; empty for none.
  mode_t socket_mode = 0660;
  std::string prefix;  ///< Put before each name.
  std::vector<double> timer_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  std::vector<double> histogram_buckets{1, 5, 10, 50, 100, 500, 1'000, 5'000, 10'000, 100'000};
  std::vector<StatsdMapping> mappings;
  SeriesBounds bounds;

  friend bool operator==(const StatsdSettings&, const StatsdSettings&) = default;
};

struct OtlpSettings {
  std::string listen = "127.0.0.1:4318";
  std::size_t body_bytes_max = 4 << 20;  ///< Unpacked.
  /// Attributes of the resource that `target_info` shows.
  std::vector<std::string> resource_labels{"service.version", "deployment.environment"};
  SeriesBounds bounds;

  friend bool operator==(const OtlpSettings&, const OtlpSettings&) = default;
};

/// An address as given, for bind().
struct ListenAddress {
  std::string host;  ///< Without brackets.
  unsigned short port = 0;
};
std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// nullopt if there is no such table. Mistakes go to the diagnostics.
std::optional<StatsdSettings> read_statsd_settings(config::Table& root);
std::optional<OtlpSettings> read_otlp_settings(config::Table& root);

}  // namespace tocsin::agent
