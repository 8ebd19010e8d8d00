#include "agent/collectors/host/netclass.h"

#include <array>
#include <map>
#include <optional>

#include "agent/collectors/host/pattern.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

struct Property {
  MetricInfo metric;
  const char* file;
};

// Read each round: they tell whether the rest must be read again. The changes of the carrier are
// the sum of those up and down.
constexpr std::array<Property, 5> kLive{{
    {{"node_network_iface_id", "Number of the device.", MetricType::Gauge}, "ifindex"},
    {{"node_network_flags", "Flags of the device.", MetricType::Gauge}, "flags"},
    {{"node_network_carrier", "1 if there is a carrier.", MetricType::Gauge}, "carrier"},
    {{"node_network_carrier_changes_total", "Times the carrier came or went.", MetricType::Counter},
     "carrier_changes"},
    {{"node_network_mtu_bytes", "Largest packet the device sends.", MetricType::Gauge}, "mtu"},
}};

constexpr std::array<Property, 11> kSettled{{
    {{"node_network_carrier_up_changes_total", "Times the carrier came.", MetricType::Counter},
     "carrier_up_count"},
    {{"node_network_carrier_down_changes_total", "Times the carrier went.", MetricType::Counter},
     "carrier_down_count"},
    {{"node_network_address_assign_type", "How the address was given: 0 permanent, 1 random, ...",
      MetricType::Gauge},
     "addr_assign_type"},
    {{"node_network_device_id", "Number of a device that shares its hardware with others.",
      MetricType::Gauge},
     "dev_id"},
    {{"node_network_dormant", "1 if the device waits for something outside.", MetricType::Gauge},
     "dormant"},
    {{"node_network_iface_link", "Number of the device below this one.", MetricType::Gauge},
     "iflink"},
    {{"node_network_iface_link_mode", "1 if the link is reported as dormant first.",
      MetricType::Gauge},
     "link_mode"},
    {{"node_network_name_assign_type",
      "How the name was given: 1 by the kernel, 2 predictable, ...", MetricType::Gauge},
     "name_assign_type"},
    {{"node_network_net_dev_group", "Group of the device.", MetricType::Gauge}, "netdev_group"},
    {{"node_network_transmit_queue_length", "Packets the send queue holds.", MetricType::Gauge},
     "tx_queue_len"},
    {{"node_network_protocol_type", "ARP hardware type of the device.", MetricType::Gauge}, "type"},
}};

constexpr MetricInfo kSpeed{"node_network_speed_bytes",
                            "Speed of the link in bytes a second; negative if unknown.",
                            MetricType::Gauge};
constexpr MetricInfo kUp{"node_network_up", "1 if the device is up.", MetricType::Gauge};
constexpr MetricInfo kInfo{"node_network_info", "Texts about the device; always 1.",
                           MetricType::Gauge};

constexpr base::Duration kRefreshEvery{60'000};

struct Device {
  std::array<std::optional<std::int64_t>, kLive.size()> live;
  std::array<std::optional<std::int64_t>, kSettled.size()> settled;
  std::optional<std::int64_t> speed;
  std::string operstate, address, broadcast, duplex, ifalias;
  base::MonotonicTime read_at;
  bool known = false;
  bool seen = false;
};

class NetclassCollector final : public Collector {
 public:
  NetclassCollector(const HostPaths& paths, const std::string& exclude, const base::Clock& clock)
      : folder_(paths.sys + "/class/net"), exclude_(exclude), clock_(clock) {}

  std::string_view name() const override { return "netclass"; }
  bool present() const override { return path_exists(folder_); }

  base::Result<void> collect(MetricSink& sink) override {
    if (!present()) {
      return base::error(base::ErrorCode::NotFound, "cannot read '" + folder_ + "'");
    }
    for (auto& [device_name, device] : devices_) device.seen = false;
    for (const std::string& device_name : names_in(folder_)) {
      if (exclude_.matches(device_name)) continue;
      // Not every entry is a device: bonding_masters is a file.
      const Folder folder(folder_ + "/" + device_name);
      if (!folder) continue;
      Device& device = devices_[device_name];
      device.seen = true;
      read(folder, device);
      add(sink, device_name, device);
    }
    std::erase_if(devices_, [](const auto& entry) { return !entry.second.seen; });
    return base::ok();
  }

 private:
  std::optional<std::int64_t> number(const Folder& folder, const char* file) {
    const auto text = reader_.attribute(folder, file);
    return text ? parse_c_integer(*text) : std::nullopt;
  }
  std::string text(const Folder& folder, const char* file) {
    return std::string(reader_.attribute(folder, file).value_or(""));
  }

  void read(const Folder& folder, Device& device) {
    bool changed = !device.known;
    for (std::size_t i = 0; i < kLive.size(); ++i) {
      const auto value = number(folder, kLive[i].file);
      changed = changed || value != device.live[i];
      device.live[i] = value;
    }
    std::string operstate = text(folder, "operstate");
    changed = changed || operstate != device.operstate;
    device.operstate = std::move(operstate);
    const base::MonotonicTime now = clock_.monotonic();
    if (!changed && now - device.read_at < kRefreshEvery) return;
    device.known = true;
    device.read_at = now;
    for (std::size_t i = 0; i < kSettled.size(); ++i) {
      device.settled[i] = number(folder, kSettled[i].file);
    }
    device.speed = number(folder, "speed");
    device.address = text(folder, "address");
    device.broadcast = text(folder, "broadcast");
    device.duplex = text(folder, "duplex");
    device.ifalias = text(folder, "ifalias");
  }

  static void add(MetricSink& sink, const std::string& name, const Device& device) {
    const auto numbers = [&](const auto& properties, const auto& values) {
      for (std::size_t i = 0; i < properties.size(); ++i) {
        if (!values[i]) continue;
        sink.add(properties[i].metric, {{"device", name}}, static_cast<double>(*values[i]));
      }
    };
    numbers(kLive, device.live);
    numbers(kSettled, device.settled);
    // Megabits a second; whole bytes, also of the -1 that means unknown.
    if (device.speed) {
      sink.add(kSpeed, {{"device", name}}, static_cast<double>(*device.speed) * 125'000.0);
    }
    sink.add(kUp, {{"device", name}}, device.operstate == "up" ? 1 : 0);
    sink.add(kInfo,
             {{"device", name},
              {"address", device.address},
              {"broadcast", device.broadcast},
              {"duplex", device.duplex},
              {"operstate", device.operstate},
              {"ifalias", device.ifalias}},
             1);
  }

  std::string folder_;
  Pattern exclude_;
  const base::Clock& clock_;
  FileReader reader_{std::size_t{64} << 10U};
  std::map<std::string, Device> devices_;
};

}  // namespace

std::unique_ptr<Collector> make_netclass_collector(const HostPaths& paths,
                                                   const std::string& devices_exclude,
                                                   const base::Clock& clock) {
  return std::make_unique<NetclassCollector>(paths, devices_exclude, clock);
}

}  // namespace tocsin::agent
