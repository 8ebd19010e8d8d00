#include "agent/collectors/parties/parties_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/collectors/kept/slow_settings.h"
#include "agent/collectors/parties/rdap.h"
#include "agent/collectors/probe/probe_url.h"
#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kDomainsMax = 200;
constexpr std::size_t kContractsMax = 500;
constexpr base::Duration kReviewEvery{std::chrono::hours(365 * 24)};
constexpr base::Duration kNotice{std::chrono::hours(60 * 24)};

std::optional<base::WallTime> parse_day(config::Table& table, std::string_view key,
                                        const std::string& text) {
  const auto day =
      text.size() == 10
          ? base::parse_rfc3339(text + "T00:00:00Z")
          : base::Result<base::WallTime>(base::error(base::ErrorCode::InvalidArgument, "no day"));
  if (day) return *day;
  table.error(key, fmt::format("'{}' is no day", base::escape_control(text)), "\"2027-03-31\"");
  return std::nullopt;
}

std::optional<base::WallTime> read_day(config::Table& table, std::string_view key) {
  const auto text = table.optional_string(key);
  return text ? parse_day(table, key, *text) : std::nullopt;
}

void check_url(config::Table& table, std::string_view key, const std::string& url) {
  if (const auto parsed = parse_probe_url(url); !parsed) table.error(key, parsed.error().message);
}

DomainsSettings read_domains(config::Table table, base::Duration interval) {
  DomainsSettings settings;
  settings.timeout = round_timeout(interval);
  std::set<std::string> seen;
  for (const std::string& text : table.strings("names")) {
    const std::string name = base::to_lower(text);
    if (!is_domain(name)) {
      table.error("names", fmt::format("'{}' is no domain", base::escape_control(text)),
                  "example.org; others than ASCII as xn--...");
    } else if (!seen.insert(name).second) {
      table.error("names", fmt::format("'{}' is named twice", name));
    } else {
      settings.names.push_back(name);
    }
  }
  if (seen.empty()) table.error("names", "no domain is named", "names = [\"example.org\"]");
  if (seen.size() > kDomainsMax) {
    table.error("names", fmt::format("more than {} domains", kDomainsMax));
  }
  for (const auto& [zone, url] : table.string_map("servers")) {
    check_url(table, "servers", url);
    settings.servers.emplace(base::to_lower(zone), url);
  }
  for (const auto& [name, text] : table.string_map("expires")) {
    if (!seen.contains(name)) {
      table.error("expires", fmt::format("'{}' is not in names", base::escape_control(name)));
    } else if (const auto day = parse_day(table, "expires", text)) {
      settings.dates.emplace(name, *day);
    }
  }
  settings.bootstrap_file = read_absolute(table, "bootstrap_file", "");
  settings.bootstrap_url = table.string("bootstrap_url", settings.bootstrap_url);
  check_url(table, "bootstrap_url", settings.bootstrap_url);
  settings.tls.ca_file = table.string("ca_file", "");
  settings.interval = read_slow_interval(table, settings.interval);
  settings.retry = std::min(settings.retry, settings.interval);
  settings.look = std::min(settings.look, settings.interval);
  settings.ask_timeout = table.duration("timeout", settings.ask_timeout);
  if (settings.ask_timeout < base::Duration(1'000) ||
      settings.ask_timeout > base::Duration(60'000)) {
    table.error("timeout", "timeout must be 1s to 1m");
  }
  table.finish();
  return settings;
}

ContractSettings read_contract(config::Table& table) {
  ContractSettings contract;
  contract.name = table.required_string("name");
  contract.ends = read_day(table, "ends");
  contract.notice = table.duration("notice", kNotice);
  contract.reviewed = read_day(table, "reviewed");
  contract.review_every = table.duration("review_every", kReviewEvery);
  if (!table.has("ends") && !table.has("reviewed")) {
    table.error("ends", "a contract has ends, reviewed, or both",
                "ends = \"2027-03-31\", reviewed = \"2026-11-02\"");
  }
  table.finish();
  return contract;
}

}  // namespace

PartiesSettings read_parties_settings(config::Table& root, base::Duration interval) {
  PartiesSettings settings;
  if (root.has("domains")) settings.domains = read_domains(root.table("domains"), interval);
  std::set<std::string> names;
  for (config::Table& table : root.tables("contract")) {
    settings.contracts.push_back(read_contract(table));
    if (!names.insert(settings.contracts.back().name).second) {
      table.error("name",
                  fmt::format("two contracts are called '{}'", settings.contracts.back().name));
    }
  }
  if (settings.contracts.size() > kContractsMax) {
    root.error("contract", fmt::format("more than {} contracts", kContractsMax));
  }
  return settings;
}

}  // namespace tocsin::agent
