#include "alertd/datasource/datasource_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

namespace tocsin::datasource {
namespace {

constexpr base::Duration kTimeoutDefault{10'000};
constexpr std::uint64_t kResponseBytesLeast = 64 << 10;
constexpr std::uint64_t kResponseBytesMost = 1ULL << 30;

constexpr std::array<std::pair<std::string_view, Flavour>, 5> kFlavours{
    {{"auto", Flavour::Auto},
     {"prometheus", Flavour::Prometheus},
     {"victoriametrics", Flavour::VictoriaMetrics},
     {"mimir", Flavour::Mimir},
     {"thanos", Flavour::Thanos}}};

Flavour read_flavour(config::Table& table) {
  std::vector<std::string> names;
  for (const auto& [name, flavour] : kFlavours) names.emplace_back(name);
  const std::string text = table.one_of("flavour", "auto", names);
  const auto found = std::find_if(kFlavours.begin(), kFlavours.end(),
                                  [&](const auto& entry) { return entry.first == text; });
  return found != kFlavours.end() ? found->second : Flavour::Auto;
}

DatasourceSettings read_one(config::Table& table) {
  DatasourceSettings settings;
  settings.name = table.required_string("name");
  if (settings.name == kLocal) {
    table.error("name", "'local' is our own engine", "give the datasource another name");
  }
  settings.endpoint = endpoint::read_endpoint(table, kTimeoutDefault);
  if (settings.endpoint.url.ends_with("/api/v1/query") ||
      settings.endpoint.url.ends_with("/api/v1")) {
    table.error("url", "the url goes on with /api/v1/query by itself",
                "give what is before /api/v1");
  }
  settings.flavour = read_flavour(table);
  settings.step = table.optional_duration("step");
  if (settings.step && *settings.step < std::chrono::seconds(1)) {
    table.error("step", "a step lasts 1s or more");
  }
  settings.nocache = table.boolean("nocache", settings.nocache);
  settings.max_parallel = static_cast<std::size_t>(
      table.integer("max_parallel", static_cast<std::int64_t>(settings.max_parallel), 1, 256));
  settings.cache = table.boolean("cache", settings.cache);
  settings.partial = table.one_of("partial", "refuse", {"refuse", "accept"}) == "accept"
                         ? Partial::Accept
                         : Partial::Refuse;
  const std::uint64_t bytes = table.bytes("response_limit", settings.response_bytes_max);
  if (bytes < kResponseBytesLeast || bytes > kResponseBytesMost) {
    table.error("response_limit", "a response_limit is 64KiB to 1GiB");
  }
  settings.response_bytes_max = static_cast<std::size_t>(bytes);
  table.finish();
  return settings;
}

}  // namespace

std::vector<DatasourceSettings> read_datasources(config::Table& root) {
  std::vector<DatasourceSettings> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables("datasource")) {
    all.push_back(read_one(table));
    if (!names.insert(all.back().name).second) {
      table.error("name", fmt::format("two datasources are called '{}'", all.back().name));
    }
  }
  return all;
}

}  // namespace tocsin::datasource
