// tocsin backup against a server that is not there, breaks off, or gives other bytes than it said.
#include "cli/backup.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <sstream>

#include "alertd/backup/archive.h"
#include "cli/parser.h"
#include "common/base/hash.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

/// alertd with a backup of two files, which it gives out in parts of 1000 bytes.
class BackupServer final : public ApiClient {
 public:
  std::vector<std::string> contents{std::string(2500, 'a'), ""};
  int answers_until_ready = 2;
  bool wrong_bytes = false;
  bool refuses = false;
  std::vector<std::string> asked;

  ApiAnswer call(const ApiRequest& request) override {
    asked.push_back(request.method + " " + request.path);
    ApiAnswer answer;
    if (refuses) {
      answer.exit_code = kNegative;
      answer.error = "a backup is being made";
    } else if (request.method == "POST" && request.path == "/api/v1/backup") {
      answer.data = R"({"id":"1234"})";
    } else if (request.method == "GET" && request.path == "/api/v1/backup/1234") {
      answer.data = --answers_until_ready > 0 ? R"({"state":"making"})" : ready();
    } else if (request.method == "GET") {
      const auto file = base::parse_u64(request.path.substr(request.path.rfind('/') + 1));
      const auto offset = base::parse_u64(request.query.front().second);
      answer.data = contents.at(*file).substr(*offset, 1000);
      if (wrong_bytes) answer.data.front() = 'x';
    }
    return answer;
  }

 private:
  std::string ready() const {
    backup::Manifest manifest;
    manifest.version = "1.0.0";
    manifest.host = "mon1";
    manifest.missing = {"passwords"};
    for (std::size_t i = 0; i < contents.size(); ++i) {
      manifest.files.push_back(
          {fmt::format("data/file{}", i), contents[i].size(), base::sha256_hex(contents[i]), 0600});
    }
    return R"({"state":"ready","manifest":)" + backup::to_json(manifest) + "}";
  }
};

struct World {
  BackupServer server;
  sim::SimFileSystem files;
  base::SimClock clock;
  std::ostringstream out;
  std::ostringstream err;

  int back_up(const std::string& to) {
    Context context{server, OutputFormat::Table, {}, clock, out, err};
    return run_backup({BackupOptions::Action::Make, to}, context, files);
  }
};

TEST_CASE("a backup is fetched in parts, checked, and said to be safe") {
  for (const std::string to : {"/b/one", "/b/one.tar"}) {
    World world;
    (void)world.files.create_folders("/b");
    CHECK(world.back_up(to) == kOk);
    CHECK(world.out.str().starts_with("backed up to '" + to + "': 2 files, 3 kB, of mon1"));
    CHECK(world.err.str() == "not in it: passwords\n");
    CHECK(world.server.asked.back() == "POST /api/v1/backup/1234/done");
    const BackupWorld verify{world.files, OutputFormat::Table, world.out, world.err};
    CHECK(run_backup_verify({BackupOptions::Action::Verify, to}, verify) == kOk);
    CHECK(run_restore({to, "/data"}, verify) == kOk);
    CHECK(world.files.content("/data/file0") == std::string(2500, 'a'));
    CHECK(run_restore({to, "/data"}, verify) == kNegative);
  }
}

TEST_CASE("other bytes than alertd has are no backup, and alertd hears that it is given up") {
  for (const std::string to : {"/b/one", "/b/one.tar"}) {
    World world;
    (void)world.files.create_folders("/b");
    world.server.wrong_bytes = true;
    CHECK(world.back_up(to) == kNegative);
    CHECK(world.err.str().find("'data/file0' arrived with another checksum") != std::string::npos);
    CHECK(world.server.asked.back() == "DELETE /api/v1/backup/1234");
    CHECK(!backup::ArchiveReader::open(world.files, to));
  }
}

TEST_CASE("a full disk, an occupied place and a server that refuses") {
  World world;
  (void)world.files.create_folders("/b");
  world.files.set_capacity(1500);
  CHECK(world.back_up("/b/one.tar") == kNegative);
  CHECK(world.err.str().find("no space left") != std::string::npos);
  CHECK(world.server.asked.back() == "DELETE /api/v1/backup/1234");
  CHECK(!world.files.exists("/b/one.tar"));
  CHECK(!world.files.exists("/b/one.tar.partial"));

  World occupied;
  occupied.files.set_content("/b/one.tar", "mine");
  CHECK(occupied.back_up("/b/one.tar") == kNegative);
  CHECK(occupied.files.content("/b/one.tar") == "mine");

  World refused;
  refused.server.refuses = true;
  CHECK(refused.back_up("/b/two") == kNegative);
  CHECK(refused.server.asked.size() == 1);
  const BackupWorld verify{refused.files, OutputFormat::Table, refused.out, refused.err};
  CHECK(run_backup_verify({BackupOptions::Action::Verify, "/b/two"}, verify) == kUnreachable);
  CHECK(run_restore({"/b/two", "/data"}, verify) == kUnreachable);
}

TEST_CASE("backup and restore on the command line") {
  const auto command = [](const std::vector<std::string>& arguments) {
    return parse_arguments(arguments, {});
  };
  const Parsed made = command({"backup", "--to", "/b/x.tar"});
  REQUIRE(made.invocation);
  const auto& make = std::get<BackupOptions>(made.invocation->command);
  CHECK(make.action == BackupOptions::Action::Make);
  CHECK(make.path == "/b/x.tar");
  const Parsed verified = command({"backup", "verify", "/b/x.tar"});
  REQUIRE(verified.invocation);
  CHECK(std::get<BackupOptions>(verified.invocation->command).action ==
        BackupOptions::Action::Verify);
  const Parsed restored = command({"restore", "/b/x.tar", "--to", "/data"});
  REQUIRE(restored.invocation);
  CHECK(std::get<RestoreOptions>(restored.invocation->command).to == "/data");
  CHECK(command({"backup"}).exit_code == kUsage);
  CHECK(command({"backup"}).err.find("name where to") != std::string::npos);
  CHECK(command({"restore", "/b/x.tar"}).exit_code == kUsage);
}

}  // namespace
}  // namespace tocsin::cli
