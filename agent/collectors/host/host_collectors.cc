#include "agent/collectors/host/host_collectors.h"

#include <algorithm>
#include <array>

#include "agent/collectors/host/conntrack.h"
#include "agent/collectors/host/cpu.h"
#include "agent/collectors/host/diskstats.h"
#include "agent/collectors/host/filefd.h"
#include "agent/collectors/host/filesystem.h"
#include "agent/collectors/host/hardware.h"
#include "agent/collectors/host/hwmon.h"
#include "agent/collectors/host/kernel_tables.h"
#include "agent/collectors/host/loadavg.h"
#include "agent/collectors/host/mdadm.h"
#include "agent/collectors/host/meminfo.h"
#include "agent/collectors/host/netclass.h"
#include "agent/collectors/host/netdev.h"
#include "agent/collectors/host/netstat.h"
#include "agent/collectors/host/power.h"
#include "agent/collectors/host/pressure.h"
#include "agent/collectors/host/processes.h"
#include "agent/collectors/host/sockstat.h"
#include "agent/collectors/host/stat.h"
#include "agent/collectors/host/systemd.h"
#include "agent/collectors/host/textfile.h"
#include "agent/collectors/host/time.h"
#include "agent/collectors/host/timex.h"
#include "agent/collectors/host/uname.h"
#include "agent/collectors/host/vmstat.h"

namespace tocsin::agent {
namespace {

using Made = std::unique_ptr<Collector>;

struct Entry {
  std::string_view name;
  Made (*make)(const HostSettings& settings, HostWorld world);
};

// Every host collector, in the order of a round.
constexpr std::array<Entry, 32> kCollectors{{
    {"cpu", [](const HostSettings& s, HostWorld) { return make_cpu_collector(s.paths); }},
    {"stat", [](const HostSettings& s, HostWorld) { return make_stat_collector(s.paths); }},
    {"loadavg", [](const HostSettings& s, HostWorld) { return make_loadavg_collector(s.paths); }},
    {"meminfo", [](const HostSettings& s, HostWorld) { return make_meminfo_collector(s.paths); }},
    {"vmstat", [](const HostSettings& s, HostWorld) { return make_vmstat_collector(s.paths); }},
    {"pressure", [](const HostSettings& s, HostWorld) { return make_pressure_collector(s.paths); }},
    {"processes",
     [](const HostSettings& s, HostWorld) { return make_processes_collector(s.paths); }},
    {"filefd", [](const HostSettings& s, HostWorld) { return make_filefd_collector(s.paths); }},
    {"entropy", [](const HostSettings& s, HostWorld) { return make_entropy_collector(s.paths); }},
    {"diskstats",
     [](const HostSettings& s, HostWorld) {
       return make_diskstats_collector(s.paths, s.disk_devices_exclude);
     }},
    {"filesystem",
     [](const HostSettings& s, HostWorld w) { return make_filesystem_collector(s, w); }},
    {"netdev", [](const HostSettings& s,
                  HostWorld) { return make_netdev_collector(s.paths, s.network_devices_exclude); }},
    {"netclass",
     [](const HostSettings& s, HostWorld w) {
       return make_netclass_collector(s.paths, s.network_properties_exclude, w.clock);
     }},
    {"netstat", [](const HostSettings& s, HostWorld) { return make_netstat_collector(s.paths); }},
    {"sockstat", [](const HostSettings& s, HostWorld) { return make_sockstat_collector(s.paths); }},
    {"softnet", [](const HostSettings& s, HostWorld) { return make_softnet_collector(s.paths); }},
    {"udp_queues",
     [](const HostSettings& s, HostWorld) { return make_udp_queues_collector(s.paths); }},
    {"arp", [](const HostSettings& s, HostWorld) { return make_arp_collector(s.paths); }},
    {"conntrack",
     [](const HostSettings& s, HostWorld) { return make_conntrack_collector(s.paths); }},
    {"mdadm", [](const HostSettings& s, HostWorld) { return make_mdadm_collector(s.paths); }},
    {"bonding", [](const HostSettings& s, HostWorld) { return make_bonding_collector(s.paths); }},
    {"edac", [](const HostSettings& s, HostWorld) { return make_edac_collector(s.paths); }},
    {"hwmon", [](const HostSettings& s, HostWorld) { return make_hwmon_collector(s.paths); }},
    {"thermal_zone",
     [](const HostSettings& s, HostWorld) { return make_thermal_zone_collector(s.paths); }},
    {"powersupplyclass",
     [](const HostSettings& s, HostWorld) { return make_power_supply_collector(s.paths); }},
    {"nvme", [](const HostSettings& s, HostWorld) { return make_nvme_collector(s.paths); }},
    {"time",
     [](const HostSettings& s, HostWorld w) { return make_time_collector(s.paths, w.clock); }},
    {"timex", [](const HostSettings&, HostWorld) { return make_timex_collector(); }},
    {"uname", [](const HostSettings&, HostWorld) { return make_uname_collector(); }},
    {"os", [](const HostSettings& s, HostWorld) { return make_os_collector(s.paths); }},
    {"systemd", [](const HostSettings& s, HostWorld w) { return make_systemd_collector(s, w); }},
    {"textfile",
     [](const HostSettings& s, HostWorld w) {
       return s.textfile_directory.empty()
                  ? Made{}
                  : make_textfile_collector(s.textfile_directory, w.metrics);
     }},
}};

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<std::string> host_collector_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kCollectors) names.emplace_back(entry.name);
  return names;
}

std::vector<std::unique_ptr<Collector>> make_host_collectors(const HostSettings& settings,
                                                             HostWorld world) {
  std::vector<std::unique_ptr<Collector>> collectors;
  for (const Entry& entry : kCollectors) {
    if (!settings.enabled.empty() && !holds(settings.enabled, entry.name)) continue;
    if (holds(settings.disabled, entry.name)) continue;
    if (Made made = entry.make(settings, world)) collectors.push_back(std::move(made));
  }
  return collectors;
}

}  // namespace tocsin::agent
