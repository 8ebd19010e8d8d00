#include "agent/collectors/host/power.h"

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kDevicesMax = 100;

constexpr MetricInfo kZone{"node_thermal_zone_temp", "Temperature of a zone in degrees Celsius."};
constexpr MetricInfo kCooling{"node_cooling_device_cur_state", "How hard a cooling device works."};
constexpr MetricInfo kCoolingMax{"node_cooling_device_max_state", "How hard it can work."};
constexpr MetricInfo kNvme{"node_nvme_info", "An NVMe controller."};
constexpr MetricInfo kPowerInfo{"node_power_supply_info", "A power supply or battery."};

struct PowerFile {
  const char* file;
  MetricInfo metric;
  double factor;
};
constexpr std::array<PowerFile, 5> kPowerFiles{
    {{"online", {"node_power_supply_online", "1 while it gives power."}, 1},
     {"present", {"node_power_supply_present", "1 while it is there."}, 1},
     {"capacity", {"node_power_supply_capacity", "Charge in percent."}, 1},
     {"power_now", {"node_power_supply_power_watt", "Power it gives or takes."}, 1e-6},
     {"voltage_now", {"node_power_supply_voltage_volt", "Voltage."}, 1e-6}}};

/// Files that become labels of the same name, if they are there.
constexpr std::array<const char*, 8> kPowerTexts{"capacity_level", "health", "manufacturer",
                                                 "model_name",     "scope",  "status",
                                                 "technology",     "type"};

/// What the three have in common: a class, its devices, attributes of them.
class ClassCollector : public Collector {
 public:
  explicit ClassCollector(std::string folder) : folder_(std::move(folder)) {}
  bool present() const override { return !names_in(folder_).empty(); }
  base::Result<void> collect(MetricSink& sink) override {
    std::vector<std::string> names = names_in(folder_);
    std::sort(names.begin(), names.end());
    if (names.size() > kDevicesMax) names.resize(kDevicesMax);
    for (const std::string& name : names) device(sink, name);
    return base::ok();
  }

 protected:
  virtual void device(MetricSink& sink, const std::string& name) = 0;
  std::string text(const std::string& device, const char* file) {
    const auto text = reader_.attribute(folder_ + "/" + device + "/" + file).value_or("");
    return base::is_utf8(text) ? std::string(text) : std::string();  // firmware writes anything
  }
  std::optional<double> number(const std::string& device, const char* file) {
    const auto value = base::parse_i64(text(device, file));
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  }

 private:
  std::string folder_;
  FileReader reader_;
};

class ThermalZoneCollector final : public ClassCollector {
 public:
  using ClassCollector::ClassCollector;
  std::string_view name() const override { return "thermal_zone"; }

 private:
  void device(MetricSink& sink, const std::string& device) override {
    constexpr std::string_view kZonePrefix = "thermal_zone";
    constexpr std::string_view kCoolingPrefix = "cooling_device";
    if (device.starts_with(kZonePrefix)) {
      const auto millidegrees = number(device, "temp");  // a disabled zone gives an error
      const std::string type = text(device, "type");
      if (millidegrees) {
        sink.add(kZone, {{"zone", device.substr(kZonePrefix.size())}, {"type", type}},
                 *millidegrees / 1000);
      }
    } else if (device.starts_with(kCoolingPrefix)) {
      const std::string type = text(device, "type");
      const std::string index = device.substr(kCoolingPrefix.size());
      const auto now = number(device, "cur_state");
      const auto most = number(device, "max_state");
      if (now) sink.add(kCooling, {{"name", index}, {"type", type}}, *now);
      if (most) sink.add(kCoolingMax, {{"name", index}, {"type", type}}, *most);
    }
  }
};

class PowerSupplyCollector final : public ClassCollector {
 public:
  using ClassCollector::ClassCollector;
  std::string_view name() const override { return "powersupplyclass"; }

 private:
  void device(MetricSink& sink, const std::string& device) override {
    for (const PowerFile& file : kPowerFiles) {
      if (const auto value = number(device, file.file)) {
        sink.add(file.metric, {{"power_supply", device}}, *value * file.factor);
      }
    }
    std::array<std::string, kPowerTexts.size()> texts;
    std::vector<model::LabelView> labels{{"power_supply", device}};
    for (std::size_t at = 0; at < kPowerTexts.size(); ++at) {
      texts[at] = text(device, kPowerTexts[at]);
      labels.push_back({kPowerTexts[at], texts[at]});
    }
    sink.add(kPowerInfo, labels, 1);
  }
};

class NvmeCollector final : public ClassCollector {
 public:
  using ClassCollector::ClassCollector;
  std::string_view name() const override { return "nvme"; }

 private:
  void device(MetricSink& sink, const std::string& device) override {
    const std::string model = text(device, "model");
    const std::string firmware = text(device, "firmware_rev");
    const std::string serial = text(device, "serial");
    const std::string state = text(device, "state");
    sink.add(kNvme,
             {{"device", device},
              {"model", model},
              {"firmware_revision", firmware},
              {"serial", serial},
              {"state", state}},
             1);
  }
};

}  // namespace

std::unique_ptr<Collector> make_thermal_zone_collector(const HostPaths& paths) {
  return std::make_unique<ThermalZoneCollector>(paths.sys + "/class/thermal");
}

std::unique_ptr<Collector> make_power_supply_collector(const HostPaths& paths) {
  return std::make_unique<PowerSupplyCollector>(paths.sys + "/class/power_supply");
}

std::unique_ptr<Collector> make_nvme_collector(const HostPaths& paths) {
  return std::make_unique<NvmeCollector>(paths.sys + "/class/nvme");
}

}  // namespace tocsin::agent
