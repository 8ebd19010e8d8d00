// Backups in folders and tar files: written, read, damaged, restored.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "alertd/backup/restore.h"
#include "alertd/backup/tar_format.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::backup {
namespace {

const std::string kState(1300, 's');
const std::string kRules = "[[group]]\n";

Manifest manifest() {
  Manifest manifest;
  manifest.version = "1.2.3";
  manifest.host = "mon1";
  manifest.created_at = base::wall_time(1'700'000'000'000);
  manifest.missing = {"files that the configuration reads secrets from"};
  manifest.files = {
      {"data/state.db", kState.size(), base::sha256_hex(kState), 0600},
      {"data/tsdb/empty", 0, base::sha256_hex(""), 0640},
      {"configuration/rules/0/a.toml", kRules.size(), base::sha256_hex(kRules), 0644}};
  return manifest;
}

void write(base::FileSystem& files, const std::string& path) {
  const Manifest list = manifest();
  auto writer = ArchiveWriter::make(files, path, list);
  REQUIRE(writer);
  for (const auto& [entry, bytes] : {std::pair{list.files[0], kState},
                                     {list.files[1], std::string()},
                                     {list.files[2], kRules}}) {
    REQUIRE((*writer)->begin_file(entry));
    REQUIRE((*writer)->append(bytes));
    REQUIRE((*writer)->end_file());
  }
  REQUIRE((*writer)->finish());
}

TEST_CASE("what is written is read, as a folder and as a tar file") {
  for (const std::string path : {"/backup/one", "/backup/one.tar"}) {
    CAPTURE(path);
    sim::SimFileSystem files;
    (void)files.create_folders("/backup");
    write(files, path);
    files.crash(sim::Unsynced::Lost, false);  // it was durable
    const auto reader = ArchiveReader::open(files, path);
    REQUIRE(reader);
    CHECK((*reader)->manifest().files.size() == 3);
    CHECK((*reader)->manifest().bytes() == kState.size() + kRules.size());
    CHECK((*reader)->manifest().host == "mon1");
    CHECK((*reader)->verify());
    const auto again = ArchiveWriter::make(files, path, manifest());
    REQUIRE(!again);
    CHECK(again.error().code == base::ErrorCode::InvalidArgument);

    const auto restored = restore(**reader, files, "/var/lib/tocsin");
    REQUIRE(restored);
    CHECK(restored->files == 3);
    CHECK(restored->configuration);
    files.crash(sim::Unsynced::Lost, false);
    CHECK(files.content("/var/lib/tocsin/state.db") == kState);
    CHECK(files.exists("/var/lib/tocsin/tsdb/empty"));
    CHECK(files.content("/var/lib/tocsin/restored-configuration/rules/0/a.toml") == kRules);
    CHECK(*files.mode("/var/lib/tocsin/tsdb/empty") == 0640);
    CHECK(check_no_unfinished_restore(files, "/var/lib/tocsin"));
    const auto second = restore(**reader, files, "/var/lib/tocsin");
    REQUIRE(!second);
    CHECK(second.error().message.find("is not empty") != std::string::npos);
  }
}

TEST_CASE("every changed byte of a tar file is noticed") {
  sim::SimFileSystem files;
  (void)files.create_folders("/b");
  write(files, "/b/x.tar");
  const std::string good = files.content("/b/x.tar");
  for (std::size_t at = 0; at < good.size(); at += 11) {
    CAPTURE(at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    files.set_content("/b/y.tar", bad);
    const auto reader = ArchiveReader::open(files, "/b/y.tar");
    if (!reader) continue;
    if ((*reader)->verify()) {
      // Only what means nothing: owner, time, padding, what is said about the backup.
      CHECK((*reader)->manifest().bytes() == manifest().bytes());
    } else {
      CHECK(!restore(**reader, files, fmt::format("/to{}", at)));
      CHECK(!files.exists(fmt::format("/to{}", at)));
    }
  }
  for (std::size_t size = 0; size + 2 * kTarBlockBytes < good.size(); size += 97) {
    CAPTURE(size);
    files.set_content("/b/y.tar", good.substr(0, size));
    const auto reader = ArchiveReader::open(files, "/b/y.tar");
    REQUIRE(!reader);
    CHECK(reader.error().code == base::ErrorCode::Corruption);
  }
}

TEST_CASE("a folder with a changed, cut or missing file is not restored") {
  for (const std::string change : {"changed", "cut", "missing"}) {
    CAPTURE(change);
    sim::SimFileSystem files;
    write(files, "/b/one");
    if (change == "changed") files.set_content("/b/one/data/state.db", std::string(1300, 't'));
    if (change == "cut") files.set_content("/b/one/data/state.db", "s");
    if (change == "missing") REQUIRE(files.remove("/b/one/data/state.db"));
    const auto reader = ArchiveReader::open(files, "/b/one");
    REQUIRE(reader);
    const auto restored = restore(**reader, files, "/to");
    REQUIRE(!restored);
    CHECK(restored.error().code == base::ErrorCode::Corruption);
    CHECK(restored.error().message.find("data/state.db") != std::string::npos);
    CHECK(!files.exists("/to"));
  }
}

TEST_CASE("unfinished and foreign things are no backups") {
  sim::SimFileSystem files;
  (void)files.create_folders("/b/half");
  files.set_content("/b/half/data", "x");
  files.set_content("/b/text.tar", std::string(2000, 'x'));
  CHECK(ArchiveReader::open(files, "/b/half").error().code == base::ErrorCode::Corruption);
  CHECK(ArchiveReader::open(files, "/b/text.tar").error().code == base::ErrorCode::Corruption);
  CHECK(ArchiveReader::open(files, "/b/none").error().code == base::ErrorCode::NotFound);
  {
    const auto writer = ArchiveWriter::make(files, "/b/given-up.tar", manifest());
    REQUIRE(writer);
  }
  CHECK(!files.exists("/b/given-up.tar"));
  CHECK(!files.exists("/b/given-up.tar.partial"));
}

TEST_CASE("a restore that fails keeps alertd from starting, at every operation") {
  for (std::uint64_t n = 1;; ++n) {
    CAPTURE(n);
    sim::SimFileSystem files(n);
    write(files, "/b/one");
    const auto reader = ArchiveReader::open(files, "/b/one");
    REQUIRE(reader);
    files.fail_at(n, false);
    const std::uint64_t before = files.operations();
    const bool done = restore(**reader, files, "/to").has_value();
    const bool failed = files.operations() - before >= n;
    files.heal();
    if (!failed) {
      CHECK(done);
      break;
    }
    // Nothing was written, or it is known to be unfinished, or all of it is there.
    const auto names = files.exists("/to") ? files.list("/to") : std::vector<std::string>();
    const bool known = !check_no_unfinished_restore(files, "/to");
    const bool whole = files.content("/to/state.db") == kState && files.exists("/to/tsdb/empty");
    CHECK((names->empty() || known || whole));
  }
}

TEST_CASE("manifests that are none") {
  const std::string good = to_json(manifest());
  REQUIRE(parse_manifest(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return parse_manifest(text.replace(at, from.size(), to));
  };
  const auto newer = with("\"format\":1", "\"format\":2");
  REQUIRE(!newer);
  CHECK(newer.error().code == base::ErrorCode::InvalidArgument);
  CHECK(newer.error().message.find("format 2, made by tocsin 1.2.3") != std::string::npos);
  for (const std::string path :
       {"/etc/passwd", "data/../../etc/passwd", "data//x", "", ".", "data/", "a\\nb"}) {
    CAPTURE(path);
    CHECK(!with("data/state.db", path));
  }
  CHECK(!with("data/tsdb/empty", "data/state.db"));  // twice
  CHECK(!with("\"bytes\":1300", "\"bytes\":-1"));
  CHECK(!with("\"mode\":384", "\"mode\":4095"));
  CHECK(!with(base::sha256_hex(kState), "abc"));
  CHECK(!parse_manifest("[]"));
  CHECK(!parse_manifest(""));
}

TEST_CASE("long paths in tar headers") {
  const std::string folder(120, 'f');
  const std::string path = folder + "/" + std::string(90, 'n');
  const auto block = tar_header({path, 5, 0600}, base::wall_time(0));
  REQUIRE(block);
  const auto read = parse_tar_header(*block);
  REQUIRE(read);
  CHECK((*read)->path == path);
  CHECK((*read)->bytes == 5);
  CHECK(!tar_header({std::string(101, 'n'), 5, 0600}, base::wall_time(0)));
  CHECK(!tar_header({"big", 1ULL << 33U, 0600}, base::wall_time(0)));
}

}  // namespace
}  // namespace tocsin::backup
