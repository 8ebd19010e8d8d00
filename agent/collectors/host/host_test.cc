// Whole collectors on the hand-made host of tests/data/proc, and on hosts that lack things.
#include <doctest/doctest.h>
#include <sys/timex.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "agent/collectors/host/filesystem.h"
#include "agent/collectors/host/host_collectors.h"
#include "agent/collectors/host/netclass.h"
#include "agent/collectors/host/processes.h"
#include "agent/collectors/host/recording_sink.h"
#include "agent/collectors/host/textfile.h"
#include "agent/collectors/host/timex.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

const std::string kData = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/proc";

HostSettings fixture_settings() {
  HostSettings settings;
  settings.paths = {kData + "/proc", kData + "/sys", kData + "/root"};
  settings.textfile_directory = kData + "/textfile";
  return settings;
}

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'250)};
  base::Metrics metrics;
};

// Runs one collector of the fixture host.
RecordingSink run(const std::string& name) {
  World world;
  HostSettings settings = fixture_settings();
  settings.enabled = {name};
  RecordingSink sink;
  for (const auto& collector : make_host_collectors(settings, {world.clock, world.metrics})) {
    CHECK(collector->name() == name);
    CHECK(collector->present());
    const auto done = collector->collect(sink);
    CAPTURE(done);
    CHECK(done);
  }
  CHECK_FALSE(sink.repeated);
  return sink;
}

}  // namespace

TEST_CASE("cpu and stat") {
  const RecordingSink cpu = run("cpu");
  CHECK(cpu.value("node_cpu_seconds_total,cpu=0,mode=user") == 1.0);  // 100 ticks of 10 ms
  CHECK(cpu.value("node_cpu_seconds_total,cpu=1,mode=steal") == 0.02);
  CHECK(cpu.value("node_cpu_guest_seconds_total,cpu=0,mode=user") == 0.05);
  CHECK(cpu.value("node_cpu_core_throttles_total,core=0,package=0") == 7);
  CHECK(cpu.value("node_cpu_package_throttles_total,package=0") == 30);
  CHECK(cpu.value("node_cpu_isolated,cpu=4") == 1);
  // 2 CPUs x (8 modes + 2 of guests), two hyper-threads of one core, one package, three isolated
  // CPUs.
  CHECK(cpu.samples.size() == 20 + 1 + 1 + 3);
  CHECK(cpu.types.at("node_cpu_seconds_total") == MetricType::Counter);

  const RecordingSink stat = run("stat");
  CHECK(stat.value("node_intr_total") == 123456);
  CHECK(stat.value("node_boot_time_seconds") == 1795426575);
  CHECK(stat.value("node_forks_total") == 4321);
  CHECK(stat.value("node_procs_running") == 3);
  CHECK(stat.value("node_procs_blocked") == 1);
  CHECK(stat.samples.size() == 6);
}

TEST_CASE("memory, load, paging, pressure, processes, files") {
  CHECK(run("meminfo").value("node_memory_Active_anon_bytes") == 29400 * 1024);
  CHECK(run("loadavg").value("node_load15") == 12.5);
  const RecordingSink vmstat = run("vmstat");
  CHECK(vmstat.value("node_vmstat_oom_kill") == 18);
  CHECK(vmstat.samples.size() == 7);
  CHECK(vmstat.types.at("node_vmstat_pgfault") == MetricType::Unknown);
  const RecordingSink pressure = run("pressure");
  CHECK(pressure.value("node_pressure_io_waiting_seconds_total") == 2.0);
  CHECK(pressure.samples.size() == 5);  // "full" of the CPU is left out
  const RecordingSink processes = run("processes");
  CHECK(processes.value("node_processes_state,state=R") == 1);
  CHECK(processes.value("node_processes_threads") == 7);  // 1 + 5 + 1
  CHECK(processes.value("node_processes_pids") == 3);
  CHECK(processes.value("node_processes_max_processes") == 32768);
  CHECK(run("filefd").value("node_filefd_allocated") == 592);
  CHECK(run("entropy").value("node_entropy_pool_size_bits") == 256);
}

TEST_CASE("diskstats: units, excluded devices, identity from udev") {
  const RecordingSink sink = run("diskstats");
  CHECK(sink.value("node_disk_read_bytes_total,device=vda") == 2000 * 512);
  CHECK(sink.value("node_disk_read_time_seconds_total,device=vda") == 30 * 0.001);
  CHECK(sink.value("node_disk_discarded_sectors_total,device=vda") == 13);
  CHECK(sink.value("node_disk_flush_requests_time_seconds_total,device=vda") == 16 * 0.001);
  CHECK(sink.value("node_disk_io_now,device=sda") == 29);
  CHECK_FALSE(sink.value("node_disk_discards_completed_total,device=sda"));
  CHECK_FALSE(sink.value("node_disk_io_now,device=loop0"));
  CHECK_FALSE(sink.value("node_disk_io_now,device=vda1"));
  CHECK(sink.value("node_disk_info,device=sda,major=8,minor=0,model=Model_X,"
                   "path=pci-0000:00:01.1-ata-1,revision=1.0,serial=S3R1AL,wwn=0x5000") == 1);
  CHECK(sink.value("node_disk_ata_rotation_rate_rpm,device=sda") == 7200);
  CHECK(sink.value("node_disk_device_mapper_info,device=dm-0,lv_name=root,name=vg0-root,"
                   "uuid=LVM-abc,vg_name=vg0") == 1);
  CHECK(sink.value("node_disk_filesystem_info,device=dm-0,type=ext4,usage=filesystem,uuid=1-2-3,"
                   "version=1.0") == 1);
  // vda 17 + sda 11 + dm-0 15 numbers, three infos, sda's three ATA numbers, dm-0's mapper and file
  // system.
  CHECK(sink.samples.size() == 17 + 11 + 15 + 3 + 3 + 2);
}

TEST_CASE("filesystem: labels, escapes, excludes, errors") {
  World world;
  const HostSettings settings = fixture_settings();
  std::vector<std::string> asked;
  base::Mutex mutex;
  const auto collector = make_filesystem_collector(
      settings, {world.clock, world.metrics}, [&](const std::string& path) {
        base::MutexLock lock(mutex);
        asked.push_back(path);
        StatfsReply reply;
        reply.error = path.ends_with("/tmp") ? EACCES : 0;
        reply.usage = {100, 50, 40, 30, 20};
        return reply;
      });
  RecordingSink sink;
  REQUIRE(collector->collect(sink));
  CHECK_FALSE(sink.repeated);
  const std::string root = ",device=/dev/vda,fstype=ext4,mountpoint=/";
  CHECK(sink.value("node_filesystem_size_bytes" + root) == 100);
  CHECK(sink.value("node_filesystem_free_bytes" + root) == 50);
  CHECK(sink.value("node_filesystem_avail_bytes" + root) == 40);
  CHECK(sink.value("node_filesystem_files" + root) == 30);
  CHECK(sink.value("node_filesystem_files_free" + root) == 20);
  CHECK(sink.value("node_filesystem_readonly" + root) == 0);
  CHECK(sink.value("node_filesystem_readonly,device=/dev/vdb,fstype=ext4,"
                   "mountpoint=/srv/two words\ttab") == 1);
  CHECK(sink.value("node_filesystem_device_error,device=tmpfs,fstype=tmpfs,mountpoint=/tmp") == 1);
  CHECK_FALSE(sink.value("node_filesystem_size_bytes,device=tmpfs,fstype=tmpfs,mountpoint=/tmp"));
  // Four mounts: /, the one with the odd name, NFS, /tmp (an error only).
  CHECK(sink.samples.size() == 3 * 7 + 1);
  // The local ones are asked before the remote one.
  CHECK(asked == std::vector<std::string>{kData + "/root/", kData + "/root/srv/two words\ttab",
                                          kData + "/root/tmp", kData + "/root/mnt/nfs"});
}

TEST_CASE("network") {
  const RecordingSink netdev = run("netdev");
  CHECK(netdev.value("node_network_receive_bytes_total,device=eth0") == 101);
  CHECK(netdev.value("node_network_receive_multicast_total,device=eth0") == 108);
  CHECK(netdev.value("node_network_transmit_colls_total,device=eth0") == 206);
  CHECK(netdev.value("node_network_transmit_bytes_total,device=eth0:1") == 0);
  CHECK(netdev.value("node_network_receive_bytes_total,device=eth0:1") == 9);
  CHECK(netdev.value("node_network_receive_nohandler_total,device=eth0") == 55);
  CHECK(netdev.samples.size() == 16 + 1 + 16);  // lo is excluded

  const RecordingSink netclass = run("netclass");
  CHECK(netclass.value("node_network_speed_bytes,device=eth0") == 125e6);  // 1000 Mbit/s / 8
  CHECK(netclass.value("node_network_flags,device=eth0") == 0x1003);
  CHECK(netclass.value("node_network_device_id,device=eth0") == 31);
  CHECK(netclass.value("node_network_up,device=eth0") == 1);
  CHECK(netclass.value("node_network_up,device=lo") == 0);
  CHECK_FALSE(netclass.value("node_network_carrier,device=lo"));
  CHECK_FALSE(netclass.value("node_network_speed_bytes,device=lo"));
  CHECK(netclass.value("node_network_info,address=02:00:00:00:00:01,broadcast=ff:ff:ff:ff:ff:ff,"
                       "device=eth0,duplex=full,ifalias=to the \"switch\",operstate=up") == 1);
  CHECK(netclass.samples.size() == (16 + 3) + (4 + 2) + (1 + 2));

  const RecordingSink netstat = run("netstat");
  CHECK(netstat.value("node_netstat_TcpExt_ListenOverflows") == 2);
  CHECK(netstat.value("node_netstat_Tcp_InErrs") == 11);
  CHECK(netstat.value("node_netstat_Udp6_RcvbufErrors") == 23);
  // TcpExt 3, IpExt 2, Ip 1, Tcp 4, UdpLite 1, then Ip6 1, Icmp6 1, Udp6 1.
  CHECK(netstat.samples.size() == 14);

  const RecordingSink sockstat = run("sockstat");
  CHECK(sockstat.value("node_sockstat_TCP_mem") == 3);
  CHECK(*sockstat.value("node_sockstat_TCP_mem_bytes") >= 3 * 4096);
  CHECK(sockstat.value("node_sockstat_FRAG_memory") == 9);
  CHECK_FALSE(sockstat.value("node_sockstat_FRAG_mem_bytes"));
  CHECK(sockstat.value("node_sockstat_TCP6_inuse") == 6);

  CHECK(run("udp_queues").value("node_udp_queues,ip=v4,queue=rx") == 0x100 + 0xf);
  CHECK(run("softnet").value("node_softnet_processed_total,cpu=3") == 0x9dd);
  CHECK(run("arp").value("node_arp_entries,device=eth0") == 2);
  const RecordingSink conntrack = run("conntrack");
  CHECK(conntrack.value("node_nf_conntrack_entries") == 17);
  CHECK(conntrack.value("node_nf_conntrack_stat_found") == 0xa + 0xf0);
  CHECK(conntrack.value("node_nf_conntrack_stat_search_restart") == 8);
}

TEST_CASE("what the board measures: chips, zones, power, NVMe") {
  const RecordingSink chips = run("hwmon");
  CHECK(chips.value("node_hwmon_temp_celsius,chip=platform_coretemp_0,sensor=temp1") == 45.5);
  CHECK(chips.value("node_hwmon_temp_crit_celsius,chip=platform_coretemp_0,sensor=temp1") == 100);
  CHECK(chips.value("node_hwmon_chip_names,chip=platform_coretemp_0,chip_name=coretemp") == 1);
  CHECK(chips.value("node_hwmon_fan_rpm,chip=nct6775,sensor=fan1") == 1200);
  CHECK(chips.value("node_hwmon_fan_alarm,chip=nct6775,sensor=fan1") == 1);
  CHECK(chips.value("node_hwmon_in_volts,chip=nct6775,sensor=in0") == doctest::Approx(1.024));
  CHECK(chips.value("node_hwmon_power_average_watt,chip=nct6775,sensor=power1") == 15.5);
  const RecordingSink zones = run("thermal_zone");
  CHECK(zones.value("node_thermal_zone_temp,type=x86_pkg_temp,zone=0") == 47);
  const RecordingSink power = run("powersupplyclass");
  CHECK(power.value("node_power_supply_online,power_supply=AC") == 0);
  CHECK(power.value("node_power_supply_capacity,power_supply=BAT0") == 81);
  CHECK(run("nvme").has_name("node_nvme_info"));
}

TEST_CASE("hardware: RAID, bonds, memory errors") {
  const RecordingSink raid = run("mdadm");
  CHECK(raid.value("node_md_disks,device=md0,state=active") == 1);
  CHECK(raid.value("node_md_disks,device=md0,state=failed") == 1);
  CHECK(raid.value("node_md_disks_required,device=md0") == 2);
  CHECK(raid.value("node_md_blocks,device=md0") == 1046528);
  CHECK(raid.value("node_md_state,device=md1,state=recovering") == 1);
  CHECK(raid.value("node_md_state,device=md1,state=active") == 0);
  CHECK(raid.value("node_md_blocks_synced,device=md1") == 630);
  CHECK(raid.value("node_md_disks,device=md1,state=spare") == 1);
  CHECK(raid.value("node_md_disks,device=md2,state=active") == 2);
  CHECK(raid.value("node_md_state,device=md3,state=inactive") == 1);
  CHECK(raid.value("node_md_blocks_synced,device=md4") == 0);

  const RecordingSink bonding = run("bonding");
  CHECK(bonding.value("node_bonding_slaves,master=bond0") == 2);
  CHECK(bonding.value("node_bonding_active,master=bond0") == 1);
  const RecordingSink edac = run("edac");
  CHECK(edac.value("node_edac_correctable_errors_total,controller=0") == 5);
  CHECK(edac.value("node_edac_csrow_correctable_errors_total,controller=0,csrow=0") == 4);
  CHECK(edac.value("node_edac_csrow_uncorrectable_errors_total,controller=0,csrow=unknown") == 2);
  CHECK(edac.samples.size() == 6);
}

TEST_CASE("netclass reads settled properties again after a change and after a minute") {
  sim::TestFolder sys;
  const std::string device = "class/net/eth0/";
  sys.write(device + "ifindex", "2\n");
  sys.write(device + "operstate", "up\n");
  sys.write(device + "speed", "1000\n");
  base::SimClock clock;
  const auto collector = make_netclass_collector({"/proc", sys.path(), "/"}, "^$", clock);
  const auto speed = [&] {
    RecordingSink sink;
    REQUIRE(collector->collect(sink));
    return sink.value("node_network_speed_bytes,device=eth0");
  };
  CHECK(speed() == 125e6);
  sys.write(device + "speed", "100\n");
  CHECK(speed() == 125e6);
  clock.advance(base::Duration{60'000});
  CHECK(speed() == 12.5e6);
  sys.write(device + "speed", "10\n");
  sys.write(device + "operstate", "down\n");
  CHECK(speed() == 1.25e6);
  std::filesystem::remove_all(sys.path() + "/class/net/eth0");
  CHECK_FALSE(speed());
}

TEST_CASE("time and names") {
  const RecordingSink time = run("time");
  CHECK(time.value("node_time_seconds") == 1'700'000'000.25);
  CHECK(time.value("node_time_clocksource_available_info,clocksource=kvm-clock,device=0") == 1);
  CHECK(time.value("node_time_clocksource_current_info,clocksource=tsc,device=0") == 1);
  CHECK(time.has_name("node_time_zone_offset_seconds"));
  const RecordingSink os = run("os");
  CHECK(os.value("node_os_version,id=debian,name=Debian GNU/Linux") == 12.5);
  CHECK(os.value("node_os_info,id=debian,image_id=a\"b$c,name=Debian GNU/Linux,"
                 "pretty_name=Debian GNU/Linux 12 (bookworm),variant=it is \"quoted\","
                 "version=12 (bookworm),version_codename=bookworm,version_id=12.5") == 1);
  CHECK(run("uname").has_name("node_uname_info"));
}

TEST_CASE("timex: microseconds or nanoseconds, and not synchronized") {
  const auto collector = make_timex_collector([](struct timex& clock) {
    clock.status = STA_NANO | STA_PLL;
    clock.offset = -1500;  // nanoseconds
    clock.maxerror = 16'000'000;
    clock.freq = 65536;  // one part per million
    clock.tick = 10'000;
    return TIME_ERROR;
  });
  RecordingSink sink;
  REQUIRE(collector->collect(sink));
  CHECK(sink.value("node_timex_offset_seconds") == -1.5e-6);
  CHECK(sink.value("node_timex_maxerror_seconds") == 16);
  CHECK(*sink.value("node_timex_frequency_adjustment_ratio") == doctest::Approx(1.000001));
  CHECK(sink.value("node_timex_tick_seconds") == 0.01);
  CHECK(sink.value("node_timex_sync_status") == 0);
  CHECK(sink.samples.size() == 17);

  const auto denied = make_timex_collector([](struct timex&) {
    errno = EPERM;
    return -1;
  });
  CHECK(denied->collect(sink).error().code == base::ErrorCode::PermissionDenied);
}

TEST_CASE("textfile: whole files or nothing") {
  const RecordingSink good = run("textfile");
  CHECK(good.value("backup_last_success_time_seconds,job=db") == 1.7e9);
  CHECK(good.value("backup_duration_seconds_bucket,le=+Inf") == 2);
  CHECK(good.types.at("backup_duration_seconds_bucket") == MetricType::Counter);
  CHECK(good.value("node_textfile_scrape_error") == 0);
  CHECK(good.has_name("node_textfile_mtime_seconds"));
  CHECK(good.samples.size() == 4 + 2);

  sim::TestFolder folder;
  folder.write("a_good.prom", "a 1\n");
  folder.write("b_timestamp.prom", "b 1\nb2 1 1700000000000\n");
  folder.write("c_cut.prom", "c 1\nc2 12");
  folder.write("d_bad.prom", "d 1\nd{ 2\n");
  folder.write("e_empty.prom", "");
  folder.write("f_large.prom", "# " + std::string(2000, 'x') + "\n");
  std::filesystem::create_directory(folder.file("g_folder.prom"));
  std::filesystem::create_symlink("/nowhere", folder.file("h_dangling.prom"));
  base::Metrics metrics;
  TextfileLimits limits;
  limits.file_bytes_max = 1000;
  const auto collector = make_textfile_collector(folder.path(), metrics, limits);
  RecordingSink sink;
  const auto done = collector->collect(sink);
  REQUIRE_FALSE(done);
  CHECK(done.error().message ==
        "'" + folder.path() + "/b_timestamp.prom': sample 'b2' has a timestamp");
  CHECK(sink.value("a") == 1);
  CHECK_FALSE(sink.value("b"));
  CHECK_FALSE(sink.value("c"));
  CHECK_FALSE(sink.value("d"));
  CHECK(sink.value("node_textfile_scrape_error") == 1);
  CHECK(sink.has_name("node_textfile_mtime_seconds"));
  CHECK(sink.samples.size() == 4);  // a, the error, two times of a and e
  CHECK(metrics.points().front().value == 6);

  const auto missing = make_textfile_collector("/no/such/folder", metrics);
  RecordingSink empty;
  CHECK(missing->collect(empty).error().code == base::ErrorCode::NotFound);
  CHECK(empty.value("node_textfile_scrape_error") == 1);
}

TEST_CASE("many processes are scanned less often") {
  sim::TestFolder proc;
  proc.write("sys/kernel/threads-max", "9\n");
  proc.write("sys/kernel/pid_max", "9\n");
  const std::string rest = " (x) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0\n";
  std::size_t pid = 0;
  while (++pid <= kScanBudget)
    proc.write(std::to_string(pid) + "/stat", std::to_string(pid) + rest);
  const auto collector = make_processes_collector({proc.path(), "/sys", "/"});
  const auto count = [&] {
    RecordingSink sink;
    REQUIRE(collector->collect(sink));
    return *sink.value("node_processes_pids");
  };
  CHECK(count() == kScanBudget);
  proc.write(std::to_string(pid) + "/stat", std::to_string(pid) + rest);
  CHECK(count() == kScanBudget);  // not scanned
  CHECK(count() == kScanBudget + 1);
}

TEST_CASE("a host without any of the files fails in words, and never dies") {
  sim::TestFolder nothing;
  World world;
  HostSettings settings;
  settings.paths = {nothing.path(), nothing.path(), nothing.path()};
  for (const auto& collector : make_host_collectors(settings, {world.clock, world.metrics})) {
    CAPTURE(collector->name());
    if (!collector->present()) continue;
    RecordingSink sink;
    const auto done = collector->collect(sink);
    if (!done) CHECK_FALSE(done.error().message.empty());
  }
}

TEST_CASE("every file of the host cut at every length gives an answer") {
  const auto files = base::make_real_file_system();
  for (const char* name : {"stat", "meminfo", "diskstats", "net/dev", "1/mounts", "net/snmp"}) {
    const std::string text = files->read(kData + "/proc/" + name, 1 << 20).value();
    sim::TestFolder proc;
    World world;
    HostSettings settings;
    settings.paths = {proc.path(), proc.path(), proc.path()};
    settings.enabled = {"cpu", "stat", "meminfo", "diskstats", "netdev", "filesystem", "netstat"};
    const auto collectors = make_host_collectors(settings, {world.clock, world.metrics});
    for (std::size_t length = 0; length < text.size(); length += 7) {
      proc.write(name, text.substr(0, length));
      RecordingSink sink;
      for (const auto& collector : collectors) static_cast<void>(collector->collect(sink));
      CHECK_FALSE(sink.repeated);
    }
  }
}

TEST_CASE("settings: read, checked, all mistakes at once") {
  const auto read = [](const std::string& text, base::Diagnostics& diagnostics) {
    const config::Source source{"agent.toml", text};
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    const config::Node root = config::parse_toml(source, diagnostics);
    config::Table table(context, &root);
    return read_host_settings(table);
  };
  base::Diagnostics diagnostics;
  const HostSettings good = read(
      "disabled = [\"arp\"]\ntextfile_directory = \"/var/lib/tocsin\"\nstatfs_deadline = "
      "\"200ms\"\n"
      "mount_points_exclude = \"^/x\"\n",
      diagnostics);
  CHECK(diagnostics.empty());
  CHECK(good.disabled == std::vector<std::string>{"arp"});
  CHECK(good.statfs_deadline == base::Duration{200});
  CHECK(good.mount_points_exclude == "^/x");

  const HostSettings bad = read(
      "enabled = [\"cpus\"]\nfs_types_exclude = \"(\"\nstatfs_deadline = \"5s\"\n"
      "textfile_directory = \"relative\"\nsystemd_unit_include = \"x\"\n",
      diagnostics);
  CHECK(diagnostics.size() == 5);
  CHECK(bad.enabled.empty());
  CHECK(bad.statfs_deadline == HostSettings{}.statfs_deadline);
  CHECK(bad.fs_types_exclude == HostSettings{}.fs_types_exclude);
}

TEST_CASE("enabled and disabled choose; every name is unique and is its collector's own") {
  World world;
  HostSettings settings = fixture_settings();
  const auto all = make_host_collectors(settings, {world.clock, world.metrics});
  const std::vector<std::string> names = host_collector_names();
  REQUIRE(all.size() == names.size());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i]->name() == names[i]);
  settings.enabled = {"cpu", "loadavg"};
  settings.disabled = {"cpu"};
  const auto chosen = make_host_collectors(settings, {world.clock, world.metrics});
  REQUIRE(chosen.size() == 1);
  CHECK(chosen[0]->name() == "loadavg");
}

}  // namespace tocsin::agent
