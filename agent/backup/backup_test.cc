// Parsers and verification, on dumps that pg_dump 15 wrote (tests/data/backup) and damaged copies.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>

#include "agent/backup/backup_files.h"
#include "agent/backup/backup_state.h"
#include "agent/backup/backup_time.h"
#include "agent/backup/base_manifest.h"
#include "agent/backup/digest.h"
#include "agent/backup/finding_decoder.h"
#include "agent/backup/restored_rows.h"
#include "agent/backup/tar_walk.h"
#include "agent/backup/verify.h"
#include "agent/backup/wal_archive.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using namespace std::chrono_literals;

const std::string kData = TOCSIN_SOURCE_DIR "/tests/data/backup/";

struct Bench : sim::TestFolder {
  std::string data(const std::string& name) const {
    return files->read(kData + name, 1 << 20).value();
  }
  BackupVerdict verify(const std::string& path, VerifyLevel level = VerifyLevel::Structure) const {
    VerifyRequest request;
    request.path = path;
    request.level = level;
    request.must_be_dump = true;
    request.size_min = 1;
    return verify_backup(request, {*files, clock, {}}).value();
  }
  std::string reason(const std::string& path, VerifyLevel level = VerifyLevel::Structure) const {
    const BackupVerdict verdict = verify(path, level);
    return verdict.found ? verdict.found->reason : "good";
  }

  base::RealClock clock;
};

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string in(text);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const auto context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string lz4(std::string_view text) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(text.size(), &preferences), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), &preferences));
  return out;
}

std::string xz(std::string_view text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t length = 0;
  REQUIRE(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &length,
                                  out.size()) == LZMA_OK);
  out.resize(length);
  return out;
}

/// Feeds bytes in parts of seven, to meet every boundary.
std::string decoded(std::string_view bytes, std::string& out) {
  FindingDecoder decoder(compression::format_of(bytes));
  const TakeBytes take = [&out](std::string_view part) -> Found {
    out.append(part);
    return {};
  };
  while (!bytes.empty()) {
    if (const Found bad = decoder.feed(bytes.substr(0, 7), take)) return bad->reason;
    bytes.remove_prefix(std::min<std::size_t>(7, bytes.size()));
  }
  const Found bad = decoder.finish(take);
  return bad ? bad->reason : "good";
}

std::string text_of(std::size_t length) {
  std::string text;
  while (text.size() < length) text += fmt::format("line {}\n", text.size() * 7919 % 10007);
  return text;
}

}  // namespace

TEST_CASE("each compression: whole, cut, with a flipped bit, two after each other") {
  const std::string text = text_of(300'000);
  for (const auto& [name, packed] : {std::pair{"gzip", gzip(text)},
                                     {"zstd", zstd(text)},
                                     {"lz4", lz4(text)},
                                     {"xz", xz(text)}}) {
    INFO(std::string(name));
    CHECK(to_string(compression::format_of(packed)) == name);
    std::string out;
    CHECK(decoded(packed, out) == "good");
    CHECK(out == text);
    out.clear();
    CHECK(decoded(packed + packed, out) == "good");
    CHECK(out == text + text);
    for (const std::size_t kept : {packed.size() - 1, packed.size() / 2, std::size_t{20}}) {
      out.clear();
      CHECK(decoded(packed.substr(0, kept), out) == "truncated");
    }
    std::string flipped = packed;
    flipped[flipped.size() / 2] ^= 0x10;
    out.clear();
    CHECK(decoded(flipped, out) == "damaged");
  }
}

TEST_CASE("what follows a gzip stream: zeros of a tape are padding, anything else is not") {
  std::string out;
  CHECK(decoded(gzip("x") + std::string(600, '\0'), out) == "good");
  CHECK(decoded(gzip("x") + "rubbish that is none", out) == "damaged");
}

TEST_CASE("checksums known from their documents") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  const auto digest = make_digest("CRC32C");
  digest->update("1234");
  digest->update("56789");
  CHECK(digest->hex() == "839206e3");
  const auto sha = make_digest("SHA256");
  sha->update("abc");
  CHECK(sha->hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(make_digest("MD5") == nullptr);
}

TEST_CASE("dumps of pg_dump are good in each format") {
  const Bench bench;
  for (const char* name : {"shop.dump", "shop_raw.dump", "shop_dir", "shop.tar", "shop.sql"}) {
    INFO(std::string(name));
    const BackupVerdict verdict = bench.verify(kData + name);
    CHECK_MESSAGE(!verdict.found, (verdict.found ? verdict.found->text : ""));
    CHECK(verdict.level == VerifyLevel::Structure);
    CHECK(verdict.facts.tables == 2);
    CHECK(verdict.facts.rows == 40);
    CHECK(verdict.facts.has_large_data);
    CHECK(verdict.facts.server_version.starts_with("15."));
    CHECK(verdict.facts.dump_version.starts_with("15."));
  }
  CHECK(bench.reason(kData + "all.sql") == "good");
}

TEST_CASE("a dump cut anywhere is not good") {
  Bench bench;
  for (const char* name : {"shop.dump", "shop_raw.dump", "shop.tar", "shop.sql"}) {
    const std::string whole = bench.data(name);
    for (const std::size_t share : {1, 10, 30, 50, 70, 90, 97}) {
      INFO(std::string(name), " ", share, " %");
      if (std::string(name) == "shop.sql" && share == 97) continue;  // behind the mark
      const std::string path = bench.write("cut", whole.substr(0, whole.size() * share / 100));
      const BackupVerdict verdict = bench.verify(path);
      REQUIRE(verdict.found);
      // A plain dump without its mark is known by a look at its end already.
      const bool quick = std::string(name) == "shop.sql" && share > 1;
      CHECK(verdict.level == (quick ? VerifyLevel::Size : VerifyLevel::Structure));
    }
  }
  const std::string whole = bench.data("shop.dump");
  CHECK(bench.reason(bench.write("cut", whole.substr(0, whole.size() - 1))) == "truncated");
  const std::string plain = bench.data("shop.sql");
  const BackupVerdict verdict =
      bench.verify(bench.write("cut.sql.gz", gzip(plain.substr(0, 1'500))));
  REQUIRE(verdict.found);
  CHECK(verdict.found->reason == "truncated");
  CHECK(verdict.level == VerifyLevel::Structure);
}

TEST_CASE(
    "each byte of the data of an archive counts; flipped bits in text are told from structure") {
  Bench bench;
  const std::string whole = bench.data("shop.dump");
  std::size_t found = 0;
  const std::size_t begin = whole.size() - 250;  // compressed blocks
  for (std::size_t i = begin; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] ^= 0x20;
    if (bench.reason(bench.write("flipped", flipped)) != "good") ++found;
  }
  // The first of these bytes are the end of the table of contents, which has no checksum.
  CHECK(found >= 225);
}

TEST_CASE("a directory dump with a missing or damaged file") {
  Bench bench;
  std::filesystem::copy(kData + "shop_dir", bench.file("dir"));
  CHECK(bench.reason(bench.file("dir")) == "good");
  const std::string data = bench.file("dir/3344.dat.gz");
  std::string bytes = bench.files->read(data, 1 << 20).value();
  bytes[bytes.size() / 2] ^= 1;
  bench.write("dir/3344.dat.gz", bytes);
  CHECK(bench.reason(bench.file("dir")) == "damaged");
  std::filesystem::remove(data);
  CHECK(bench.reason(bench.file("dir")) == "truncated");
}

TEST_CASE("empty, too small, and not what the name says") {
  Bench bench;
  const std::string twenty = gzip("");
  REQUIRE(twenty.size() == 20);
  CHECK(bench.reason(bench.write("a.sql.gz", twenty)) == "empty");
  CHECK(bench.reason(bench.write("b.sql", "")) == "empty");
  CHECK(bench.reason(bench.write("c.sql.gz", bench.data("shop.sql"))) == "damaged");
  CHECK(bench.reason(bench.write("d.sql.gz", gzip(text_of(9'000)))) == "not_a_dump");
  CHECK(bench.reason(bench.file("none")) == "missing");
  VerifyRequest request;
  request.path = bench.write("e.tar.gz", gzip("x"));
  request.size_min = 1'024;
  CHECK(check_quickly(request, *bench.files)->reason == "too_small");
}

TEST_CASE("what a dump must have") {
  Bench bench;
  VerifyRequest request;
  request.path = kData + "shop.dump";
  const VerifyWorld world{*bench.files, bench.clock, {}};
  const auto reason = [&] {
    const BackupVerdict verdict = verify_backup(request, world).value();
    return verdict.found ? verdict.found->reason : "good";
  };
  request.dump.tables = {"public.student"};
  CHECK(reason() == "good");
  request.dump.tables = {"public.student", "public.grade"};
  CHECK(reason() == "table_missing");
  request.dump.tables.clear();
  request.dump.tables_min = 3;
  CHECK(reason() == "empty_schema");
  request.dump.tables_min = 1;
  // A later server, as the header has it.
  std::string whole = bench.data("shop.dump");
  whole.replace(whole.find("15."), 3, "16.");
  request.path = bench.write("older.dump", whole);
  CHECK(reason() == "pg_dump_older_than_server");
  CHECK(judge_dump({2, 0, true, "", "", {}}, {}) == std::nullopt);
  CHECK(judge_dump({2, 0, false, "", "", {}}, {})->reason == "no_rows");
  CHECK(judge_dump({2, 5, false, "9.6.24", "10.1", {}}, {}) == std::nullopt);
  CHECK(judge_dump({2, 5, false, "10.1", "9.6.24", {}}, {})->reason == "pg_dump_older_than_server");
}

TEST_CASE("checksums beside a file, and copies") {
  Bench bench;
  const std::string path = bench.write("shop.dump", bench.data("shop.dump"));
  BackupVerdict verdict = bench.verify(path, VerifyLevel::Checksum);
  CHECK(!verdict.found);
  CHECK(verdict.level == VerifyLevel::Structure);
  CHECK(verdict.note.find("no checksum") != std::string::npos);
  const auto sha = make_digest("SHA256");
  sha->update(bench.data("shop.dump"));
  const std::string sum = sha->hex();
  bench.write("shop.dump.sha256", sum + "  shop.dump\n");
  verdict = bench.verify(path, VerifyLevel::Checksum);
  CHECK(!verdict.found);
  CHECK(verdict.level == VerifyLevel::Checksum);
  bench.write("shop.dump.sha256", std::string(64, '0') + "\n");
  CHECK(bench.reason(path, VerifyLevel::Checksum) == "checksum_mismatch");
  std::filesystem::remove(path + ".sha256");
  bench.write("SHA256SUMS", fmt::format("{} *other\n{} *./shop.dump\n", std::string(64, '1'), sum));
  CHECK(bench.verify(path, VerifyLevel::Checksum).level == VerifyLevel::Checksum);
  VerifyRequest request;
  request.path = path;
  request.level = VerifyLevel::Checksum;
  request.copy = bench.file("off");
  const VerifyWorld world{*bench.files, bench.clock, {}};
  CHECK(verify_backup(request, world).value().found->reason == "copy_missing");
  bench.write("off/shop.dump", bench.data("shop_raw.dump"));
  CHECK(verify_backup(request, world).value().found->reason == "copy_differs");
  bench.write("off/shop.dump", bench.data("shop.dump"));
  CHECK(!verify_backup(request, world).value().found);
}

TEST_CASE("what is encrypted is known as such, and never counted as looked into") {
  Bench bench;
  CHECK(encryption_of("age-encryption.org/v1\n-> X25519") == "age");
  CHECK(encryption_of("-----BEGIN PGP MESSAGE-----\n") == "gpg");
  CHECK(encryption_of("\x85\x01\x0c\x03zzzz") == "gpg");
  CHECK(encryption_of("\x8c\x0d\x04\x09\x03\x02zz") == "gpg");
  CHECK(encryption_of("Salted__12345678") == "openssl");
  CHECK(encryption_of("PGDMP") == "");
  CHECK(encryption_of(gzip("text")) == "");
  const std::string path = bench.write("db.dump.age", "age-encryption.org/v1\n" + text_of(5'000));
  const BackupVerdict verdict = bench.verify(path);
  CHECK(!verdict.found);
  CHECK(verdict.level == VerifyLevel::Size);
  CHECK(verdict.note.find("encrypted") != std::string::npos);
}

TEST_CASE("reading can be stopped, and then says nothing about the backup") {
  const Bench bench;
  VerifyRequest request;
  request.path = kData + "shop.dump";
  const auto verdict =
      verify_backup(request, {*bench.files, bench.clock, []() -> base::Result<void> {
                                return base::error(base::ErrorCode::Cancelled, "the agent stops");
                              }});
  REQUIRE(!verdict);
  CHECK(verdict.error().code == base::ErrorCode::Cancelled);
}

TEST_CASE("names of WAL") {
  const auto number = [](std::string_view name) {
    const auto parsed = parse_wal_name(name);
    return parsed ? static_cast<int>(parsed->kind) : -1;
  };
  CHECK(number("000000010000000A000000FF") == 0);
  CHECK(number("000000010000000A000000FF.gz") == 0);
  CHECK(number("000000010000000A000000FF.zst.age") == 0);
  CHECK(number("000000010000000A000000FF-0123456789abcdef0123456789abcdef01234567.lz4") == 0);
  CHECK(number("000000010000000A000000FF.partial") == 1);
  CHECK(number("00000002.history") == 2);
  CHECK(number("00000002.history.gz") == 2);
  CHECK(number("000000010000000A000000FF.00000028.backup") == 3);
  CHECK(number("000000010000000A000000FF.tmp") == -1);
  CHECK(number("000000000000000A000000FF") == -1);
  CHECK(number("000000010000000a000000ff") == -1);
  CHECK(number("archive_status") == -1);
  CHECK(parse_wal_name("000000010000000A000000FF")->number(16 << 20) == 0xAFF);
  CHECK(parse_wal_name("000000010000000A00000003")->number(1 << 30) == 0xA * 4 + 3);
  CHECK(wal_segment_name(1, 0xAFF, 16 << 20) == "000000010000000A000000FF");
}

TEST_CASE("gaps in WAL, over a log's end and over a switch of the timeline") {
  constexpr std::uint64_t kSegment = 16 << 20;
  const std::vector<std::string> whole = {
      "0000000100000000000000FE", "0000000100000000000000FF.gz",      "000000010000000100000000",
      "00000002.history",         "000000010000000100000001.partial", "000000020000000100000001"};
  const std::map<std::uint32_t, WalSwitch> switches = {{2, {1, 0x101ULL * kSegment + 40}}};
  auto lines = look_through_wal(whole, kSegment, switches);
  CHECK(lines[1].missing == 0);
  CHECK(lines[2].missing == 0);
  CHECK(wal_reaches_end(lines, switches, 1, 0xFE, kSegment));
  std::vector<std::string> gap = whole;
  gap.erase(gap.begin() + 1);
  lines = look_through_wal(gap, kSegment, switches);
  CHECK(lines[1].missing == 1);
  CHECK(lines[1].first_missing == "0000000100000000000000FF");
  CHECK(!wal_reaches_end(lines, switches, 1, 0xFE, kSegment));
  CHECK(wal_reaches_end(lines, switches, 1, 0x100, kSegment));
  // The first segments of the new timeline are missing.
  gap = whole;
  gap.back() = "000000020000000100000003";
  lines = look_through_wal(gap, kSegment, switches);
  CHECK(lines[2].missing == 2);
  CHECK(!wal_reaches_end(lines, switches, 1, 0xFE, kSegment));
  CHECK(parse_wal_history("1\t0/3000060\tno recovery target\n\n2\t1/10\tx\n")->parent == 2);
  CHECK(!parse_wal_history("# nothing\n"));
  // Histories that name each other lead nowhere, and to no endless loop.
  const std::map<std::uint32_t, WalSwitch> circle = {{2, {1, 0}}, {1, {2, 0}}};
  lines = look_through_wal(whole, kSegment, circle);
  CHECK(wal_reaches_end(lines, circle, 1, 0xFE, kSegment));
}

TEST_CASE("times in names and contents, and what was touched") {
  const auto text = [](std::string_view name) {
    const auto time = time_in_name(name);
    return !time ? "" : base::format_rfc3339(time->at) + (time->day_only ? " day" : "");
  };
  CHECK(text("db-2026-11-27_0300.dump") == "2026-11-27T03:00:00Z");
  CHECK(text("db_20261127T031500Z.sql.gz") == "2026-11-27T03:15:00Z");
  CHECK(text("20261127.tar.gz") == "2026-11-27T00:00:00Z day");
  CHECK(text("shop-2026-13-40.dump") == "");
  CHECK(text("shop-15.dump") == "");
  CHECK(text("img-120261127.raw") == "");
  const ContentTime content{base::wall_time(1'000'000'000), false};
  CHECK(!touched(content.at + 25h, content, 26h));
  CHECK(touched(content.at + 27h, content, 26h));
  CHECK(!touched(content.at + 27h, {content.at, true}, 26h));
  const Bench bench;
  const auto created = time_in_content(bench.data("shop.dump"));
  REQUIRE(created);
  CHECK(base::format_rfc3339(created->at).starts_with("20"));
  CHECK(!time_in_content("PGDMP"));
  CHECK(
      time_in_backup_label("START WAL LOCATION: 0/2\nSTART TIME: 2026-11-27 22:14:57 UTC\n")->at ==
      base::parse_rfc3339("2026-11-27T22:14:00Z").value());
}

TEST_CASE("a manifest: files, WAL, its own checksum") {
  Bench bench;
  const std::string body =
      "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"
      "{ \"Path\": \"PG_VERSION\", \"Size\": 3, \"Last-Modified\": \"x\", "
      "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"64440205\" }\n],\n\"WAL-Ranges\": [\n"
      "{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }\n],\n";
  const auto sha = make_digest("SHA256");
  sha->update(body);
  const std::string whole = fmt::format("{}\"Manifest-Checksum\": \"{}\"}}\n", body, sha->hex());
  const auto read = [&](std::string_view text, Manifest& manifest) {
    Pace pace(bench.clock, 0, {});
    auto file = PacedFile::open(*bench.files, bench.write("backup_manifest", text), pace);
    const Found bad = read_manifest(*file, {}, manifest);
    return bad ? bad->reason : "good";
  };
  Manifest manifest;
  CHECK(read(whole, manifest) == "good");
  CHECK(manifest.files == 1);
  CHECK(manifest.bytes == 3);
  REQUIRE(manifest.wal.size() == 1);
  CHECK(manifest.wal[0].start == 0x2000028);
  std::string changed = whole;
  changed.replace(changed.find("\"Size\": 3"), 9, "\"Size\": 4");
  CHECK(read(changed, manifest) == "damaged");
  CHECK(read(body, manifest) == "truncated");
  std::string outside = body;
  outside.replace(outside.find("PG_VERSION"), 10, "../../etc/");
  CHECK(read(outside, manifest) == "damaged");
  CHECK(!parse_lsn("16"));
  CHECK(!parse_lsn("1/1234567890"));
  CHECK(parse_lsn("16/B374D848") == 0x16B374D848ULL);
}

TEST_CASE("patterns, and files that are not finished") {
  Bench bench;
  BackupSet set;
  set.name = "db";
  set.paths = {bench.file("*/db-*.dump*")};
  set.settle = 60s;
  BackupFiles look(set, *bench.files);
  const base::WallTime now = bench.clock.wall();
  bench.write("mon/db-1.dump", "1");
  bench.write("mon/db-1.dump.sha256", "1");
  bench.write("tue/db-2.dump", "22");
  bench.write("tue/db-3.dump.tmp", "3");
  bench.write("tue/.db-4.dump", "4");
  BackupLook found = look.look(now);
  CHECK(found.items.empty());
  CHECK(found.unfinished == 3);
  found = look.look(now + 2min);
  REQUIRE(found.items.size() == 2);
  CHECK(found.items[0].path.ends_with("tue/db-2.dump"));
  CHECK(found.unfinished == 1);
  // It grows: not finished, however old its last change is said to be.
  bench.write("tue/db-2.dump", "22222");
  found = look.look(now + 30min);
  CHECK(found.items.size() == 1);
  CHECK(look.look(now + 31min).items.size() == 2);
  set.paths = {bench.file("none/*.dump")};
  CHECK(look.look(now).failed.size() == 1);
  set.paths = {bench.file("tue/db-2.dump")};
  CHECK(look.look(now + 31min).items.size() == 1);
  // A clock that was wrong, or a file of tomorrow: said, not counted.
  found = look.look(now - 24h);
  CHECK(found.items.empty());
  CHECK(found.failed.size() == 1);
}

TEST_CASE("an older file that was touched is as old as its name") {
  Bench bench;
  BackupSet set;
  set.name = "db";
  set.paths = {bench.file("db-*.sql")};
  BackupFiles look(set, *bench.files);
  bench.write("db-2020-01-02_0300.sql", "x");
  const BackupLook found = look.look(bench.clock.wall() + 2min);
  REQUIRE(found.items.size() == 1);
  CHECK(found.items[0].touched);
  CHECK(found.changed_last()->touched);
  CHECK(found.items[0].at == base::parse_rfc3339("2020-01-02T03:00:00Z").value());
}

TEST_CASE("results outlive a restart; a verdict ends the failures before it") {
  Bench bench;
  BackupStates states(*bench.files, bench.file("state"));
  VerifyState state = states.load_verify("db");
  CHECK(state.at_ms == 0);
  BackupVerdict good;
  good.level = VerifyLevel::Structure;
  record_verdict(state, good, base::wall_time(1'000));
  BackupVerdict bad = good;
  bad.found = finding("truncated", "cut");
  record_verdict(state, bad, base::wall_time(2'000));
  REQUIRE(states.save("db", state));
  state = states.load_verify("db");
  CHECK(state.levels[VerifyLevel::Structure].good_ms == 1'000);
  CHECK(!state.levels[VerifyLevel::Structure].ok);
  CHECK(state.levels[VerifyLevel::Structure].reason == "truncated");
  CHECK(state.levels[VerifyLevel::Size].good_ms == 2'000);
  record_verdict(state, good, base::wall_time(3'000));
  CHECK(state.levels[VerifyLevel::Structure].ok);
  CHECK(state.levels[VerifyLevel::Structure].reason.empty());
  DrillState drill;
  drill.at_ms = 5;
  drill.ok = true;
  drill.level = VerifyLevel::Pitr;
  drill.rows = {{"public.a", 7}};
  drill.ratios = {{"public.a", 0.5}};
  drill.good_ms = {{VerifyLevel::Restore, 5}};
  REQUIRE(states.save("db", drill));
  const DrillState loaded = states.load_drill("db");
  CHECK(loaded.level == VerifyLevel::Pitr);
  CHECK(loaded.rows == drill.rows);
  CHECK(loaded.ratios == drill.ratios);
  CHECK(loaded.good_ms == drill.good_ms);
  bench.write("state/db.verified.json", "{ damaged");
  CHECK(states.load_verify("db").at_ms == 0);
}

TEST_CASE("rows that are compared") {
  DrillSettings drill;
  drill.tables_max = 3;
  using Rows = std::map<std::string, std::uint64_t>;
  const auto ratio = [&](const Rows& restored, const Rows& live, const Rows& last) {
    return rows_ratios(drill, restored, live, last);
  };
  // The live table has grown since; the last drill says that nothing is missing.
  CHECK(ratio({{"a", 1'000}}, {{"a", 1'200}}, {{"a", 990}})["a"] > 1.0);
  CHECK(ratio({{"a", 500}}, {{"a", 1'000}}, {{"a", 1'000}})["a"] == 0.5);
  CHECK(ratio({{"a", 500}}, {}, {{"a", 1'000}})["a"] == 0.5);
  CHECK(ratio({{"a", 5}}, {{"a", 10}}, {}).empty());
  CHECK(ratio({}, {}, {{"gone", 1'000}})["gone"] == 0.0);
  CHECK(ratio({}, {{"b", 1'000}}, {{"dropped", 1'000}}).contains("dropped") == false);
}

TEST_CASE("versions") {
  CHECK(major_version("15.18 (Debian 15.18-0+deb12u1)") == 15);
  CHECK(major_version("9.6.24") == 906);
  CHECK(!major_version("devel"));
  CHECK(!major_version(""));
}

}  // namespace tocsin::agent
