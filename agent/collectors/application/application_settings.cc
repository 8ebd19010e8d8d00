#include "agent/collectors/application/application_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/net/url.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kExpireMin{60'000};

void read_bounds(config::Table& table, SeriesBounds& bounds) {
  bounds.series_max = static_cast<std::size_t>(
      table.integer("series_max", static_cast<std::int64_t>(bounds.series_max), 10, 200'000));
  bounds.labels_max = static_cast<std::size_t>(
      table.integer("labels_max", static_cast<std::int64_t>(bounds.labels_max), 0, 60));
  bounds.expire_after = table.duration("expire_after", bounds.expire_after);
  if (bounds.expire_after < kExpireMin) {
    table.error("expire_after", "expire_after must be at least 1m");
  }
}

void read_listen(config::Table& table, std::string& listen) {
  listen = table.string("listen", listen);
  const bool remote = table.boolean("allow_remote", false);
  if (listen.empty()) return;
  const auto address = parse_listen_address(listen);
  if (!address) {
    table.error("listen", fmt::format("'{}' is no address:port", listen),
                "for example \"127.0.0.1:8125\" or \"[::1]:8125\"");
  } else if (!remote && !net::is_loopback_host(address->host)) {
    table.error("listen", fmt::format("'{}' can be reached from other hosts", listen),
                "whoever reaches it can write metrics: allow_remote = true if that is meant");
  }
}

std::vector<double> read_buckets(config::Table& table, std::string_view key,
                                 std::vector<double> usual) {
  std::vector<std::string> texts;
  for (const double bound : usual) texts.push_back(base::format_double(bound));
  std::vector<double> bounds;
  for (const std::string& text : table.strings(key, texts)) {
    const auto bound = base::parse_double(text);
    if (!bound || (!bounds.empty() && *bound <= bounds.back())) {
      table.error(key, fmt::format("'{}' is no number above the one before", text),
                  "bounds are ascending texts: [\"0.1\", \"0.5\", \"1\"]");
      return usual;
    }
    bounds.push_back(*bound);
  }
  if (bounds.size() > 50) table.error(key, "at most 50 bounds");
  return bounds;
}

StatsdMapping read_mapping(config::Table& table) {
  StatsdMapping mapping;
  mapping.match = table.required_string("match");
  mapping.name = table.required_string("name");
  mapping.labels = table.string_map("labels");
  if (!model::is_legacy_metric_name(mapping.name)) {
    table.error("name", fmt::format("'{}' is no metric name", mapping.name));
  }
  const auto parts = base::split(mapping.match, '.');
  const auto stars = std::count(parts.begin(), parts.end(), "*");
  for (const auto& [label, value] : mapping.labels) {
    if (!model::is_legacy_label_name(label) || label.starts_with("__")) {
      table.error("labels", fmt::format("'{}' is no label name", label));
    }
    for (std::size_t at = value.find('$'); at != std::string::npos; at = value.find('$', at + 1)) {
      const bool known = at + 1 < value.size() && value[at + 1] >= '1' && value[at + 1] <= '9' &&
                         value[at + 1] - '0' <= stars;
      if (!known) {
        table.error("labels", fmt::format("'{}' asks for a '*' that '{}' does not have", value,
                                          mapping.match));
        break;
      }
    }
  }
  table.finish();
  return mapping;
}

}  // namespace

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = base::parse_u64(text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.empty() || !port || *port == 0 || *port > 65535) return std::nullopt;
  return ListenAddress{std::string(host), static_cast<unsigned short>(*port)};
}

std::optional<StatsdSettings> read_statsd_settings(config::Table& root) {
  if (!root.has("statsd")) return std::nullopt;
  config::Table table = root.table("statsd");
  StatsdSettings settings;
  read_listen(table, settings.listen);
  settings.socket = table.string("socket", "");
  if (!settings.socket.empty() &&
      (!settings.socket.starts_with('/') || settings.socket.size() > 100)) {
    table.error("socket", "socket must be an absolute path of at most 100 bytes");
  }
  const std::string mode = table.one_of("socket_mode", "0660", {"0600", "0660", "0666"});
  settings.socket_mode = mode == "0600" ? 0600 : mode == "0666" ? 0666 : 0660;
  if (settings.listen.empty() && settings.socket.empty()) {
    table.error("listen", "neither listen nor socket: nothing to receive by");
  }
  settings.prefix = table.string("prefix", "");
  if (!settings.prefix.empty() && !model::is_legacy_metric_name(settings.prefix)) {
    table.error("prefix", fmt::format("'{}' cannot begin a metric name", settings.prefix));
  }
  settings.timer_buckets = read_buckets(table, "timer_buckets", settings.timer_buckets);
  settings.histogram_buckets = read_buckets(table, "histogram_buckets", settings.histogram_buckets);
  for (config::Table& mapping : table.tables("mapping")) {
    settings.mappings.push_back(read_mapping(mapping));
  }
  read_bounds(table, settings.bounds);
  table.finish();
  return settings;
}

std::optional<OtlpSettings> read_otlp_settings(config::Table& root) {
  if (!root.has("otlp")) return std::nullopt;
  config::Table table = root.table("otlp");
  OtlpSettings settings;
  settings.bounds.series_max = 5'000;
  settings.bounds.expire_after = base::Duration{300'000};
  read_listen(table, settings.listen);
  if (settings.listen.empty()) table.error("listen", "listen must not be empty");
  settings.body_bytes_max = table.bytes("body_bytes_max", settings.body_bytes_max);
  if (settings.body_bytes_max < 1024 || settings.body_bytes_max > (64U << 20U)) {
    table.error("body_bytes_max", "body_bytes_max must be 1KiB to 64MiB");
  }
  settings.resource_labels = table.strings("resource_labels", settings.resource_labels);
  read_bounds(table, settings.bounds);
  table.finish();
  return settings;
}

}  // namespace tocsin::agent
