#include "agent/collectors/processes/cgroup_files.h"

#include <algorithm>
#include <array>

#include "agent/collectors/host/reader.h"
#include "common/base/strings.h"

namespace tocsin::agent {

std::map<std::string_view, std::uint64_t> parse_keyed(std::string_view text) {
  std::map<std::string_view, std::uint64_t> values;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    const std::string_view key = fields.next();
    if (const auto value = fields.next_number(); value && fields.at_end()) values[key] = *value;
  });
  return values;
}

std::optional<std::uint64_t> parse_single(std::string_view text) {
  return base::parse_u64(base::trim(text));
}

std::optional<CpuMax> parse_cpu_max(std::string_view text) {
  Fields fields(base::trim(text));
  const std::string_view quota = fields.next();
  const auto period = fields.next_number();
  if (!period || *period == 0) return std::nullopt;
  if (quota == "max") return CpuMax{};
  const auto value = base::parse_u64(quota);
  if (!value) return std::nullopt;
  return CpuMax{static_cast<double>(*value) / static_cast<double>(*period)};
}

IoTotals parse_io_stat(std::string_view text) {
  IoTotals totals;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    fields.next();  // the device
    while (!fields.at_end()) {
      const std::string_view field = fields.next();
      const std::size_t equals = field.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view key = field.substr(0, equals);
      const std::uint64_t value = base::parse_u64(field.substr(equals + 1)).value_or(0);
      if (key == "rbytes") totals.read_bytes += value;
      if (key == "wbytes") totals.write_bytes += value;
      if (key == "rios") totals.reads += value;
      if (key == "wios") totals.writes += value;
    }
  });
  return totals;
}

std::string cgroup_name(std::string_view path) {
  constexpr std::size_t kIdBytes = 64;
  constexpr std::size_t kShownBytes = 12;
  std::string_view last = path.substr(path.rfind('/') + 1);
  std::string_view id = last;
  if (id.ends_with(".scope")) id.remove_suffix(6);
  id = id.substr(id.rfind('-') + 1);
  const bool is_id =
      id.size() == kIdBytes && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return std::string(is_id ? id.substr(0, kShownBytes) : last);
}

}  // namespace tocsin::agent
