#include "agent/collectors/probe/certificate_settings.h"

#include <fmt/format.h>

#include <set>

#include "agent/collectors/blocking/server_settings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{10'000};
constexpr base::Duration kIntervalMin{1'000};
constexpr base::Duration kIntervalMax{86'400'000};

void check_paths(config::Table& table, const char* key, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (!path.starts_with('/')) {
      table.error(key, fmt::format("'{}' is not an absolute path", path));
    }
  }
}

CertificateSettings read_one(config::Table& table, base::Duration interval) {
  CertificateSettings settings;
  settings.name = table.required_string("name");
  settings.files = table.strings("files");
  settings.acme_files = table.strings("acme_files");
  settings.key_file = table.string("key_file", "");
  check_paths(table, "files", settings.files);
  check_paths(table, "acme_files", settings.acme_files);
  if (!settings.key_file.empty()) check_paths(table, "key_file", {settings.key_file});
  settings.names = table.strings("names");
  settings.ca_file = table.string("ca_file", "");
  settings.start_tls = read_start_tls(table);
  const std::string server_name = table.string("server_name", "");
  for (const std::string& text : table.strings("served_by")) {
    ProbeRoute route;
    route.address = read_host_port(table, "served_by", text, 443);
    route.server_name = server_name;
    route.tls.ca_file = settings.ca_file;
    settings.served_by.push_back(std::move(route));
  }
  settings.weak_protocols = table.boolean("weak_protocols", false);
  if (settings.weak_protocols && settings.served_by.empty()) {
    table.error("weak_protocols", "weak_protocols asks the servers of served_by: there are none");
  }
  settings.revocation = table.boolean("revocation", false);
  settings.revocation_interval =
      table.duration("revocation_interval", settings.revocation_interval);
  if (settings.revocation_interval < kIntervalMin || settings.revocation_interval > kIntervalMax) {
    table.error("revocation_interval", fmt::format("revocation_interval must be {} to {}",
                                                   base::format_duration(kIntervalMin),
                                                   base::format_duration(kIntervalMax)));
  }
  const bool files = !settings.files.empty() || !settings.acme_files.empty();
  if (!files && (settings.served_by.empty() || server_name.empty())) {
    table.error(
        "files", "no files and no acme_files",
        "files = [\"/etc/letsencrypt/live/*/fullchain.pem\"], or served_by with server_name");
  }
  settings.interval = table.duration("interval", settings.interval);
  if (settings.interval < kIntervalMin || settings.interval > kIntervalMax) {
    table.error("interval",
                fmt::format("interval must be {} to {}", base::format_duration(kIntervalMin),
                            base::format_duration(kIntervalMax)));
  }
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  table.finish();
  return settings;
}

}  // namespace

std::vector<CertificateSettings> read_certificate_settings(config::Table& root,
                                                           base::Duration interval) {
  std::vector<CertificateSettings> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables("certificate")) {
    all.push_back(read_one(table, interval));
    if (!names.insert(all.back().name).second) {
      table.error("name", fmt::format("two certificates are called '{}'", all.back().name));
    }
  }
  return all;
}

}  // namespace tocsin::agent
