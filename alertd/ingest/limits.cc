#include "alertd/ingest/limits.h"

#include <fmt/core.h>

#include <limits>

#include "common/base/strings.h"

namespace tocsin::ingest {
namespace {

constexpr std::int64_t kRateMax = 1'000'000'000;
constexpr std::uint64_t kBytesMax = 1ULL << 40U;
constexpr std::uint64_t kRequestBytesMax = 64 << 20;

class LimitsReader {
 public:
  explicit LimitsReader(config::Table& table) : table_(table) {}

  SenderLimits read(SenderLimits limits) {
    count("series", limits.series, 0, std::numeric_limits<std::uint32_t>::max());
    count("samples_per_second", limits.samples_per_second, 0, kRateMax);
    count("requests_per_second", limits.requests_per_second, 0, kRateMax);
    size("bytes_per_second", limits.bytes_per_second, 0, kBytesMax);
    limits.burst = table_.duration("burst", limits.burst);
    if (limits.burst < std::chrono::seconds(1) || limits.burst > std::chrono::hours(1)) {
      table_.error("burst", "burst is from 1s to 1h",
                   "after a pause a sender may send at once what it may send in this time");
    }
    count("requests_in_flight", limits.requests_in_flight, 1, 1'000);
    count("connections", limits.connections, 1, 100'000);
    size("request_bytes", limits.request_bytes, 1 << 10, kRequestBytesMax);
    size("request_decoded_bytes", limits.request_decoded_bytes, 1 << 10, 4 * kRequestBytesMax);
    count("labels", limits.labels, 1, 1'000);
    count("label_name_bytes", limits.label_name_bytes, 16, 1 << 16);
    count("label_value_bytes", limits.label_value_bytes, 16, 1 << 20);
    if (limits.connections < limits.requests_in_flight) {
      table_.error("connections", "fewer connections than requests_in_flight",
                   "a connection carries one request at a time");
    }
    return limits;
  }

 private:
  template <class Number>
  void count(std::string_view key, Number& value, std::int64_t min, std::int64_t max) {
    value = static_cast<Number>(table_.integer(key, static_cast<std::int64_t>(value), min, max));
  }
  template <class Number>
  void size(std::string_view key, Number& value, std::uint64_t min, std::uint64_t max) {
    const std::uint64_t bytes = table_.bytes(key, value);
    if (bytes < min || bytes > max) {
      table_.error(key, fmt::format("{} is from {} to {} bytes", key, min, max));
      return;
    }
    value = static_cast<Number>(bytes);
  }

  config::Table& table_;
};

}  // namespace

proto::Limits SenderLimits::of_request(proto::Limits base) const {
  base.body_bytes_max = request_bytes;
  base.decoded_bytes_max = request_decoded_bytes;
  base.labels_per_series_max = labels;
  base.label_name_bytes_max = label_name_bytes;
  base.label_value_bytes_max = label_value_bytes;
  return base;
}

std::map<std::string, std::uint64_t> by_name(const SenderLimits& limits) {
  return {{"series", limits.series},
          {"samples_per_second", limits.samples_per_second},
          {"bytes_per_second", limits.bytes_per_second},
          {"requests_per_second", limits.requests_per_second},
          {"burst", static_cast<std::uint64_t>(limits.burst.count())},
          {"requests_in_flight", limits.requests_in_flight},
          {"connections", limits.connections},
          {"request_bytes", limits.request_bytes},
          {"request_decoded_bytes", limits.request_decoded_bytes},
          {"labels", limits.labels},
          {"label_name_bytes", limits.label_name_bytes},
          {"label_value_bytes", limits.label_value_bytes}};
}

IngestLimits::IngestLimits() {
  // They are on this host: whoever can reach loopback can do worse than send samples.
  local.series = local.samples_per_second = local.bytes_per_second = 0;
  local.requests_per_second = 0;
  local.connections = 1'000;
}

const SenderLimits& IngestLimits::of_agent(std::string_view name) const {
  const auto own = exceptions.find(name);
  return own == exceptions.end() ? agents : own->second;
}

IngestLimits read_ingest_limits(config::Table& ingest) {
  IngestLimits limits;
  config::Table agents = ingest.table("limits");
  limits.agents = LimitsReader(agents).read(limits.agents);
  agents.finish();
  config::Table local = ingest.table("local");
  limits.local = LimitsReader(local).read(limits.local);
  local.finish();
  for (config::Table& table : ingest.tables("agent")) {
    const std::string name = table.required_string("name");
    SenderLimits own = LimitsReader(table).read(limits.agents);
    if (!name.empty() && !limits.exceptions.try_emplace(name, own).second) {
      table.error("name",
                  fmt::format("two [[ingest.agent]] are called '{}'", base::escape_control(name)));
    }
    table.finish();
  }
  return limits;
}

}  // namespace tocsin::ingest
