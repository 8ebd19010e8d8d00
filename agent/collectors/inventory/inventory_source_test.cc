// The whole inventory over a root of the test's making.
#include <doctest/doctest.h>

#include "agent/collectors/inventory/baseline.h"
#include "agent/collectors/inventory/encryption.h"
#include "agent/collectors/inventory/inventory_source.h"
#include "agent/collectors/kept/test_source.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
    "alice:x:1000:1000::/home/alice:/bin/bash\n";
constexpr const char* kShadow = "root:*:1:0:9:7:::\nwww-data:*:1:0:9:7:::\nalice:$y$:1:0:9:7:::\n";
constexpr const char* kKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEf8O68VF+curAA7MY/r+6dBW+OVga8sgpWkK6qlb3jP x\n";
constexpr const char* kTcpHead = "  sl  local_address rem_address   st\n";
constexpr const char* kSsh =
    "   0: 00000000:0016 00000000:0000 0A 0:0 00:0 0     0        0 111 1 0 100 0 0 10 0\n";
constexpr const char* kWeb =
    "   1: 00000000:1F90 00000000:0000 0A 0:0 00:0 0     0        0 222 1 0 100 0 0 10 0\n";

/// A host in a folder.
struct Host {
  Host() {
    put("root/etc/passwd", kPasswd);
    put("root/etc/shadow", kShadow);
    put("root/etc/group", "sudo:x:27:\nwww-data:x:33:\n");
    put("root/etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n");
    put("root/home/alice/.ssh/authorized_keys", kKey);
    put("root/etc/crontab", "17 * * * * root run-parts /etc/cron.hourly\n");
    put("root/var/log/wtmp", "");
    put("root/etc/ssh/sshd_config", "PermitRootLogin no\n");
    put("root/usr/bin/passwd", "", 04755);
    put("root/usr/bin/ls", "", 0755);
    put("root/etc/ssl/private/site.key", "k", 0600);
    put("proc/net/tcp", std::string(kTcpHead) + kSsh);
    put("proc/net/udp", kTcpHead);
    put("proc/4711/comm", "sshd\n");
    std::filesystem::create_directories(folder.file("proc/4711/fd"));
    std::filesystem::create_symlink("socket:[111]", folder.file("proc/4711/fd/3"));
    put("proc/self/mountinfo",
        "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n26 25 254:0 / /backups rw - ext4 /dev/mapper/b rw\n"
        "27 25 0:40 / /nfs rw - nfs4 server:/x rw\n");
    put("proc/cpuinfo", "flags\t\t: fpu vme\n");
    put("sys/dev/block/8:1/size", "1");
    put("sys/dev/block/254:0/dm/uuid", "CRYPT-LUKS2-0123-b\n");
    settings.interval = base::Duration{0};
    settings.root = folder.file("root");
    settings.proc = folder.file("proc");
    settings.sys = folder.file("sys");
    settings.checks = {std::begin(kInventoryChecks), std::end(kInventoryChecks)};
    settings.state.path = folder.file("state/inventory.json");
    settings.encrypted_mounts = {"/backups", "/", "/nfs/data"};
  }

  void put(const std::string& name, std::string_view text, mode_t mode = 0644) const {
    folder.write(name, text, mode);
    std::filesystem::permissions(folder.file(name), std::filesystem::perms(mode));
  }
  void start(TestSource& test) const {
    test.restart(make_inventory_source(settings, test.world()));
  }

  sim::TestFolder folder;
  InventorySettings settings;
};

double changes(const RecordingRound& round, const std::string& kind) {
  return round.value("sec_access_changes_total,kind=" + kind).value_or(-1);
}

TEST_CASE("a host as it is: numbers, no change") {
  TestSource test;
  const Host host;
  host.start(test);
  test.round();
  const RecordingRound round = test.round();
  CHECK(!round.repeated);
  CHECK(round.value("sec_accounts") == 3);
  CHECK(round.value("sec_superuser_accounts") == 1);
  CHECK(round.value("sec_login_accounts") == 1);
  CHECK(round.value("sec_service_accounts_login_shell") == 0);
  CHECK(round.value("sec_accounts_never_logged_in") == 1);
  CHECK(round.value("sec_authorized_keys") == 1);
  CHECK(round.value("sec_authorized_keys_weak") == 0);
  CHECK(round.value("sec_sudoers_nopasswd_all") == 0);
  CHECK(round.value("sec_sudoers_files") == 1);
  CHECK(round.value("sec_scheduled_job_files") == 1);
  CHECK(round.value("sec_suid_files") == 1);
  CHECK(round.value("sec_secret_file_exposed,path=/etc/ssl/private/site.key,to=others") == 0);
  CHECK(round.value("sec_listening_ports,port=22,process=sshd,protocol=tcp,scope=all") == 1);
  CHECK(round.value("fs_encrypted,mount=/backups") == 1);
  CHECK(round.value("fs_encrypted,mount=/") == 0);
  CHECK(!round.value("fs_encrypted,mount=/nfs/data"));
  CHECK(round.value("fs_encryption_unknown,mount=/nfs/data") == 1);
  CHECK(round.value("fs_encryption_required,mount=/nfs/data") == 1);
  for (const std::string& kind : change_kinds()) CHECK(changes(round, kind) == 0);
  for (const auto& [series, value] : round.samples) {
    CAPTURE(series);
    CHECK(!series.starts_with("tocsin_agent_check_failed"));
    CHECK(!series.starts_with("sec_access_change_timestamp_seconds"));
  }
}

TEST_CASE("what an intruder does is counted once, also if the agent was away") {
  TestSource test;
  const Host host;
  host.start(test);
  test.round();
  host.put("root/etc/passwd", std::string(kPasswd) + "toor:x:0:0::/root:/bin/sh\n");
  host.put("root/etc/group", "sudo:x:27:alice\nwww-data:x:33:\n");
  host.put("root/etc/sudoers.d/x", "www-data ALL=(ALL) NOPASSWD: ALL\n", 0440);
  host.put("root/root/.ssh/authorized_keys", kKey);
  host.put("root/etc/cron.d/x", "* * * * * root /tmp/x\n");
  host.put("root/etc/ssh/sshd_config", "PermitRootLogin yes\n");
  host.put("root/usr/local/bin/sh", "", 04755);
  host.put("root/etc/ssl/private/site.key", "k", 0644);
  host.put("proc/net/tcp", std::string(kTcpHead) + kSsh + kWeb);
  test.clock.wall_ms += 60'000;
  host.start(test);
  for (int i = 0; i < 2; ++i) {
    const RecordingRound round = test.round();
    CHECK(changes(round, "account_added") == 1);
    CHECK(changes(round, "superuser_added") == 1);
    CHECK(changes(round, "admin_added") == 2);  // alice in sudo, www-data in sudoers
    CHECK(changes(round, "sudoers_changed") == 1);
    CHECK(changes(round, "key_added") == 2);  // root's opens toor as well
    CHECK(changes(round, "cron_changed") == 1);
    CHECK(changes(round, "file_changed") == 1);
    CHECK(changes(round, "suid_added") == 1);
    CHECK(changes(round, "port_opened") == 1);
    CHECK(changes(round, "account_removed") == 0);
    CHECK(round.value("sec_access_change_timestamp_seconds,kind=superuser_added") == 1'782'864'060);
    CHECK(round.value("sec_superuser_accounts") == 2);
    CHECK(round.value("sec_sudoers_nopasswd_all") == 1);
    CHECK(round.value("sec_secret_file_exposed,path=/etc/ssl/private/site.key,to=others") == 1);
    CHECK(round.value("sec_listening_ports,port=8080,protocol=tcp,scope=all") == 1);
  }
}

TEST_CASE("sudoers that others include, with aliases from elsewhere") {
  TestSource test;
  const Host host;
  host.put("root/etc/hostname", "web1.example.org\n");
  host.put("root/etc/sudoers",
           "root ALL=(ALL:ALL) ALL\n@include /srv/sudoers.%h\n@includedir /srv/more\n"
           "@includedir /srv/none\n");
  host.put("root/srv/sudoers.web1", "Cmnd_Alias WHOLE = ALL\n@include sudoers.web1\n", 0440);
  host.put("root/srv/more/a", "www-data ALL = NOPASSWD: WHOLE\n", 0440);
  host.put("root/srv/more/b.bak", "alice ALL = NOPASSWD: ALL\n", 0440);
  host.start(test);
  RecordingRound round = test.round();
  CHECK(round.value("sec_sudoers_files") == 4);
  CHECK(round.value("sec_sudoers_nopasswd_all") == 1);
  host.put("root/srv/sudoers.web1", "Cmnd_Alias WHOLE = ALL\nalice ALL = WHOLE\n", 0440);
  host.put("root/etc/sudoers", "root ALL=(ALL:ALL) ALL\n@include /srv/sudoers.%h\n@include gone\n");
  host.start(test);
  test.clock.wall_ms += 60'000;
  round = test.round();
  CHECK(round.value("tocsin_agent_check_failed,check=sudoers,reason=not_found") == 1);
}

TEST_CASE("whoever only looks uses up no change") {
  TestSource test;
  Host host;
  host.start(test);
  test.round();
  host.put("root/etc/sudoers.d/x", "alice ALL=(ALL) ALL\n", 0440);
  host.settings.state.read_only = true;
  host.start(test);
  CHECK(changes(test.round(), "sudoers_changed") == 1);
  host.settings.state.read_only = false;
  host.start(test);
  CHECK(changes(test.round(), "sudoers_changed") == 1);
}

TEST_CASE("parts that fail are told, and the others go on") {
  TestSource test;
  Host host;
  host.settings.leavers_file = host.folder.file("leavers.csv");
  host.settings.git_work_trees = {"/srv/app"};
  std::filesystem::remove(host.folder.file("root/etc/shadow"));
  std::filesystem::remove(host.folder.file("root/var/log/wtmp"));
  std::filesystem::remove(host.folder.file("proc/net/tcp"));
  host.put("state/inventory.json", "{\"families\": {");
  host.start(test);
  const RecordingRound round = test.round();
  const auto failed = [&](const char* check, const char* reason) {
    return round.value(std::string("tocsin_agent_check_failed,check=") + check +
                       ",reason=" + reason) == 1;
  };
  CHECK(failed("accounts", "not_found"));
  CHECK(failed("last_logins", "not_found"));
  CHECK(failed("leavers", "not_found"));
  CHECK(failed("git", "not_found"));
  CHECK(failed("ports", "not_found"));
  CHECK(failed("state", "corruption"));
  CHECK(!round.value("sec_leavers_active"));
  CHECK(!round.value("sec_accounts_empty_password"));
  CHECK(!round.value("sec_accounts_dormant"));
  CHECK(round.value("sec_accounts") == 3);
  CHECK(round.value("sec_authorized_keys") == 1);
  // A new state was written: the next start finds it.
  host.start(test);
  CHECK(!test.round().value("tocsin_agent_check_failed,check=state,reason=corruption"));
}

TEST_CASE("leavers: by their date, or from when they were seen") {
  TestSource test;
  Host host;
  host.settings.leavers_file = host.folder.file("leavers.csv");
  host.folder.write("leavers.csv", "alice\n");
  host.start(test);
  CHECK(test.round().value("sec_leavers_active_since_timestamp_seconds") == 1'782'864'000);
  test.clock.wall_ms += 100'000'000;
  host.start(test);
  const RecordingRound round = test.round();
  CHECK(round.value("sec_leavers_active") == 1);
  CHECK(round.value("sec_leavers_active_since_timestamp_seconds") == 1'782'864'000);
  host.folder.write("leavers.csv", "alice,2026-06-01\n");
  CHECK(test.round().value("sec_leavers_active_since_timestamp_seconds") == 1'780'272'000);
  host.put("root/etc/passwd",
           "root:x:0:0::/root:/bin/bash\nalice:x:1000:1000::/home/alice:/usr/sbin/nologin\n");
  CHECK(test.round().value("sec_leavers_active") == 0);
}

TEST_CASE("encryption: through partitions and md, on virtual machines, of btrfs") {
  const Host host;
  const auto files = base::make_real_file_system();
  const BlockTrees trees{host.folder.file("sys"), host.folder.file("proc"),
                         host.folder.file("dev")};
  const auto of = [&](const char* device, const char* source = "/dev/x") {
    return encryption_of(*files, trees, {"/m", device, "ext4", source});
  };
  // md of one encrypted and one clear disk is clear; of two encrypted ones it is not.
  host.put("sys/dev/block/9:0/slaves/dm-0/dev", "254:0\n");
  host.put("sys/dev/block/9:0/slaves/sda1/dev", "8:1\n");
  CHECK(of("9:0") == Encryption::No);
  host.put("sys/dev/block/9:1/slaves/dm-0/dev", "254:0\n");
  CHECK(of("9:1") == Encryption::Yes);
  CHECK(of("77:7") == Encryption::Unknown);
  host.put("sys/class/block/dm-0/dev", "254:0\n");
  std::filesystem::create_directories(host.folder.file("dev/mapper"));
  std::filesystem::create_symlink("../dm-0", host.folder.file("dev/mapper/b"));
  CHECK(of("0:33", "/dev/mapper/b") == Encryption::Yes);
  CHECK(of("0:33", "tank/data") == Encryption::Unknown);
  host.put("proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
  CHECK(of("8:1") == Encryption::Unknown);
  CHECK(of("254:0") == Encryption::Yes);
}

TEST_CASE("settings: defaults, and mistakes with their place") {
  const auto files = base::make_real_file_system();
  const auto read = [&](const char* text, base::Diagnostics& diagnostics) {
    config::Source source{"agent.toml", text};
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table root(context, &node);
    return read_inventory_settings(root, base::Duration{15'000}, "/var/lib/t");
  };
  base::Diagnostics none;
  CHECK(!read("", none));
  const auto usual = read("[inventory]\n", none);
  REQUIRE(usual);
  CHECK(none.empty());
  CHECK(usual->checks.size() == std::size(kInventoryChecks));
  CHECK(usual->state.path == "/var/lib/t/inventory.json");
  base::Diagnostics wrong;
  read(
      "[inventory]\ninterval = \"0s\"\nchecks = [\"acounts\"]\nsecret_files = [\"x\"]\n"
      "dormant_after = \"1h\"\nunknown = 1\n",
      wrong);
  CHECK(wrong.size() == 5);
}

}  // namespace
}  // namespace tocsin::agent
