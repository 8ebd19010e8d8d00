// Recorded files of a host, and what is proposed for it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "agent/discover/proposals.h"
#include "agent/discover/server_files.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

std::string all_text(const std::vector<Proposal>& proposals) {
  return render_proposals(proposals, "heading", [](const std::string&) { return true; });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("listening sockets") {
  const auto found = parse_tcp_listeners(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107 0 4242 1 "
      "0\n"
      "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 4243 1 "
      "0\n"
      "   2: 0100007F:18EB 0100007F:9999 01 00000000:00000000 00:00000000 00000000   107 0 4244 1 "
      "0\n"
      "   3: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 "
      "0:0 0 0 0 7 1\n"
      "   4: junk\n");
  REQUIRE(found.size() == 3);
  CHECK(found[0].reached_at() == "127.0.0.1:6379");
  CHECK(found[0].inode == 4242);
  CHECK(found[0].loopback());
  CHECK(found[1].reached_at() == "127.0.0.1:80");
  CHECK(found[2].reached_at() == "[::1]:8080");
  const auto sockets = parse_unix_listeners(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "0000: 00000002 00000000 00010000 0001 01 123 /run/postgresql/.s.PGSQL.5432\n"
      "0000: 00000003 00000000 00000000 0001 03 124 /run/postgresql/.s.PGSQL.5432\n"
      "0000: 00000002 00000000 00010000 0001 01 125 @abstract\n");
  CHECK(sockets == std::vector<std::string>{"/run/postgresql/.s.PGSQL.5432"});
}

TEST_CASE("nginx's files: includes, quotes, comments, what only nginx knows") {
  sim::TestFolder folder;
  folder.write("sites/a.conf",
               "server { listen 443 ssl; server_name a.example b.example;\n"
               "  ssl_certificate /etc/ssl/a.pem; ssl_certificate_key \"/etc/ssl/a key.pem\";\n"
               "  access_log /var/log/nginx/a.log combined buffer=32k; }\n");
  folder.write("sites/b.conf", "server { access_log /var/log/nginx/$host.log; access_log off; }");
  folder.write("sites/c.conf", "include " + folder.path() + "/sites/c.conf;");  // itself
  const std::string main = folder.write(
      "nginx.conf",
      "# access_log /no;\nhttp { access_log logs/access.log; include sites/*.conf; }\n");
  const NginxFiles found = read_nginx_files(*folder.files, main, folder.path());
  CHECK(found.access_logs ==
        std::vector<std::string>{folder.path() + "/logs/access.log", "/var/log/nginx/a.log"});
  CHECK(found.certificates == std::vector<std::string>{"/etc/ssl/a.pem"});
  CHECK(found.certificate_keys == std::vector<std::string>{"/etc/ssl/a key.pem"});
  CHECK(found.names == std::vector<std::string>{"a.example", "b.example"});
  CHECK(read_nginx_files(*folder.files, "/nonexistent", "/").access_logs.empty());
}

TEST_CASE("commands of NRPE: those that need no shell") {
  std::vector<std::string> others;
  const auto commands = parse_nrpe_commands(
      "# command[no]=/bin/true\n"
      "command[check_load]=/usr/lib/nagios/plugins/check_load -r -w .15,.10 -c .30\n"
      "command[check_arg]=/usr/lib/nagios/plugins/check_disk -w $ARG1$\n"
      "command[check_sudo]=sudo /usr/lib/nagios/plugins/check_x\n"
      "command[check_pipe]=/bin/a | /bin/b\n",
      others);
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].name == "check_load");
  CHECK(commands[0].arguments.size() == 6);
  CHECK(others == std::vector<std::string>{"check_arg", "check_sudo", "check_pipe"});
}

TEST_CASE("what is proposed for servers that run, and what is said to be missing") {
  sim::TestFolder folder;
  const std::string conf =
      folder.write("nginx.conf", "http { access_log " + folder.path() + "/access.log; }");
  HostLook look;
  look.processes = {
      {10, "redis-server", {"redis-server 127.0.0.1:6380"}},
      {11, "redis-server", {"redis-server *:6379"}},
      {12, "redis-server", {"redis-server 127.0.0.1:6379 [cluster]"}},
      {20, "postgres", {"/usr/lib/postgresql/15/bin/postgres", "-D", "/data", "-p", "5433"}},
      {30, "nginx", {"nginx: master process nginx -c " + conf}},
      {40, "python3", {"/usr/bin/python3", "/srv/app/bin/gunicorn", "app:app"}},
      {41, "python3", {"/usr/bin/python3", "notgunicorn.py"}},
      {50, "pgbouncer", {"pgbouncer", "-d"}, "pgbouncer.service"},
      {60, "java", {"/usr/bin/java", "-jar", "shop.jar"}, "shop-api.service"},
      {61, "systemd-journal", {"/lib/systemd/systemd-journald"}, "systemd-journald.service"},
      {62, "bash", {"-bash"}, "session-3.scope"}};
  look.listeners = {{"0.0.0.0", 8088, 1, 30}, {"127.0.0.1", 6432, 2, 50}, {"::", 9100, 3, 0}};
  look.unix_sockets = {"/run/x/.s.PGSQL.5433", "/run/x/.s.PGSQL.6432"};
  const Trials trials{*folder.files,
                      [](const std::string& address) {
                        return address == "127.0.0.1:6380" ? "NOAUTH\nneeded" : "";
                      },
                      [](const std::string&) { return ""; }};
  const std::string text = all_text(propose(look, trials));
  CAPTURE(text);
  CHECK(contains(text, "[[redis]]\nname = \"redis\"\naddress = \"127.0.0.1:6380\"\n# user"));
  CHECK(contains(text, "does not answer the agent yet: NOAUTH\\nneeded"));
  CHECK(contains(text, "name = \"redis-6379\"\naddress = \"127.0.0.1:6379\""));
  CHECK_FALSE(contains(text, "redis-6379-"));
  CHECK(contains(text, "# PostgreSQL 15 listens on /run/x/.s.PGSQL.5433."));
  CHECK(contains(text, "dsn = \"host=/run/x port=5433 dbname=postgres\""));
  CHECK_FALSE(contains(text, "port=6432 dbname=postgres"));
  CHECK(contains(text, "# [[pgbouncer]]"));  // it needs a password first
  CHECK(contains(text, folder.path() + "/access.log"));
  CHECK(contains(text, "url = \"http://127.0.0.1:8088/\""));
  CHECK(contains(text, "name = \"gunicorn\""));
  CHECK_FALSE(contains(text, "name = \"celery\""));
  CHECK(contains(text, "name = \"shop-api\"\nunit = [\"shop-api.service\"]"));
  CHECK_FALSE(contains(text, "pgbouncer.service"));
  CHECK_FALSE(contains(text, "journald"));
  CHECK_FALSE(contains(text, "session-3"));
  CHECK(contains(text, "# Port 9100: node_exporter"));
}

TEST_CASE("an empty host, and text that must not become TOML") {
  sim::TestFolder folder;
  const Trials trials{*folder.files, [](const std::string&) { return ""; },
                      [](const std::string&) { return ""; }};
  CHECK_FALSE(propose({}, trials).empty());
  CHECK(toml_string("a\"b\\c\nd") == "\"a\\\"b\\\\c\\u000ad\"");
  const std::vector<Proposal> proposals{
      {{"why\nand how"}, "[a]\nx = 1\n"}, {{"odd"}, "[unknown]\ny = 1\n"}, {{}, "[b]\nz = 1\n"}};
  const std::string text = render_proposals(proposals, "top", [](const std::string& live) {
    return live.find("unknown") == std::string::npos;
  });
  CHECK(text ==
        "# top\n\n# why\n# and how\n[a]\nx = 1\n\n# odd\n# This agent does not take it as it "
        "stands:\n"
        "# [unknown]\n# y = 1\n\n[b]\nz = 1\n");
}

}  // namespace tocsin::agent
