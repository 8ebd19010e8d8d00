#include "agent/collectors/host/netdev.h"

#include "agent/collectors/host/pattern.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr std::array<MetricInfo, 16> kColumns{{
    {"node_network_receive_bytes_total", "Bytes received.", MetricType::Counter},
    {"node_network_receive_packets_total", "Packets received.", MetricType::Counter},
    {"node_network_receive_errs_total", "Packets received with an error.", MetricType::Counter},
    {"node_network_receive_drop_total", "Received packets that were dropped.", MetricType::Counter},
    {"node_network_receive_fifo_total", "Packets lost because a receive queue was full.",
     MetricType::Counter},
    {"node_network_receive_frame_total", "Packets received with a bad frame.", MetricType::Counter},
    {"node_network_receive_compressed_total", "Compressed packets received.", MetricType::Counter},
    {"node_network_receive_multicast_total", "Multicast packets received.", MetricType::Counter},
    {"node_network_transmit_bytes_total", "Bytes sent.", MetricType::Counter},
    {"node_network_transmit_packets_total", "Packets sent.", MetricType::Counter},
    {"node_network_transmit_errs_total", "Packets not sent because of an error.",
     MetricType::Counter},
    {"node_network_transmit_drop_total", "Packets dropped before sending.", MetricType::Counter},
    {"node_network_transmit_fifo_total", "Packets lost because a send queue ran empty.",
     MetricType::Counter},
    {"node_network_transmit_colls_total", "Collisions while sending.", MetricType::Counter},
    {"node_network_transmit_carrier_total", "Packets not sent because the carrier was lost.",
     MetricType::Counter},
    {"node_network_transmit_compressed_total", "Compressed packets sent.", MetricType::Counter},
}};
constexpr MetricInfo kNoHandler{"node_network_receive_nohandler_total",
                                "Received packets that no protocol wanted.", MetricType::Counter};

class NetdevCollector final : public Collector {
 public:
  NetdevCollector(const HostPaths& paths, const std::string& exclude)
      : path_(paths.proc + "/net/dev"), sys_(paths.sys + "/class/net/"), exclude_(exclude) {}

  std::string_view name() const override { return "netdev"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const std::vector<DeviceTraffic> devices, parse_net_dev(text));
    for (const DeviceTraffic& traffic : devices) {
      if (exclude_.matches(traffic.device)) continue;
      for (std::size_t i = 0; i < kColumns.size(); ++i) {
        sink.add(kColumns[i], {{"device", traffic.device}}, static_cast<double>(traffic.values[i]));
      }
      // The one counter that /proc/net/dev adds to none of its columns.
      const std::string file = sys_ + std::string(traffic.device) + "/statistics/rx_nohandler";
      const auto value = sys_reader_.attribute(file);
      const auto count = value ? base::parse_u64(*value) : std::nullopt;
      if (count) sink.add(kNoHandler, {{"device", traffic.device}}, static_cast<double>(*count));
    }
    return base::ok();
  }

 private:
  std::string path_;
  std::string sys_;
  Pattern exclude_;
  FileReader reader_;
  FileReader sys_reader_;  // apart: device names still point into the other's text
};

}  // namespace

base::Result<std::vector<DeviceTraffic>> parse_net_dev(std::string_view text) {
  constexpr std::string_view kFile = "/proc/net/dev";
  std::vector<DeviceTraffic> devices;
  std::string_view bad;
  std::size_t number = 0;
  base::for_each_line(text, [&](std::string_view line) {
    ++number;
    if (number <= 2) {
      if (line.find('|') == std::string_view::npos && bad.empty())
        bad = line.empty() ? "no header" : line;
      return;
    }
    if (base::trim(line).empty() || !bad.empty()) return;
    // Aliases such as eth0:1 hold a colon themselves, so the last one ends the name.
    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) {
      bad = line;
      return;
    }
    DeviceTraffic traffic;
    traffic.device = base::trim(line.substr(0, colon));
    Fields fields(line.substr(colon + 1));
    for (std::uint64_t& value : traffic.values) {
      const auto parsed = fields.next_number();
      if (!parsed || traffic.device.empty()) {
        bad = line;
        return;
      }
      value = *parsed;
    }
    devices.push_back(traffic);
  });
  if (!bad.empty()) return malformed(kFile, bad);
  if (number < 2) return malformed(kFile, "no header");
  return devices;
}

std::unique_ptr<Collector> make_netdev_collector(const HostPaths& paths,
                                                 const std::string& devices_exclude) {
  return std::make_unique<NetdevCollector>(paths, devices_exclude);
}

}  // namespace tocsin::agent
