#include "agent/collectors/host/time.h"

#include <array>
#include <ctime>
#include <string>

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kTime{"node_time_seconds", "The host's clock, in Unix time.",
                           MetricType::Gauge};
constexpr MetricInfo kZone{"node_time_zone_offset_seconds",
                           "Seconds that local time is ahead of UTC.", MetricType::Gauge};
constexpr MetricInfo kAvailable{"node_time_clocksource_available_info",
                                "Clock source that the kernel could use; always 1.",
                                MetricType::Gauge};
constexpr MetricInfo kCurrent{"node_time_clocksource_current_info",
                              "Clock source that the kernel uses; always 1.", MetricType::Gauge};

constexpr std::string_view kDevicePrefix = "clocksource";

class TimeCollector final : public Collector {
 public:
  TimeCollector(const HostPaths& paths, const base::Clock& clock)
      : folder_(paths.sys + "/devices/system/clocksource"), clock_(clock) {
    for (const std::string& entry : names_in(folder_)) {
      if (entry.starts_with(kDevicePrefix)) devices_.push_back(entry.substr(kDevicePrefix.size()));
    }
  }

  std::string_view name() const override { return "time"; }

  base::Result<void> collect(MetricSink& sink) override {
    const double now = base::to_seconds(clock_.wall());
    sink.add(kTime, now);
    const auto seconds = static_cast<std::time_t>(now);
    std::tm local{};
    if (localtime_r(&seconds, &local) != nullptr) {
      // By strftime, not from tm_zone, which points into tables that libc shares between threads.
      std::array<char, 64> zone{};
      const std::size_t length = std::strftime(zone.data(), zone.size(), "%Z", &local);
      sink.add(kZone, {{"time_zone", std::string_view(zone.data(), length)}},
               static_cast<double>(local.tm_gmtoff));
    }
    for (const std::string& device : devices_) {
      const std::string folder = folder_ + "/" + std::string(kDevicePrefix) + device;
      if (const auto text = reader_.attribute(folder + "/available_clocksource")) {
        for (Fields fields(*text); !fields.at_end();) {
          sink.add(kAvailable, {{"clocksource", fields.next()}, {"device", device}}, 1);
        }
      }
      if (const auto text = reader_.attribute(folder + "/current_clocksource")) {
        sink.add(kCurrent, {{"clocksource", *text}, {"device", device}}, 1);
      }
    }
    return base::ok();
  }

 private:
  std::string folder_;
  const base::Clock& clock_;
  FileReader reader_;
  std::vector<std::string> devices_;
};

}  // namespace

std::unique_ptr<Collector> make_time_collector(const HostPaths& paths, const base::Clock& clock) {
  return std::make_unique<TimeCollector>(paths, clock);
}

}  // namespace tocsin::agent
