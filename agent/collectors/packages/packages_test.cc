#include <doctest/doctest.h>

#include "agent/collectors/kept/test_source.h"
#include "agent/collectors/packages/apt.h"
#include "agent/collectors/packages/deb_version.h"
#include "agent/collectors/packages/packages_source.h"
#include "agent/collectors/packages/running.h"
#include "agent/collectors/packages/stanzas.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

int sign(int number) {
  return number < 0 ? -1 : (number > 0 ? 1 : 0);
}

TEST_CASE("the order of Debian's versions") {
  struct Pair {
    const char* older;
    const char* newer;
  };
  constexpr Pair kPairs[] = {
      {"1.0", "1.1"},
      {"1.9", "1.10"},
      {"1.0~rc1", "1.0"},
      {"1.0", "1.0-1"},
      {"1.0-1", "1.0-1+b1"},
      {"1.0-1~deb12u1", "1.0-1"},
      {"1.0-1", "1:0.5-1"},
      {"1.0a", "1.0b"},
      {"1.0a", "1.0+"},
      {"2.36-9", "2.36-9+deb12u3"},
      {"7.88.1-10+deb12u4", "7.88.1-10+deb12u12"},
      {"0", "0.0"},
      {"1.2-3-1", "1.2-3-2"},
      {"99999999999999999998", "99999999999999999999"},
      {"~~", "~"},
      {"~", ""},
  };
  for (const Pair& pair : kPairs) {
    CAPTURE(pair.older);
    CAPTURE(pair.newer);
    CHECK(sign(compare_deb_versions(pair.older, pair.newer)) == -1);
    CHECK(sign(compare_deb_versions(pair.newer, pair.older)) == 1);
  }
  CHECK(compare_deb_versions("1.0", "0:1.0") == 0);
  CHECK(compare_deb_versions("1.0-0", "1.0") == 0);
  CHECK(compare_deb_versions("1.01", "1.1") == 0);
}

TEST_CASE("paragraphs come out the same in pieces of any size") {
  const std::string text =
      "Package: a\nVersion: 1\nDescription: x\n Package: no\n\n\n# comment\nPackage: b\nVersion: 2";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    std::vector<std::string> seen;
    StanzaReader reader({"Package", "Version"}, [&](const StanzaReader::Fields& fields) {
      seen.push_back(fields.at("Package") + "=" + fields.at("Version"));
    });
    for (std::size_t at = 0; at < text.size(); at += size) {
      REQUIRE(reader.take(std::string_view(text).substr(at, size)));
    }
    reader.end();
    CHECK(seen == std::vector<std::string>{"a=1", "b=2"});
  }
  StanzaReader reader({"Package"}, [](const StanzaReader::Fields&) {});
  const auto done = reader.take(std::string((1 << 20) + 1, 'x'));
  REQUIRE(!done);
  CHECK(done.error().code == base::ErrorCode::LimitExceeded);
}

TEST_CASE("Release files") {
  CHECK(parse_release("Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\n").security);
  CHECK(parse_release("Origin: Ubuntu\nSuite: jammy-security\n").security);
  CHECK(!parse_release("Origin: Debian\nLabel: Debian\nSuite: stable\n").security);
  CHECK(parse_release("Suite: bookworm-backports\nNotAutomatic: yes\n").not_automatic);
}

TEST_CASE("unattended-upgrades: the last word counts, comments do not") {
  CHECK(unattended_upgrades_enabled("APT::Periodic::Unattended-Upgrade \"1\";\n"));
  CHECK(!unattended_upgrades_enabled("// APT::Periodic::Unattended-Upgrade \"1\";\n"));
  CHECK(!unattended_upgrades_enabled(
      "APT::Periodic::Unattended-Upgrade \"1\";\nAPT::Periodic::Unattended-Upgrade \"0\";\n"));
  CHECK(!unattended_upgrades_enabled(""));
}

TEST_CASE("kernels: the newest of the same flavour") {
  const std::vector<std::string> kernels = {"6.1.0-9-amd64", "6.1.0-26-amd64",
                                            "6.1.0-30-cloud-amd64", "memtest"};
  CHECK(newest_kernel(kernels, "6.1.0-9-amd64") == "6.1.0-26-amd64");
  CHECK(newest_kernel({"6.12.43+deb13-amd64", "6.12.48+deb13-amd64"}, "6.12.43+deb13-amd64") ==
        "6.12.48+deb13-amd64");
  CHECK(newest_kernel({"5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64"},
                      "5.14.0-427.el9.x86_64") == "5.14.0-503.el9.x86_64");
  CHECK(newest_kernel({"5.15.0-9-generic", "6.2.0-1-lowlatency"}, "5.15.0-9-generic") ==
        "5.15.0-9-generic");
  CHECK(!newest_kernel({"6.1.0-9-amd64"}, "5.14.0-427.el9.x86_64"));
}

TEST_CASE("maps: code of libraries that were replaced, and nothing else") {
  const char* kOld =
      "7f00-7f01 r-xp 00000000 fe:01 123 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n";
  CHECK(maps_deleted_library(kOld));
  CHECK(!maps_deleted_library("7f00-7f01 r--p 0 fe:01 1 /usr/lib/libssl.so.3 (deleted)\n"));
  CHECK(!maps_deleted_library("7f00-7f01 r-xp 0 fe:01 1 /usr/lib/libssl.so.3\n"));
  CHECK(!maps_deleted_library("7f00-7f01 rwxp 0 00:01 1 /memfd:x.so (deleted)\n"));
  CHECK(!maps_deleted_library("7f00-7f01 r-xp 0 00:01 1 /tmp/x.so (deleted)\n"));
  CHECK(!maps_deleted_library(""));
}

TEST_CASE("end of life: the version's head, and what configuration adds") {
  EndOfLife table = EndOfLife::shipped();
  CHECK(table.of("debian", "12") == base::parse_rfc3339("2028-06-30T00:00:00Z").value());
  CHECK(table.of("rhel", "9.4") == table.of("rhel", "9"));
  CHECK(table.of("django", "5.2.1") == table.of("django", "5.2"));
  CHECK(!table.of("debian", "99"));
  CHECK(!table.of("debian", ""));
  CHECK(!table.set("debian 99", "soon"));
  REQUIRE(table.set("debian 99", "2099-01-01"));
  CHECK(table.of("debian", "99"));
  const OsRelease os = parse_os_release("ID=debian\nVERSION_ID=\"12\"\nNAME=x\n");
  CHECK(os.id == "debian");
  CHECK(os.version == "12");
}

struct Host {
  Host() {
    put("root/var/lib/dpkg/status",
        "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.9-1\n\n"
        "Package: vim\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2:9.0-1\n\n"
        "Package: nginx\nStatus: hold ok installed\nArchitecture: all\nVersion: 1.0\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n");
    put(lists + "deb_dists_stable_InRelease", "Label: Debian\nSuite: stable\n");
    put(lists + "sec_dists_stable-security_InRelease", "Label: Debian-Security\n");
    put(lists + "bp_dists_backports_InRelease", "Suite: backports\nNotAutomatic: yes\n");
    put(lists + "deb_dists_stable_main_binary-amd64_Packages",
        "Package: vim\nArchitecture: amd64\nVersion: 2:9.0-1\n\n"
        "Package: nginx\nArchitecture: all\nVersion: 1.1\n\n"
        "Package: gone\nArchitecture: amd64\nVersion: 2\n");
    put(lists + "bp_dists_backports_main_binary-amd64_Packages",
        "Package: vim\nArchitecture: amd64\nVersion: 2:9.9-1\n");
    offer_security("3.0.9-1");
    put("root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    put("proc/sys/kernel/osrelease", "6.1.0-9-amd64\n");
    put("root/boot/vmlinuz-6.1.0-9-amd64", "");
    put("proc/100/maps", "7f00-7f01 r-xp 0 fe:01 1 /usr/lib/libssl.so.3\n");
    settings.interval = base::Duration{0};
    settings.root = folder.file("root");
    settings.proc = folder.file("proc");
    settings.checks = {std::begin(kPackagesChecks), std::end(kPackagesChecks)};
    settings.state.path = folder.file("packages.json");
  }

  void put(const std::string& name, std::string_view text) const { folder.write(name, text); }
  void offer_security(const std::string& version) const {
    put(lists + "sec_dists_stable-security_main_binary-amd64_Packages",
        "Package: libssl3\nArchitecture: amd64\nVersion: " + version + "\n");
  }
  void start(TestSource& test) const { test.restart(make_packages_source(settings, test.world())); }

  std::string lists = "root/var/lib/apt/lists/";
  sim::TestFolder folder;
  PackagesSettings settings;
};

TEST_CASE("nothing waits") {
  TestSource test;
  const Host host;
  host.start(test);
  const RecordingRound round = test.round();
  CHECK(!round.repeated);
  CHECK(round.value("apt_upgrades_pending,origin=security") == 0);
  CHECK(round.value("apt_upgrades_pending,origin=other") == 0);
  CHECK(round.value("apt_upgrades_held") == 1);
  CHECK(round.value("apt_packages_held") == 1);
  CHECK(round.value("apt_packages_installed") == 3);
  CHECK(round.value("node_reboot_required") == 0);
  CHECK(round.value("node_kernel_outdated") == 0);
  CHECK(round.value("node_processes_outdated_libraries") == 0);
  CHECK(round.value("os_end_of_life_timestamp_seconds,id=debian,version=12") == 1'845'936'000);
  CHECK(round.value("node_end_of_life_data_timestamp_seconds") == 1'759'276'800);
  for (const auto& [series, value] : round.samples) {
    CAPTURE(series);
    CHECK(series.find("_since_") == std::string::npos);
    CHECK(!series.starts_with("tocsin_agent_check_failed"));
  }
}

TEST_CASE("a security update waits, over a restart, until it is installed; reboot and libraries") {
  TestSource test;
  const Host host;
  host.offer_security("3.0.9-1+deb12u1");
  host.put("root/boot/vmlinuz-6.1.0-26-amd64", "");
  host.put("proc/100/maps", "7f00-7f01 r-xp 0 fe:01 1 /usr/lib/libssl.so.3 (deleted)\n");
  host.put("proc/100/comm", "nginx\n");
  host.start(test);
  CHECK(test.round().value("apt_upgrades_pending,origin=security") == 1);
  test.clock.wall_ms += 3'600'000;
  host.start(test);
  const RecordingRound round = test.round();
  CHECK(round.value("apt_upgrades_pending_since_timestamp_seconds,origin=security") ==
        1'782'864'000);
  CHECK(round.value("node_reboot_required") == 1);
  CHECK(round.value("node_kernel_outdated") == 1);
  CHECK(round.value("node_reboot_required_since_timestamp_seconds") == 1'782'864'000);
  CHECK(round.value("node_processes_outdated_libraries") == 1);
  CHECK(round.value("node_processes_outdated_libraries_since_timestamp_seconds") == 1'782'864'000);
  host.offer_security("3.0.9-1");
  CHECK(!test.round().value("apt_upgrades_pending_since_timestamp_seconds,origin=security"));
}

TEST_CASE("parts that cannot be read are told, with what to do") {
  TestSource test;
  Host host;
  host.put(host.lists + "cut_dists_stable_main_binary-amd64_Packages.lz4",
           std::string("\x04\x22\x4d\x18\x64\x40", 6));
  host.put("root/etc/os-release", "ID=debian\nVERSION_ID=\"99\"\n");
  std::filesystem::remove_all(host.folder.file("proc/sys"));
  host.settings.virtual_environments = {"/srv/*/venv"};
  host.put("root/srv/app/venv/pyvenv.cfg", "home = /usr/local/bin\nversion = 3.9.1\n");
  host.put("root/srv/app/venv/lib/python3.9/site-packages/Django-5.2.1.dist-info/METADATA", "");
  host.start(test);
  const RecordingRound round = test.round();
  CHECK(round.value("tocsin_agent_check_failed,check=apt,reason=corruption") == 1);
  CHECK(!round.value("apt_upgrades_pending,origin=security"));
  CHECK(round.value("tocsin_agent_check_failed,check=end_of_life,reason=not_found") == 1);
  CHECK(round.value("tocsin_agent_check_failed,check=reboot,reason=not_found") == 1);
  CHECK(!round.value("node_reboot_required"));
  CHECK(round.value("product_end_of_life_timestamp_seconds,product=python,version=3.9") ==
        1'761'868'800);
  CHECK(round.value("product_end_of_life_timestamp_seconds,product=django,version=5.2"));
}

}  // namespace
}  // namespace tocsin::agent
