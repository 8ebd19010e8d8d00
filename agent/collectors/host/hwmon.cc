#include "agent/collectors/host/hwmon.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <utility>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kReadingsMax = 500;

constexpr MetricInfo kChipName{"node_hwmon_chip_names", "What the driver calls the chip."};
constexpr MetricInfo kSensorLabel{"node_hwmon_sensor_label", "What the driver calls the sensor."};

struct Quantity {
  std::string_view kind;
  std::string_view unit;  // of the metric's name
  double factor;
};
constexpr std::array<Quantity, 7> kQuantities{{{"temp", "celsius", 1e-3},
                                               {"fan", "rpm", 1},
                                               {"in", "volts", 1e-3},
                                               {"curr", "amps", 1e-3},
                                               {"power", "watt", 1e-6},
                                               {"energy", "joule", 1e-6},
                                               {"humidity", "", 1e-6}}};

const Quantity* quantity_of(std::string_view kind) {
  const auto found = std::find_if(kQuantities.begin(), kQuantities.end(),
                                  [&](const Quantity& one) { return one.kind == kind; });
  return found == kQuantities.end() ? nullptr : &*found;
}

/// The device that a chip belongs to: the last two names of the folder that the link leads to,
/// such as "platform" and "coretemp.0". Empty if there is none.
std::pair<std::string, std::string> device_of(const std::string& link) {
  std::array<char, PATH_MAX> path{};
  if (::realpath(link.c_str(), path.data()) == nullptr) return {};
  const std::vector<std::string_view> parts = base::split(path.data(), '/');
  if (parts.size() < 3) return {};
  return {std::string(parts[parts.size() - 2]), std::string(parts.back())};
}

/// As node_exporter does: lower case, everything else an underscore.
std::string clean(std::string_view text) {
  std::string out = base::to_lower(text);
  for (char& c : out) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
    if (!good) c = '_';
  }
  const std::size_t first = out.find_first_not_of('_');
  const std::size_t last = out.find_last_not_of('_');
  return first == std::string::npos ? std::string() : out.substr(first, last - first + 1);
}

/// Whether the item is a switch or a count, and has no unit.
bool has_no_unit(std::string_view item) {
  static constexpr std::array<std::string_view, 7> kItems{"alarm", "fault",  "beep", "enable",
                                                          "type",  "pulses", "div"};
  return std::find(kItems.begin(), kItems.end(), item) != kItems.end();
}

/// "node_hwmon_temp_crit_alarm_celsius", as node_exporter has it; an input has no item in its name.
std::string metric_name(const Quantity& quantity, std::string_view item) {
  std::string name = "node_hwmon_" + std::string(quantity.kind);
  if (!item.empty() && item != "input") name += "_" + std::string(item);
  if (!quantity.unit.empty() && !has_no_unit(item)) name += "_" + std::string(quantity.unit);
  if (quantity.kind == "energy") name += "_total";
  return name;
}

class HwmonCollector final : public Collector {
 public:
  explicit HwmonCollector(const HostPaths& paths) : folder_(paths.sys + "/class/hwmon") {}

  std::string_view name() const override { return "hwmon"; }
  bool present() const override { return !names_in(folder_).empty(); }

  base::Result<void> collect(MetricSink& sink) override {
    readings_ = 0;
    std::vector<std::string> chips = names_in(folder_);
    std::sort(chips.begin(), chips.end());
    for (const std::string& chip : chips) add_chip(sink, folder_ + "/" + chip, chip);
    return base::ok();
  }

 private:
  void add_chip(MetricSink& sink, const std::string& path, const std::string& number) {
    const std::string driver(reader_.attribute(path + "/name").value_or(""));
    const auto [type, device] = device_of(path + "/device");
    std::string chip = clean(driver);
    if (!device.empty()) chip = type.empty() ? clean(device) : clean(type) + "_" + clean(device);
    if (chip.empty()) chip = number;
    if (!driver.empty()) sink.add(kChipName, {{"chip", chip}, {"chip_name", clean(driver)}}, 1);
    std::vector<std::string> files = names_in(path);
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      const auto parsed = parse_hwmon_file(file);
      if (parsed && readings_ < kReadingsMax) add_reading(sink, path + "/" + file, chip, *parsed);
    }
  }

  void add_reading(MetricSink& sink, const std::string& path, const std::string& chip,
                   const HwmonFile& file) {
    const auto text = reader_.attribute(path);  // a sensor that is not there gives an error
    if (!text || !base::is_utf8(*text)) return;
    ++readings_;
    const std::string sensor(file.sensor);
    if (file.item == "label") {
      sink.add(kSensorLabel, {{"chip", chip}, {"sensor", sensor}, {"label", *text}}, 1);
      return;
    }
    const Quantity* quantity = quantity_of(file.kind);
    const auto value = base::parse_i64(*text);
    if (quantity == nullptr || !value) return;
    const double factor = has_no_unit(file.item) ? 1 : quantity->factor;
    const std::string name = metric_name(*quantity, file.item);
    sink.add(
        MetricInfo{name, "A reading of the board, or a bound of one.",
                   file.kind == "energy" ? model::MetricType::Counter : model::MetricType::Gauge},
        {{"chip", chip}, {"sensor", sensor}}, static_cast<double>(*value) * factor);
  }

  std::string folder_;
  FileReader reader_;
  std::size_t readings_ = 0;
};

}  // namespace

std::optional<HwmonFile> parse_hwmon_file(std::string_view name) {
  const std::size_t digits = name.find_first_of("0123456789");
  if (digits == std::string_view::npos || digits == 0) return std::nullopt;
  const std::size_t end = std::min(name.find_first_not_of("0123456789", digits), name.size());
  HwmonFile file{name.substr(0, digits), name.substr(0, end), {}};
  if (quantity_of(file.kind) == nullptr) return std::nullopt;
  if (end < name.size()) {
    if (name[end] != '_') return std::nullopt;
    file.item = name.substr(end + 1);
  }
  return file;
}

std::unique_ptr<Collector> make_hwmon_collector(const HostPaths& paths) {
  return std::make_unique<HwmonCollector>(paths);
}

}  // namespace tocsin::agent
