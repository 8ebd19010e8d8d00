#include "agent/collectors/scrape/scrape_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{10'000};
constexpr std::size_t kUrlBytesMax = 4096;

// Headers that this agent sets itself, or that would change what the transport does.
bool is_reserved_header(std::string_view name) {
  static constexpr std::string_view kReserved[] = {"host", "content-length", "transfer-encoding",
                                                   "connection", "authorization"};
  const std::string lower = base::to_lower(name);
  return std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved);
}

void read_headers(config::Table& table, ScrapeSettings& settings) {
  for (const auto& [name, value] : table.string_map("headers")) {
    if (is_reserved_header(name)) {
      table.error("headers", fmt::format("header '{}' cannot be set here", name),
                  "use bearer_token or basic_user for Authorization");
    } else if (base::escape_control(name + value) != name + value) {
      table.error("headers",
                  fmt::format("header '{}' holds a control character", base::escape_control(name)));
    } else {
      settings.headers.emplace_back(name, value);
    }
  }
}

void read_credentials(config::Table& table, ScrapeSettings& settings) {
  if (auto token = table.secret("bearer_token")) settings.bearer_token = std::move(*token);
  const auto user = table.optional_string("basic_user");
  const auto password = table.secret("basic_password");
  if (password && !user) table.error("basic_password", "basic_password without basic_user");
  if (user && !settings.bearer_token.empty()) {
    table.error("basic_user", "basic_user and bearer_token exclude each other");
  } else if (user) {
    const std::string pair = *user + ":" + (password ? password->reveal() : "");
    settings.headers.emplace_back("Authorization", "Basic " + base64(pair));
  }
  settings.tls.ca_file = table.string("ca_file", "");
  settings.tls.client_cert_file = table.string("client_cert_file", "");
  settings.tls.client_key_file = table.string("client_key_file", "");
  settings.tls.insecure = table.boolean("insecure_tls", false);
  if (settings.tls.client_cert_file.empty() != settings.tls.client_key_file.empty()) {
    table.error("client_cert_file", "client_cert_file and client_key_file belong together");
  }
}

void read_labels(config::Table& table, ScrapeSettings& settings) {
  model::LabelsBuilder builder;
  for (const auto& [name, value] : table.string_map("labels")) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__") || name == "host") {
      table.error("labels", fmt::format("'{}' cannot be a label here", name),
                  name == "host" ? "host is always this host's name" : "");
      continue;
    }
    builder.set(name, value);
  }
  settings.labels = builder.build();
}

void read_limits(config::Table& table, ScrapeSettings& settings) {
  const auto limit = [&](std::string_view key, std::size_t value, std::int64_t max) {
    return static_cast<std::size_t>(table.integer(key, static_cast<std::int64_t>(value), 1, max));
  };
  settings.sample_limit = limit("sample_limit", settings.sample_limit, 1'000'000);
  settings.label_limit = limit("label_limit", settings.label_limit, 1'000);
  settings.label_name_bytes_max =
      limit("label_name_length_limit", settings.label_name_bytes_max, 65'536);
  settings.label_value_bytes_max =
      limit("label_value_length_limit", settings.label_value_bytes_max, 65'536);
  settings.body_bytes_max = table.bytes("body_size_limit", settings.body_bytes_max);
}

void read_timeout(config::Table& table, ScrapeSettings& settings, base::Duration interval) {
  settings.timeout = table.duration("timeout", std::min(kTimeout, interval * 4 / 5));
  if (settings.timeout <= base::Duration{0} || settings.timeout >= interval) {
    table.error("timeout",
                fmt::format("timeout {} must be more than 0 and less than the interval {}",
                            base::format_duration(std::max(settings.timeout, base::Duration{0})),
                            base::format_duration(interval)));
  }
}

std::vector<ScrapeSettings> read_one(config::Table& table, base::Duration interval) {
  ScrapeSettings common;
  common.job = table.required_string("job");
  std::vector<std::string> urls = table.strings("url");
  read_timeout(table, common, interval);
  read_headers(table, common);
  read_credentials(table, common);
  read_labels(table, common);
  read_limits(table, common);
  common.honor_labels = table.boolean("honor_labels", false);
  common.honor_timestamps = table.boolean("honor_timestamps", true);
  for (config::Table& rule : table.tables("metric_relabel")) {
    common.metric_relabel.push_back(relabel::read_rule(rule));
  }
  if (urls.empty()) {
    table.error("url", "url is missing",
                "url = \"http://127.0.0.1:8000/metrics\", or a list of them");
  }
  std::vector<ScrapeSettings> targets;
  for (std::string& url : urls) {
    ScrapeSettings target = common;
    target.instance = instance_of(url);
    if (target.instance.empty()) {
      table.error("url", fmt::format("'{}' is no http:// or https:// address", url),
                  "user and password go into basic_user and basic_password");
      continue;
    }
    target.url = std::move(url);
    targets.push_back(std::move(target));
  }
  table.finish();
  return targets;
}

}  // namespace

std::vector<ScrapeSettings> read_scrape_settings(config::Table& root, base::Duration interval) {
  std::vector<ScrapeSettings> all;
  std::set<std::string> keys;
  for (config::Table& table : root.tables("scrape")) {
    for (ScrapeSettings& target : read_one(table, interval)) {
      if (!keys.insert(target.key()).second) {
        table.error("url", fmt::format("job '{}' scrapes '{}' twice", target.job, target.url));
        continue;
      }
      all.push_back(std::move(target));
    }
  }
  return all;
}

std::string instance_of(std::string_view url) {
  std::string_view port = ":80";
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    port = ":443";
  } else {
    return {};
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const bool odd = authority.empty() || authority.find('@') != authority.npos ||
                   authority.find_first_of(" \t\"<>\\") != authority.npos ||
                   base::escape_control(url) != url || url.size() > kUrlBytesMax;
  if (odd) return {};
  const std::size_t after_brackets = authority.rfind(']');
  const std::size_t colon =
      authority.find(':', after_brackets == authority.npos ? 0 : after_brackets);
  if (colon == 0) return {};
  return std::string(authority) + (colon == authority.npos ? std::string(port) : "");
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t byte = 0; byte < 3; ++byte) {
      group = group << 8 |
              (at + byte < bytes.size() ? static_cast<unsigned char>(bytes[at + byte]) : 0U);
    }
    const std::size_t digits = std::min<std::size_t>(bytes.size() - at, 3) + 1;
    for (std::size_t digit = 0; digit < 4; ++digit) {
      out += digit < digits ? kDigits[group >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return out;
}

}  // namespace tocsin::agent
