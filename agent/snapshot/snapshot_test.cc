// Snapshots of hand-made hosts, their triggers and their folder.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <zstd.h>

#include <boost/json/parse.hpp>
#include <filesystem>

#include "agent/snapshot/scrub.h"
#include "agent/snapshot/snapshot_command.h"
#include "agent/snapshot/snapshot_source.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

std::string unpacked(std::string_view packed) {
  std::string out(std::size_t{1} << 20U, '\0');
  out.resize(ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size()));
  return out;
}

constexpr std::string_view kVmstat = "oom_kill {}\npgfault 7\n";

struct Triggers {
  explicit Triggers(SnapshotSettings settings) : triggers(settings) {}

  std::string step(int seconds, int oom_kills, const char* load = "0.1 0.1 0.1 1/2 3",
                   const char* stall = "0.00") {
    const std::string vmstat = fmt::format(kVmstat, oom_kills);
    const std::string pressure =
        fmt::format("some avg10=90.00 avg60=1\nfull avg10={} avg60=0.00 total=1\n", stall);
    return std::string(triggers.step({vmstat, load, pressure, 4},
                                     base::MonotonicTime(std::chrono::seconds(seconds))));
  }

  SnapshotTriggers triggers;
};

}  // namespace

TEST_CASE("snapshot: secrets leave texts, the rest stays") {
  const auto same = [](std::string_view text) { return scrub(text) == text; };
  CHECK(scrub("--password hunter2 --user x") == "--password *** --user x");
  CHECK(scrub("PGPASSWORD=hunter2 psql") == "PGPASSWORD=*** psql");
  CHECK(scrub("db_password: 'a b c' next") == "db_password: *** next");
  CHECK(scrub("{\"api_key\":\"abc\",\"n\":1}") == "{\"api_key\":***,\"n\":1}");
  CHECK(scrub("postgres://app:s3cret@db:5432/shop") == "postgres://***@db:5432/shop");
  CHECK(scrub("Authorization: Basic YWJj end") == "Authorization: Basic *** end");
  CHECK(scrub("curl -H authorization:Bearer abc.def").find("abc") == std::string::npos);
  CHECK(scrub("mysqldump -u root -pS3cret shop") == "mysqldump -u root -p*** shop");
  CHECK(scrub("GET /?token=abc&page=2") == "GET /?token=***&page=2");
  CHECK(scrub("key AKIAABCDEFGHIJKLMNOP used") == "key *** used");
  CHECK(scrub("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----") == "***");
  CHECK(scrub("-----BEGIN PRIVATE KEY-----\nMIIcut") == "***");
  CHECK(same("Failed password for root from 10.0.0.9 port 22 ssh2"));
  CHECK(same("Accepted publickey for deploy from 10.0.0.9"));
  CHECK(same("/usr/bin/python3 -m gunicorn shop.wsgi --workers 4"));
  CHECK(same("សួស្តី tab\tline\n"));
  CHECK(scrub("bad \xff\x01 bytes") == "bad \\xff\\x01 bytes");
  CHECK(scrub_command_line(std::string_view("app\0--token\0abc\0", 16)) == "app --token ***");
}

TEST_CASE("snapshot: a host in files, and what cannot be read is named") {
  sim::TestFolder host;
  host.write("proc/stat", "cpu 1 2 3\ncpu0 1 2 3\nbtime 1700000000\n");
  host.write("proc/sys/kernel/hostname", "db1\n");
  host.write("proc/loadavg", "9.00 1 1 1/2 3\n");
  host.write(
      "proc/77/stat",
      "77 (web worker) S 1 1 1 0 -1 4194304 11 0 2 0 20 50 0 0 20 0 3 0 1000 1048576 100 1 1\n");
  host.write("proc/77/status", "Name:\tx\nUid:\t33\t33\t33\t33\n");
  host.write("proc/77/cmdline", std::string_view("app\0--password=abc\0", 19));
  host.write("proc/77/cgroup", "0::/system.slice/web.service\n");
  REQUIRE(host.files->create_folders(host.file("proc/77/fd")));
  std::filesystem::create_symlink("socket:[4711]", host.file("proc/77/fd/3"));
  std::filesystem::create_symlink("/var/log/app.log", host.file("proc/77/fd/4"));
  host.write("proc/net/tcp",
             "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
             "timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
             "00000000    33        0 4711 1 0 100 0 0 10 0\n");
  host.write("proc/net/udp6",
             "0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 "
             "00000000:00000000 00:00000000 00000000 101 0 9 2 0 0\n");
  host.write("root/var/log/auth.log", "one\ntoken=abc\n");
  SnapshotRequest request;
  request.reason = "by hand";
  request.paths = {host.file("proc"), host.file("sys"), host.file("root")};
  request.journal = false;
  request.limits.lines_max = 1;
  const base::RealClock clock;
  const auto json = boost::json::parse(take_snapshot(request, *host.files, clock)).as_object();
  CHECK(json.at("host") == "db1");
  CHECK(json.at("reason") == "by hand");
  const auto& process = json.at("processes").at(0).as_object();
  CHECK(process.at("command") == "app --password=***");
  CHECK(process.at("unit") == "web.service");
  CHECK(process.at("uid") == 33);
  CHECK(process.at("open_files") == 2);
  CHECK(process.at("files").at(0) == "/var/log/app.log");
  CHECK(process.at("started_timestamp_seconds") == 1'700'000'010);
  const auto& socket = json.at("sockets").at(0).as_object();
  CHECK(socket.at("local") == "127.0.0.1:8080");
  CHECK(socket.at("state") == "listens");
  CHECK(socket.at("pid") == 77);
  const auto& udp = json.at("sockets").at(1).as_object();
  CHECK(udp.at("local") == "[0:0:0:0:0:0:0:1]:53");
  CHECK(udp.at("state") == "listens");
  CHECK_FALSE(udp.contains("pid"));
  CHECK(json.at("logs").at("/var/log/auth.log").at(0) == "token=***");
  CHECK(json.at("texts").at("/proc/loadavg") == "9.00 1 1 1/2 3\n");
  CHECK(json.at("missing").as_object().contains("sockets of udp"));
}

TEST_CASE("snapshot: a trigger takes one, then none within the pause") {
  SnapshotSettings settings;
  settings.on_load = 2;
  settings.on_memory_stall_percent = 30;
  settings.pause = std::chrono::seconds(100);
  Triggers triggers(settings);
  CHECK(triggers.step(0, 5) == "");  // what was before the start is no news
  CHECK(triggers.step(5, 6) == "oom_kill");
  CHECK(triggers.step(10, 7) == "");
  CHECK(triggers.triggers.passed_over() == 1);
  CHECK(triggers.step(200, 7, "8.1 1 1 1/2 3") == "load");  // of four processors
  CHECK(triggers.step(400, 7, "9.0 1 1 1/2 3") == "");      // it holds on
  CHECK(triggers.step(500, 7, "7.9 1 1 1/2 3") == "");
  CHECK(triggers.step(600, 7, "8.1 1 1 1/2 3") == "load");
  CHECK(triggers.step(800, 7, "0 1 1 1/2 3", "31.5") == "memory_stall");
}

TEST_CASE("snapshot: the folder keeps the newest, readable by its owner only") {
  sim::TestFolder place;
  place.write("kept/notes.txt", "not ours");
  SnapshotFolder folder(*place.files, {place.file("kept"), 3, 1U << 20U});
  for (int i = 0; i < 5; ++i) {
    const auto path = folder.keep(base::wall_time(1'700'000'000'000 + i * 1000), "load",
                                  fmt::format("{{\"n\":{}}}", i));
    REQUIRE(path);
    CHECK(place.files->mode(*path).value() == 0600);
    CHECK(unpacked(place.files->read(*path, 1000).value()) == fmt::format("{{\"n\":{}}}", i));
  }
  CHECK(folder.size().files == 3);
  const auto names = place.files->list(place.file("kept")).value();
  REQUIRE(names.size() == 4);
  CHECK(names.front() == "notes.txt");
  CHECK(names[1] == "snapshot-2023-11-14T221322Z-load.json.zst");
}

TEST_CASE("snapshot: the command line and the configuration refuse what makes no sense") {
  const auto refused = [](std::vector<std::string> words) {
    const auto command = parse_snapshot_command(words);
    return command ? "taken" : command.error().message;
  };
  CHECK(refused({"--to", "/tmp/a.json"}) == "taken");
  CHECK(refused({"--to"}) == "snapshot: --to needs a file");
  CHECK(refused({}) == "snapshot: --to FILE.json or FILE.json.zst is missing");
  CHECK(refused({"--to", "a.tar"}) == "snapshot: 'a.tar' ends neither in .json nor in .json.zst");
  const auto read = [](const std::string& text) {
    const config::Source source{"agent.toml", text};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    const auto settings = read_snapshot_settings(root, base::Duration{15'000}, "/var/lib/x");
    std::string messages;
    for (const auto& each : diagnostics) messages += each.message + "\n";
    if (!messages.empty()) return messages;
    return settings ? settings->kept.folder : std::string("none");
  };
  CHECK(read("") == "none");
  CHECK(read("[snapshots]\n") == "/var/lib/x/snapshots");
  CHECK(read("[snapshots]\npause = \"5s\"\n") == "pause must be at least 1m\n");
  CHECK(read("[snapshots]\nfolder = \"x\"\n") == "'x' is not an absolute path\n");
  CHECK(read("[snapshots]\nbytes_max = 10\n") ==
        "bytes_max is less than 1MiB: no snapshot would fit\n");
}

}  // namespace tocsin::agent
