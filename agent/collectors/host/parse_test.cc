// The pure parse functions, on good text and on damaged, cut short and absurd text.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/collectors/host/conntrack.h"
#include "agent/collectors/host/cpu.h"
#include "agent/collectors/host/diskstats.h"
#include "agent/collectors/host/filefd.h"
#include "agent/collectors/host/filesystem.h"
#include "agent/collectors/host/hwmon.h"
#include "agent/collectors/host/kernel_stat.h"
#include "agent/collectors/host/kernel_tables.h"
#include "agent/collectors/host/loadavg.h"
#include "agent/collectors/host/mdadm.h"
#include "agent/collectors/host/meminfo.h"
#include "agent/collectors/host/netdev.h"
#include "agent/collectors/host/netstat.h"
#include "agent/collectors/host/pressure.h"
#include "agent/collectors/host/processes.h"
#include "agent/collectors/host/sockstat.h"
#include "agent/collectors/host/systemd.h"
#include "agent/collectors/host/uname.h"
#include "agent/collectors/host/vmstat.h"

namespace tocsin::agent {
namespace {

// 2^64, one more than fits.
const std::string kHuge = "18446744073709551616";

CpuTimes cpu_times(std::uint32_t cpu, std::uint64_t user, std::uint64_t idle) {
  CpuTimes times;
  times.cpu = cpu;
  times.ticks[kCpuUser] = user;
  times.ticks[kCpuIdle] = idle;
  return times;
}

}  // namespace

TEST_CASE("loadavg") {
  const auto load = parse_loadavg("0.21 0.37 12.39 1/719 19737\n");
  REQUIRE(load);
  CHECK(load->one == 0.21);
  CHECK(load->fifteen == 12.39);
  for (const char* bad :
       {"", "\n", "0.21 0.37", "0.21 x 0.39 1/7 1", "nan 1 1", "-1 0 0", "inf 1 1", "1 2\n3 4"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_loadavg(bad));
  }
}

TEST_CASE("kernel stat") {
  const auto stat =
      parse_kernel_stat("cpu 9 9 9 9\ncpu7 1 2 3 4 5 6 7 8 9 10 11\nctxt 12\nnew x\n");
  REQUIRE(stat);
  REQUIRE(stat->cpus.size() == 1);
  CHECK(stat->cpus[0].cpu == 7);
  CHECK(stat->cpus[0].ticks[kCpuGuestNice] == 10);
  CHECK(stat->context_switches == 12);
  // A kernel before 2.6 has four columns only.
  CHECK(parse_kernel_stat("cpu0 1 2 3 4\n")->cpus[0].ticks[kCpuIowait] == 0);
  for (const std::string& bad :
       {std::string(), std::string("cpu 1 2 3 4\n"), std::string("cpu0 1 2 3\n"),
        std::string("cpux 1 2 3 4\n"), std::string("cpu0 1 2 3 4 -5\n"), "cpu0 1 2 3 " + kHuge,
        std::string("cpu0 1 2 3 4\nctxt\n"), std::string("cpu0 1 2 3 4\nbtime 1.5\n"),
        "cpu" + kHuge + " 1 2 3 4"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_kernel_stat(bad));
  }
}

TEST_CASE("CPU times never run backwards by a little, and start anew after a jump") {
  CpuHistory history;
  CHECK(history.merge({cpu_times(0, 10, 1000)})[0].ticks[kCpuIdle] == 1000);
  // 299 ticks back is under three seconds: idle stays, user goes on.
  const auto kept = history.merge({cpu_times(0, 20, 701)});
  CHECK(kept[0].ticks[kCpuIdle] == 1000);
  CHECK(kept[0].ticks[kCpuUser] == 20);
  CHECK(history.merge({cpu_times(0, 15, 1001)})[0].ticks[kCpuUser] == 20);
  // 301 ticks back is a new start: everything is taken as it is.
  const auto fresh = history.merge({cpu_times(0, 3, 700)});
  CHECK(fresh[0].ticks[kCpuIdle] == 700);
  CHECK(fresh[0].ticks[kCpuUser] == 3);
  // A CPU more, or another one in its place, is a new start too.
  CHECK(history.merge({cpu_times(0, 2, 699), cpu_times(1, 1, 1)}).size() == 2);
  CHECK(history.merge({cpu_times(0, 1, 698), cpu_times(2, 1, 1)})[0].ticks[kCpuUser] == 1);
}

TEST_CASE("CPU lists") {
  CHECK(parse_cpu_list("0-2,5\n").value() == std::vector<std::uint32_t>{0, 1, 2, 5});
  CHECK(parse_cpu_list("\n").value().empty());
  for (const char* bad : {"a", "1-", "-1", "3-1", "1,,2", "0-4294967295", "1 2"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_cpu_list(bad));
  }
}

TEST_CASE("meminfo") {
  const auto fields = parse_meminfo("MemTotal:  2 kB\nActive(anon): 3 kB\nHugePages_Total:  4\n");
  REQUIRE(fields);
  REQUIRE(fields->size() == 3);
  CHECK((*fields)[0].value == 2048);
  CHECK(memory_metric_name((*fields)[0]) == "node_memory_MemTotal_bytes");
  CHECK(memory_metric_name((*fields)[1]) == "node_memory_Active_anon_bytes");
  CHECK(memory_metric_name((*fields)[2]) == "node_memory_HugePages_Total");
  CHECK(memory_metric_name({"We ird-(x)", 1, false}) == "node_memory_We_ird__x");
  for (const std::string& bad :
       {std::string(), std::string("MemTotal 2 kB\n"), std::string("MemTotal:\n"),
        std::string("MemTotal: x kB\n"), std::string("MemTotal: 2 MB\n"), std::string(": 2 kB\n"),
        "MemTotal: " + kHuge + " kB\n", std::string("MemTotal: -2 kB\n")}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_meminfo(bad));
  }
}

TEST_CASE("vmstat") {
  CHECK(parse_vmstat_line("pgfault 12")->value == 12);
  for (const char* bad : {"", "pgfault", "pgfault x", "pgfault 1 2", "pgfault -1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_vmstat_line(bad));
  }
  for (const char* wanted : {"oom_kill", "pgpgin", "pswpout", "pgfault", "pgmajfault"}) {
    CHECK(is_wanted_vmstat_field(wanted));
  }
  for (const char* other : {"nr_free_pages", "pgalloc_dma", "thp_fault_alloc", "fault", "pg", ""}) {
    CHECK_FALSE(is_wanted_vmstat_field(other));
  }
}

TEST_CASE("diskstats takes what the kernel's age gives") {
  const auto disks = parse_diskstats(
      "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n\n"
      " 8 1 sdb 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n");
  REQUIRE(disks);
  REQUIRE(disks->size() == 2);
  CHECK((*disks)[0].value_count == 11);
  CHECK((*disks)[1].value_count == 17);
  CHECK((*disks)[1].values[16] == 17);
  CHECK(parse_diskstats("")->empty());
  for (const std::string& bad :
       {std::string("8 0 sda 1 2 3 4 5 6 7 8 9 10\n"), std::string("8 0 sda\n"), std::string("8\n"),
        std::string("x 0 sda 1 2 3 4 5 6 7 8 9 10 11\n"),
        "8 0 sda 1 2 3 4 5 6 7 8 9 10 " + kHuge}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_diskstats(bad));
  }
  const auto udev = parse_udev_properties("E:A=b=c\nE:=x\nE:y\nS:z\nE:B=");
  CHECK(udev.size() == 2);
  CHECK(udev.at("A") == "b=c");
}

TEST_CASE("mounts: octal escapes, options, short lines") {
  const auto mounts = parse_mounts(
      "a\\040b /m\\040n\\011\\012\\134x ext4 rw,ro 0 0\n/dev/x /half\\04 xfs errors=remount-ro 0 "
      "0\n"
      "d /\\777 t rw\n");
  REQUIRE(mounts);
  REQUIRE(mounts->size() == 3);
  CHECK((*mounts)[0].device == "a\\040b");
  CHECK((*mounts)[0].mountpoint == "/m n\t\n\\x");
  CHECK((*mounts)[0].read_only);
  CHECK((*mounts)[1].mountpoint == "/half\\04");
  CHECK_FALSE((*mounts)[1].read_only);
  CHECK((*mounts)[2].mountpoint == "/\\777");
  CHECK(parse_mounts("")->empty());
  CHECK_FALSE(parse_mounts("/dev/x /cut ext4\n"));
  CHECK(is_remote_fstype("nfs4"));
  CHECK(is_remote_fstype("fuse.sshfs"));
  CHECK_FALSE(is_remote_fstype("ext4"));
}

TEST_CASE("net/dev") {
  const std::string head = "Inter-|  Receive | Transmit\n face |bytes |bytes\n";
  const std::string text = head + "eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  const auto devices = parse_net_dev(text);
  REQUIRE(devices);
  CHECK((*devices)[0].device == "eth0");
  CHECK((*devices)[0].values[15] == 16);
  CHECK(parse_net_dev(head)->empty());
  for (const std::string& bad :
       {std::string(), std::string("x\n"), head + "eth0 1 2\n", head + "eth0: 1 2 3\n",
        head + ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        head + "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 " + kHuge + "\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_net_dev(bad));
  }
}

TEST_CASE("netstat and snmp6") {
  std::string seen;
  const NetstatField note = [&](std::string_view protocol, std::string_view name, double value) {
    seen.append(protocol).append("_").append(name).append("=");
    seen.append(std::to_string(static_cast<int>(value))).append(" ");
  };
  CHECK(parse_netstat("Tcp: A MaxConn\nTcp: 1 -1\nUdp: B\nUdp: 2\n", note));
  CHECK(seen == "Tcp_A=1 Tcp_MaxConn=-1 Udp_B=2 ");
  for (const char* bad : {"Tcp: A\n", "Tcp: A\nUdp: 1\n", "Tcp: A B\nTcp: 1\n",
                          "Tcp: A\nTcp: 1 2\n", "Tcp: A\nTcp: x\n", "Tcp A\nTcp 1\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_netstat(bad, note));
  }
  seen.clear();
  CHECK(parse_snmp6("Udp6InErrors 3\nIcmp6OutType133 4\nOther 5\n", note));
  CHECK(seen == "Udp6_InErrors=3 Icmp6_OutType133=4 ");
  CHECK_FALSE(parse_snmp6("Udp6InErrors\n", note));

  CHECK(is_wanted_netstat_field("Tcp", "InErrs"));
  CHECK(is_wanted_netstat_field("TcpExt", "ListenDrops"));
  CHECK_FALSE(is_wanted_netstat_field("Tcp", "InCsumErrors"));
  CHECK_FALSE(is_wanted_netstat_field("Ip", "InHdrErrors"));
  CHECK_FALSE(is_wanted_netstat_field("IpExt", "Forwarding"));
}

TEST_CASE("sockstat and UDP queues") {
  std::string seen;
  const SockstatField note = [&](std::string_view protocol, std::string_view name,
                                 std::uint64_t value) {
    seen.append(protocol).append("_").append(name).append("=").append(std::to_string(value)) += ' ';
  };
  CHECK(parse_sockstat("sockets: used 16\nTCP: inuse 1 mem 2\n", note));
  CHECK(seen == "sockets_used=16 TCP_inuse=1 TCP_mem=2 ");
  for (const char* bad : {"TCP inuse 1\n", "TCP: inuse\n", "TCP: inuse x\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_sockstat(bad, note));
  }
  const auto queues = parse_udp_queues("head\n 1: a b 07 0000000F:00000010 0\n 2: a b 07 1:2 0\n");
  REQUIRE(queues);
  CHECK(queues->transmit == 16);
  CHECK(queues->receive == 18);
  CHECK(parse_udp_queues("")->receive == 0);
  for (const char* bad :
       {"head\n1: a b 07\n", "head\n1: a b 07 12 0\n", "head\n1: a b 07 x:1 0\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_udp_queues(bad));
  }
}

TEST_CASE("small kernel tables") {
  const auto softnet = parse_softnet("0a 1 2\nff 0 3 0 0 0 0 0 0 0 0 0 7 0 0\n");
  REQUIRE(softnet);
  CHECK((*softnet)[0].cpu == 0);  // no 13th column: the line's number
  CHECK((*softnet)[0].processed == 10);
  CHECK((*softnet)[1].cpu == 7);
  CHECK_FALSE(parse_softnet("0a 1\n"));
  CHECK_FALSE(parse_softnet("0a 1 zz\n"));

  CHECK(parse_arp("head\na 1 2 m * eth0\nb 1 2 m * eth0\n").value().at("eth0") == 2);
  CHECK(parse_arp("head\n").value().empty());
  CHECK_FALSE(parse_arp("head\na 1 2 m *\n"));

  CHECK(parse_file_nr("592\t0\t9223372036854775807\n").value().allocated == 592);
  CHECK_FALSE(parse_file_nr("592\t0\n"));
  CHECK_FALSE(parse_file_nr(""));

  const auto conntrack = parse_conntrack_stat("entries drop found\n1 a ff\n1 1 1\n");
  REQUIRE(conntrack);
  CHECK(conntrack->totals[0] == 256);  // found: 0xff + 1
  CHECK(conntrack->totals[5] == 11);   // drop: 0xa + 1
  CHECK_FALSE(parse_conntrack_stat("entries drop\n1\n"));
  CHECK_FALSE(parse_conntrack_stat("entries drop\n1 x\n"));
  CHECK_FALSE(parse_conntrack_stat(""));
}

TEST_CASE("pressure") {
  const auto both = parse_pressure("some avg10=0.00 total=12\nfull avg10=0.00 total=7\n");
  REQUIRE(both);
  CHECK(both->some_us == 12);
  CHECK(both->full_us == 7);
  CHECK_FALSE(parse_pressure("some avg10=1 total=5\n")->full_us);
  for (const char* bad : {"", "some avg10=0.00\n", "some total=x\n", "other total=1\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_pressure(bad));
  }
}

TEST_CASE("a process may call itself anything") {
  const std::string rest = " 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 9 0\n";
  CHECK(parse_process_stat("7 (x) S" + rest)->threads == 9);
  CHECK(parse_process_stat("7 () ) R 1 (\n) D" + rest)->state == 'D');
  for (const std::string& bad : {std::string(), std::string("7 (x"), std::string("7 (x) S 1 2"),
                                 "7 (x)" + rest, "7 (x) SS" + rest}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_process_stat(bad));
  }
}

TEST_CASE("versions") {
  CHECK(os_version_number("12").value() == 12);
  CHECK(os_version_number("22.04.1").value() == 22.04);
  CHECK(os_version_number("7.x").value() == 7);
  CHECK_FALSE(os_version_number(""));
  CHECK_FALSE(os_version_number("rolling"));
  CHECK(systemd_version_number("252.39-1~deb12u1").value() == 252.39);
  CHECK(systemd_version_number("252 (252.39)").value() == 252);
  CHECK_FALSE(systemd_version_number("v252"));
}

TEST_CASE("mdstat: damaged") {
  CHECK(parse_mdstat("")->empty());
  CHECK(parse_mdstat("Personalities : \nunused devices: <none>\n")->empty());
  for (const char* bad :
       {"md0 : active raid1 sda[0]\n", "md0 : active raid1 sda[0]\nmd1 : active raid0 b[0]\n",
        "md0 : active raid1 sda[0]\n  x blocks\n", "md0 : active raid1 sda[0]\n  9 blocks [2\n",
        "md0\n  9 blocks\n", "md0 : active raid1 sda[0]\n  9 blocks [2/x] [U]\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_mdstat(bad));
  }
}

TEST_CASE("numbers of /sys") {
  CHECK(parse_c_integer("0x1003") == 4099);
  CHECK(parse_c_integer("-1") == -1);
  CHECK(parse_c_integer("0") == 0);
  CHECK(parse_c_integer("010") == 8);
  for (const char* bad : {"", "-", "--1", "0x", "0x-1", "1x", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_c_integer(bad));
  }
}

TEST_CASE("names of a chip's files") {
  const auto file = parse_hwmon_file("temp12_crit_alarm");
  REQUIRE(file);
  CHECK(file->kind == "temp");
  CHECK(file->sensor == "temp12");
  CHECK(file->item == "crit_alarm");
  CHECK(parse_hwmon_file("pwm1") == std::nullopt);
  CHECK(parse_hwmon_file("name") == std::nullopt);
  CHECK(parse_hwmon_file("temp1x") == std::nullopt);
  CHECK(parse_hwmon_file("1_input") == std::nullopt);
}

}  // namespace tocsin::agent
