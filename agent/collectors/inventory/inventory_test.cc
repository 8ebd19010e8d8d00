// The parsers on recorded files, and what makes a change.
#include <doctest/doctest.h>

#include "agent/collectors/inventory/accounts.h"
#include "agent/collectors/inventory/admin_files.h"
#include "agent/collectors/inventory/baseline.h"
#include "agent/collectors/inventory/git_index.h"
#include "agent/collectors/inventory/sockets.h"
#include "agent/collectors/inventory/sudoers.h"

namespace tocsin::agent {
namespace {

using Names = std::vector<std::string>;

constexpr base::WallTime kNow = base::wall_time(1'782'864'000'000);  // 2026-07-01T00:00Z

TEST_CASE("passwd, shadow, group") {
  const auto accounts = parse_passwd(
      "root:x:0:0:root:/root:/bin/bash\n"
      "broken\n"
      "+::::::\n"
      "odd:x:nobody:1::/:/bin/sh\n"
      "alice:x:1000:1000:Alice,,,:/home/alice:\n");
  REQUIRE(accounts.size() == 2);
  CHECK(accounts[1].name == "alice");
  CHECK(accounts[1].uid == 1000);
  CHECK(is_login_shell(accounts[1].shell));  // empty is /bin/sh
  CHECK(!is_login_shell("/usr/sbin/nologin"));
  CHECK(!is_login_shell("/bin/false"));
  const auto shadow = parse_shadow(
      "root:*:19000:0:99999:7:::\nalice:$y$j9T$x:19000:0:99999:7::20636:\nbob::19000:0:99999:7:::\n"
      "carl:!$6$x:1:0:9:7:::\n");
  CHECK(shadow.at("root").locked);
  CHECK(!shadow.at("alice").locked);
  CHECK(shadow.at("alice").expires_day == 20'636);
  CHECK(shadow.at("bob").empty_password);
  CHECK(shadow.at("carl").locked);
  const auto groups = parse_group("sudo:x:27:alice, bob\nbad\nempty:x:9:\n");
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].members == Names{"alice", "bob"});
  CHECK(groups[1].members.empty());
}

TEST_CASE("last logins: lastlog and wtmp") {
  std::string record(kWtmpBytes, '\0');
  record[0] = 7;
  record.replace(44, 5, "alice");
  record.replace(340, 4, std::string("\x00\x10\x00\x60", 4));
  std::string boot(kWtmpBytes, '\0');
  boot[0] = 2;
  boot.replace(44, 6, "reboot");
  std::map<std::string, std::int64_t> logins = {{"bob", 5}};
  parse_wtmp(boot + record + record.substr(0, 100), logins);
  CHECK(logins == std::map<std::string, std::int64_t>{{"alice", 0x60001000}, {"bob", 5}});
  CHECK(parse_lastlog(std::string("\x00\x10\x00\x60rest", 8)) == 0x60001000);
  CHECK(parse_lastlog("") == 0);
}

AccountFacts facts_of_a_host() {
  AccountFacts facts;
  facts.accounts = parse_passwd(
      "root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n"
      "www-data:x:33:33::/var/www:/usr/sbin/nologin\npostgres:x:105:105::/var/lib/pg:/bin/bash\n"
      "alice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:27::/home/bob:/bin/bash\n"
      "carl:x:1002:1002::/home/carl:/bin/bash\ndeploy:x:1003:1003::/home/deploy:/bin/bash\n"
      "eve:x:1004:1004::/home/eve:/bin/bash\nfay:x:1005:1005::/home/fay:/usr/sbin/nologin\n");
  facts.groups = parse_group("root:x:0:\nsudo:x:27:alice\ndocker:x:999:carl\nusers:x:100:eve\n");
  facts.shadow = parse_shadow(
      "alice:$y$:1:0:9:7:::\nbob:$y$:1:0:9:7::20000:\ncarl:!:1:0:9:7:::\ndeploy:!:1:0:9:7:::\n"
      "eve::1:0:9:7:::\npostgres:!:1:0:9:7:::\nfay:$y$:1:0:9:7:::\n");
  facts.with_keys = {"carl"};
  facts.logins = {{"alice", 1'782'860'000}, {"carl", 1'770'000'000}};
  facts.leavers = parse_leavers(
      "account,left\n# those of spring\ncarl,2026-06-29\nbob;2026-01-01\nalice,2026-12-31\n"
      "\"eve\"\nnobody-here\n");
  return facts;
}

TEST_CASE("what is noteworthy about accounts") {
  AccountPolicy policy;
  policy.service_accounts = {"deploy"};
  const AccountFindings found = judge_accounts(facts_of_a_host(), policy, kNow);
  CHECK(found.superusers == Names{"root", "toor"});
  CHECK(found.people == Names{"alice", "carl", "eve"});  // bob is expired
  CHECK(found.expired == Names{"bob"});
  CHECK(found.empty_password == Names{"eve"});
  // Locked, and no key: nobody can log in as postgres or deploy.
  CHECK(found.services_with_shell.empty());
  CHECK(found.services == Names{"www-data", "postgres", "deploy"});
  CHECK(found.dormant == Names{"carl"});
  CHECK(found.never_logged_in == Names{"eve"});
  CHECK(found.admins ==
        std::set<std::string>{"group docker carl", "group sudo alice", "group sudo bob"});
  CHECK(found.group_members.at("sudo") == 2);
  CHECK(!found.group_members.contains("users"));
  // bob is expired, alice leaves in December, eve has no date.
  CHECK(found.leavers_active == Names{"carl", "eve"});
}

TEST_CASE("without shadow and logins nothing is claimed about them") {
  AccountFacts facts = facts_of_a_host();
  facts.shadow.reset();
  facts.logins.reset();
  const AccountFindings found = judge_accounts(facts, {}, kNow);
  CHECK(found.expired.empty());
  CHECK(found.empty_password.empty());
  CHECK(found.dormant.empty());
  CHECK(found.services_with_shell == Names{"postgres"});  // it may be open
  CHECK(found.leavers_active == Names{"bob", "carl", "eve"});
}

TEST_CASE("sudoers") {
  const SudoersFile file = parse_sudoers(
      "# comment ALL=(ALL) NOPASSWD: ALL\n"
      "Defaults env_reset\nCmnd_Alias X = ALL\n"
      "root ALL=(ALL:ALL) ALL\n"
      "%sudo\tALL=(ALL:ALL) ALL # all of them\n"
      "deploy ALL=(root) NOPASSWD: /bin/systemctl restart app, PASSWD: ALL\n"
      "ops ALL=(ALL) NOPASSWD: \\\n  ALL\n"
      "bob web=/bin/ls : db=(ALL) NOPASSWD:SETENV: ALL\n"
      "#1001 ALL = NOPASSWD: /bin/ls\n"
      "@includedir /etc/sudoers.d\n#includedir /etc/sudoers.d\n");
  const Sudoers sudoers = judge_sudoers({&file, 1});
  CHECK(sudoers.may_all == Names{"root", "%sudo", "deploy", "ops", "bob"});
  CHECK(sudoers.nopasswd_all == 2);
  REQUIRE(file.includes.size() == 2);
  CHECK(file.includes[0].folder);
  CHECK(file.includes[1].path == "/etc/sudoers.d");
}

TEST_CASE("sudoers: aliases of all files together, and where includes lead") {
  const std::vector<SudoersFile> files = {
      parse_sudoers("User_Alias ADMINS = alice, %wheel, !eve : OPS = bob\n"
                    "Cmnd_Alias SHELLS = /bin/sh, /bin/bash : ANY = /bin/ls, WHOLE\n"
                    "ADMINS, carl , dave ALL = (ALL) NOPASSWD: ANY\n"
                    "OPS ALL = NOPASSWD: SHELLS\n"
                    "@include \"/etc/my sudoers\"\n#include local.%h\n@include /etc/a\\ b\n"
                    "#includes are fine\n@includedirectory x\n"),
      parse_sudoers("Cmnd_Alias WHOLE = ALL\nCmnd_Alias LOOP = LOOP\nzoe ALL = LOOP, UNKNOWN\n"
                    "yan ALL = !ALL\nxav ALL = ALL, !SHELLS\n")};
  const Sudoers sudoers = judge_sudoers(files);
  CHECK(sudoers.may_all == Names{"alice", "%wheel", "carl", "dave", "xav"});
  CHECK(sudoers.nopasswd_all == 1);
  std::vector<std::string> paths;
  for (const SudoersInclude& include : files[0].includes) {
    CHECK(!include.folder);
    paths.push_back(include_path(include, "/etc/sudoers", "web1"));
  }
  CHECK(paths == Names{"/etc/my sudoers", "/etc/local.web1", "/etc/a b"});
}

TEST_CASE("authorised keys: fingerprints are ssh-keygen's, weak ones are known") {
  const auto keys = parse_authorized_keys(
      "# mine\n"
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEf8O68VF+curAA7MY/r+6dBW+OVga8sgpWkK6qlb3jP "
      "alice@desk\n"
      "from=\"10.0.0.0/8\",command=\"echo \\\"a b\\\"\" ssh-rsa "
      "AAAAB3NzaC1yc2EAAAADAQABAAAAgQChuaLXOzvhqnIjqV2ojfaJn55qis4nYTUE+lDSZ7naV//UJZ6saZMgVk5147yr"
      "dRov6kAz0Ah0MX+SwtoOtVDD06b7uXBdChaMPJIyi/d1hOd+EcjWMTc1KGRKjqj7UJu3brPxZ9ew1iD6Tzv3w+JvcirB"
      "ZYMZq24Q6Ef1lY+8nQ== c\n"
      "ssh-rsa "
      "AAAAB3NzaC1yc2EAAAADAQABAAABAQDGog6b5lhMq684LDk9N3LqmzHdyKUfQFtb6oz97q4FmggtOP4QZ5CFdWml5sKT"
      "c8n0mViiaHb4EfzKXBjv+W0zxBEwkEXLMmVzFoynkvXmRGL0K6UtLKx9FtHjfSVwbDlqdnT1L/BrqfmR1s/vTVWvNwq8"
      "IjBbdkPAK/2suMLLrh6bz37aR5zA72a9SykdZ7/+tiTnU5Dhxid0ewzxK88OIdHyfllItPrDWpPO06jhKgKq5ldVJhfd"
      "T8ZB5o5Cw79kpZgBv2Tr5m8K4O6yyG7hRKDGuMicPNkRCtjaF3Ly0MQnFnjgN1/AHQgr9xEc7MgnvPfUFRcLsJhv7keK"
      "lOBd c\n"
      "not a key\nssh-ed25519 %%%%\n");
  REQUIRE(keys.size() == 3);
  CHECK(keys[0].fingerprint == "SHA256:/Kl2v7gzxAUsn9o15QmIoeI1Qn0Zf3twMpimX4dPR9w");
  CHECK(!keys[0].weak);
  CHECK(keys[1].fingerprint == "SHA256:3Mp/lk36LGNZpwLcQUkeBvi5/gSsXT1k+kMitQHYb6M");
  CHECK(keys[1].weak);
  CHECK(keys[2].fingerprint == "SHA256:C9PhI70bbk/rkqrydTpbRHpSdpWhCIL4AhEKabQDT9Q");
  CHECK(!keys[2].weak);
}

TEST_CASE("sockets that listen") {
  const auto tcp = parse_listening(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 "
      "22101 1 0000000000000000 100 0 0 10 0\n"
      "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "18222 1 0000000000000000 100 0 0 10 0\n"
      "   2: 0500A8C0:01BB 0600A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 "
      "33333 1 0000000000000000 100 0 0 10 0\n"
      "   3: 0500A8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "44444 1\n",
      "0A");
  REQUIRE(tcp.size() == 3);
  CHECK(tcp[0].port == 5432);
  CHECK(tcp[0].scope == ListenScope::Loopback);
  CHECK(tcp[0].inode == 22101);
  CHECK(tcp[1].port == 22);
  CHECK(tcp[1].scope == ListenScope::All);
  CHECK(tcp[2].scope == ListenScope::Address);
  const auto tcp6 = parse_listening(
      "   0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 5 1\n"
      "   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 6 1\n",
      "0A");
  REQUIRE(tcp6.size() == 2);
  CHECK(tcp6[0].scope == ListenScope::Loopback);
  CHECK(tcp6[1].scope == ListenScope::Loopback);
  CHECK(socket_inode("socket:[123]") == 123);
  CHECK(socket_inode("/dev/null") == 0);
}

// One entry of version 2 or 3.
std::string entry(const std::string& path, bool extended = false) {
  std::string bytes(60, '\0');
  bytes += extended ? '\x40' : '\0';
  bytes += static_cast<char>(path.size());
  if (extended) bytes += std::string(2, '\0');
  bytes += path;
  do bytes += '\0';
  while (bytes.size() % 8 != 0);
  return bytes;
}

TEST_CASE("git's index, versions 2 to 4, and damaged ones") {
  const std::string head2("DIRC\0\0\0\2\0\0\0\2", 12);
  const std::string two = head2 + entry("README.md") + entry("deploy/server.key") + "TREE";
  CHECK(parse_git_index(two, 100).value() == Names{"README.md", "deploy/server.key"});
  const std::string three = std::string("DIRC\0\0\0\3\0\0\0\1", 12) + entry("with/flags.pem", true);
  CHECK(parse_git_index(three, 100).value() == Names{"with/flags.pem"});
  std::string four("DIRC\0\0\0\4\0\0\0\2", 12);
  four += std::string(62, '\0') + std::string("\0src/a.py\0", 10);
  four += std::string(62, '\0') + std::string("\4b.key\0", 7);
  CHECK(parse_git_index(four, 100).value() == Names{"src/a.py", "src/b.key"});
  for (std::size_t cut = 0; cut + 4 < two.size(); ++cut) {
    const auto damaged = parse_git_index(std::string_view(two).substr(0, cut), 100);
    REQUIRE(!damaged);
    CHECK(damaged.error().code == base::ErrorCode::Corruption);
  }
  CHECK(parse_git_index(two, 1).error().code == base::ErrorCode::LimitExceeded);
}

TEST_CASE("names and contents of secrets") {
  CHECK(secret_name("a/.env") == SecretName::Environment);
  CHECK(secret_name(".env.production") == SecretName::Environment);
  CHECK(secret_name(".env.example") == SecretName::None);
  CHECK(secret_name("ssl/x.PEM") == SecretName::Key);
  CHECK(secret_name("id_ed25519") == SecretName::Key);
  CHECK(secret_name("id_ed25519.pub") == SecretName::None);
  CHECK(secret_name("a.p12") == SecretName::KeyStore);
  CHECK(secret_name("src/main.py") == SecretName::None);
  const std::string begin = "-----BEGIN ";
  CHECK(holds_private_key("x\n" + begin + "RSA PRIVATE KEY-----\nMIIE\n"));
  CHECK(holds_private_key(begin + "OPENSSH PRIVATE KEY-----\nb3Bl\n"));
  CHECK(!holds_private_key(begin + "CERTIFICATE-----\nMIIE\n"));
  CHECK(!holds_private_key(begin + "ENCRYPTED PRIVATE KEY-----\nMIIE\n"));
  CHECK(!holds_private_key(begin + "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
  CHECK(holds_private_key(begin + "CERTIFICATE-----\n" + begin + "PRIVATE KEY-----\n"));
}

Snapshot snapshot_of(const char* family, std::map<std::string, std::string> entries,
                     std::set<std::string> unread = {}) {
  return {{family, {std::move(entries), std::move(unread)}}};
}

TEST_CASE("changes: the first look is the baseline, and each change is told once") {
  Baseline baseline;
  CHECK(baseline.advance(snapshot_of("account", {{"root", "0"}, {"bob", "1"}}), kNow).empty());
  const auto changes =
      baseline.advance(snapshot_of("account", {{"root", "9"}, {"eve", "2"}}), kNow);
  CHECK(changes == std::vector<AccessChange>{{"account_added", "eve"},
                                             {"account_changed", "root"},
                                             {"account_removed", "bob"}});
  CHECK(baseline.counts().at("account_added") == 1);
  CHECK(baseline.last_ms().at("account_added") == base::to_ms(kNow));
  // Over a restart too.
  Baseline again = Baseline::from_json(baseline.to_json());
  CHECK(again.advance(snapshot_of("account", {{"root", "9"}, {"eve", "2"}}), kNow).empty());
  CHECK(again.counts() == baseline.counts());
  CHECK(again.last_ms() == baseline.last_ms());
  CHECK(again.advance(snapshot_of("account", {{"root", "9"}, {"eve", "2"}, {"x", "3"}}), kNow)
            .size() == 1);
}

TEST_CASE("what cannot be read is neither gone nor, later, new") {
  Baseline baseline;
  const std::map<std::string, std::string> all = {{"alice k1", ""}, {"bob k2", ""}};
  CHECK(baseline.advance(snapshot_of("authorized_key", all), kNow).empty());
  CHECK(
      baseline.advance(snapshot_of("authorized_key", {{"alice k1", ""}}, {"bob "}), kNow).empty());
  CHECK(baseline.advance({}, kNow).empty());
  // bob's second key may have been there all the time; alice's was not.
  const auto changes = baseline.advance(
      snapshot_of("authorized_key",
                  {{"alice k1", ""}, {"alice k4", ""}, {"bob k2", ""}, {"bob k3", ""}}),
      kNow);
  CHECK(changes == std::vector<AccessChange>{{"key_added", "alice k4"}});
}

TEST_CASE("a port that comes back within a day is not new; a process not known is no other") {
  Baseline baseline;
  const auto hours = [](int n) { return kNow + std::chrono::hours(n); };
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}, {"tcp 80", "nginx"}}), kNow)
            .empty());
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}}), hours(1)).empty());
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", ""}, {"tcp 80", "nginx"}}), hours(2))
            .empty());
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}, {"tcp 80", "nc"}}), hours(3)) ==
        std::vector<AccessChange>{{"port_process_changed", "tcp 80"}});
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}}), hours(4)).empty());
  baseline = Baseline::from_json(baseline.to_json());
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}}), hours(29)) ==
        std::vector<AccessChange>{{"port_closed", "tcp 80"}});
  CHECK(baseline.advance(snapshot_of("port", {{"tcp 22", "sshd"}, {"tcp 80", "x"}}), hours(30)) ==
        std::vector<AccessChange>{{"port_opened", "tcp 80"}});
}

TEST_CASE("since when something is so") {
  Baseline baseline;
  const base::WallTime later = kNow + std::chrono::hours(1);
  CHECK(baseline.since("leaver bob", true, kNow) == kNow);
  baseline = Baseline::from_json(baseline.to_json());
  CHECK(baseline.since("leaver bob", true, later) == kNow);
  baseline.since("leaver bob", false, later);
  CHECK(baseline.since("leaver bob", true, later) == later);
}

}  // namespace
}  // namespace tocsin::agent
