#include "agent/backup/content_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/backup/backup_time.h"
#include "agent/backup/pg_archive.h"
#include "agent/backup/plain_dump.h"
#include "agent/backup/tar_walk.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kTocBytesMax = 32 << 20;
constexpr std::uint64_t kEndLines = 3;

Finding empty(std::string_view how) {
  return finding("empty", fmt::format("nothing is in it: {}", how));
}

std::string describe(const PgArchiveHeader& header, const DumpFacts& facts) {
  return fmt::format(
      "pg_dump archive 1.{} of PostgreSQL {} with {} tables and {} rows", header.version,
      facts.server_version.empty() ? "(unknown)" : facts.server_version, facts.tables, facts.rows);
}

/// An archive whose bytes are in memory: toc.dat.
Found read_toc(std::string_view bytes, const DumpRules& rules, PgArchiveHeader& header,
               std::vector<PgArchiveEntry>& entries, DumpFacts& facts) {
  bool given = false;
  ArchiveInput input([&]() -> base::Result<std::string_view> {
    if (given) return std::string_view();
    given = true;
    return bytes;
  });
  if (Found bad = read_pg_archive_header(input, header)) return bad;
  if (Found bad = read_pg_archive_toc(input, header, entries)) return bad;
  add_contents(header, entries, rules, facts);
  return {};
}

/// The files in a tar archive; one of pg_dump has toc.dat first.
class TarLook final : public TarVisitor {
 public:
  void begin(std::string_view name, std::uint64_t size) override {
    is_toc_ = name == "toc.dat" && size <= kTocBytesMax;
    const bool large = name.starts_with("blob_");
    has_large_data_ = has_large_data_ || large;
    is_data_ = !is_toc_ && !large && name.ends_with(".dat");
    lines_ = 0;
  }
  void content(std::string_view bytes) override {
    if (is_toc_) toc_.append(bytes);
    if (!is_data_) return;
    lines_ += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  }
  Found end() override {
    if (is_data_ && lines_ > kEndLines) rows_ += lines_ - kEndLines;
    return {};
  }
  const std::string& toc() const { return toc_; }
  std::uint64_t rows() const { return rows_; }
  bool has_large_data() const { return has_large_data_; }

 private:
  bool is_toc_ = false;
  bool is_data_ = false;
  bool has_large_data_ = false;
  std::uint64_t lines_ = 0;
  std::uint64_t rows_ = 0;
  std::string toc_;
};

/// Decides by the first 512 decoded bytes what a stream is, and follows it.
class StreamLook {
 public:
  explicit StreamLook(const DumpRules& rules) : plain_(rules), rules_(rules) {}

  Found feed(std::string_view bytes) {
    decoded_ += bytes.size();
    if (kind_ != Kind::Unknown) return follow(bytes);
    begin_.append(bytes);
    if (begin_.size() < TarWalk::kBlock) return {};
    return decide();
  }

  Found finish(BackupVerdict& verdict, bool must_be_dump) {
    if (kind_ == Kind::Unknown) {
      if (Found bad = decide()) return bad;
    }
    verdict.decoded_bytes += decoded_;
    if (decoded_ == 0) return empty("no byte comes out of it");
    if (kind_ == Kind::Plain) {
      if (Found bad = plain_.finish()) return bad;
      verdict.facts = plain_.facts();
      verdict.what =
          fmt::format("plain dump of PostgreSQL {} with {} tables and {} rows",
                      verdict.facts.server_version, verdict.facts.tables, verdict.facts.rows);
      return judge_dump(verdict.facts, rules_);
    }
    if (kind_ == Kind::Tar) {
      if (Found bad = tar_.finish()) return bad;
      if (!look_.toc().empty()) return finish_dump(verdict);
      verdict.what = fmt::format("tar archive with {} entries", tar_.entries());
    }
    if (kind_ == Kind::Nested) {
      verdict.what = "pg_dump archive inside a compressed file";
      verdict.note = "it was decompressed; the blocks of the archive within were not looked at";
      return {};
    }
    if (must_be_dump) {
      return finding("not_a_dump", "what is in it is no dump of PostgreSQL");
    }
    if (verdict.what.empty()) verdict.what = fmt::format("{} bytes of data", decoded_);
    return {};
  }

 private:
  enum class Kind { Unknown, Plain, Tar, Nested, Other };

  Found decide() {
    kind_ = Kind::Other;
    const std::string_view head = std::string_view(begin_).substr(0, TarWalk::kBlock);
    if (PlainDump::looks_like(head)) kind_ = Kind::Plain;
    if (TarWalk::looks_like(head)) kind_ = Kind::Tar;
    if (is_pg_archive(head)) kind_ = Kind::Nested;
    return follow(std::exchange(begin_, {}));
  }

  Found follow(std::string_view bytes) {
    if (kind_ == Kind::Plain) plain_.feed(bytes);
    if (kind_ == Kind::Tar) return tar_.feed(bytes);
    return {};
  }

  Found finish_dump(BackupVerdict& verdict) {
    PgArchiveHeader header;
    std::vector<PgArchiveEntry> entries;
    if (Found bad = read_toc(look_.toc(), rules_, header, entries, verdict.facts)) return bad;
    verdict.facts.rows = look_.rows();
    verdict.facts.has_large_data = look_.has_large_data();
    verdict.what = describe(header, verdict.facts);
    return judge_dump(verdict.facts, rules_);
  }

  Kind kind_ = Kind::Unknown;
  std::string begin_;
  std::uint64_t decoded_ = 0;
  TarLook look_;
  TarWalk tar_{&look_};
  PlainDump plain_;
  const DumpRules& rules_;
};

Found check_archive(PacedFile& file, std::string_view begin, CheckContext& context,
                    Digest* digest) {
  const DumpRules& rules = context.request.dump;
  bool given = false;
  ArchiveInput input([&]() -> base::Result<std::string_view> {
    if (!given) {
      given = true;
      return begin;
    }
    auto chunk = file.next();
    if (chunk && digest != nullptr) digest->update(*chunk);
    return chunk;
  });
  BackupVerdict& verdict = context.verdict;
  verdict.level = VerifyLevel::Structure;
  PgArchiveHeader header;
  std::vector<PgArchiveEntry> entries;
  if (Found bad = read_pg_archive_header(input, header)) return bad;
  if (Found bad = read_pg_archive_toc(input, header, entries)) return bad;
  add_contents(header, entries, rules, verdict.facts);
  if (Found bad = read_pg_archive_blocks(input, header, entries, verdict.facts)) return bad;
  verdict.what = describe(header, verdict.facts);
  return judge_dump(verdict.facts, rules);
}

/// What cannot be looked into is read all the same: a bad disk shows, and the checksum needs it.
Found read_rest(PacedFile& file, Digest* digest) {
  for (;;) {
    const auto chunk = file.next();
    if (!chunk) return unreadable(chunk.error());
    if (chunk->empty()) return {};
    if (digest != nullptr) digest->update(*chunk);
  }
}

Found decode(PacedFile& file, std::string_view begin, const TakeBytes& take, Digest* digest) {
  FindingDecoder decoder(compression::format_of(begin));
  if (Found bad = decoder.feed(begin, take)) return bad;
  for (;;) {
    const auto chunk = file.next();
    if (!chunk) return unreadable(chunk.error());
    if (chunk->empty()) return decoder.finish(take);
    if (digest != nullptr) digest->update(*chunk);
    if (Found bad = decoder.feed(*chunk, take)) return bad;
  }
}

/// The file of an entry: its name as it is, or with the ending of a compressor.
std::string data_file(const base::FileSystem& files, const std::string& folder,
                      const std::string& name) {
  for (const char* ending : {"", ".gz", ".lz4", ".zst"}) {
    std::string path = base::join_path(folder, name + ending);
    if (files.exists(path)) return path;
  }
  return {};
}

}  // namespace

Found read_decoded(const std::string& path, CheckContext& context, const TakeBytes& take) {
  auto file = PacedFile::open(context.files, path, context.pace);
  if (!file) return unreadable(file.error());
  const auto first = file->next();
  if (!first) return unreadable(first.error());
  if (first->empty()) return empty("the file has no bytes");
  if (compression::format_of(*first) == compression::Format::Bzip2) {
    return finding("unknown_format", fmt::format("'{}' is of bzip2, which is not read here", path));
  }
  return decode(*file, *first, take, nullptr);
}

Found check_file_structure(const std::string& path, CheckContext& context, Digest* digest) {
  auto file = PacedFile::open(context.files, path, context.pace);
  if (!file) return unreadable(file.error());
  const auto first = file->next();
  if (!first) return unreadable(first.error());
  if (first->empty()) return empty("the file has no bytes");
  if (digest != nullptr) digest->update(*first);
  BackupVerdict& verdict = context.verdict;
  const std::string_view encryption = encryption_of(*first);
  const bool bzip2 = compression::format_of(*first) == compression::Format::Bzip2;
  if (!encryption.empty() || bzip2) {
    verdict.what = fmt::format("{} bytes of {}", file->size(), bzip2 ? "bzip2" : encryption);
    verdict.note = bzip2 ? "bzip2 is not read here: its structure was not looked at"
                         : "it is encrypted: its structure cannot be seen, only a restore shows it";
    return read_rest(*file, digest);
  }
  if (is_pg_archive(*first)) return check_archive(*file, *first, context, digest);
  StreamLook look(context.request.dump);
  const TakeBytes take = [&look](std::string_view bytes) { return look.feed(bytes); };
  verdict.level = VerifyLevel::Structure;
  if (Found bad = decode(*file, *first, take, digest)) return bad;
  return look.finish(verdict, context.request.must_be_dump);
}

Found check_dump_folder(const std::string& folder, CheckContext& context) {
  BackupVerdict& verdict = context.verdict;
  verdict.level = VerifyLevel::Structure;
  const auto toc = context.files.read(base::join_path(folder, "toc.dat"), kTocBytesMax);
  if (!toc) return unreadable(toc.error());
  PgArchiveHeader header;
  std::vector<PgArchiveEntry> entries;
  DumpFacts& facts = verdict.facts;
  if (Found bad = read_toc(*toc, context.request.dump, header, entries, facts)) return bad;
  const auto read_file = [&](const std::string& name, bool rows) -> Found {
    const std::string path = data_file(context.files, folder, name);
    if (path.empty()) {
      return finding("truncated", fmt::format("'{}' of the dump is missing", name));
    }
    std::uint64_t lines = 0;
    Found bad = read_decoded(path, context, [&](std::string_view text) -> Found {
      lines += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
      verdict.decoded_bytes += text.size();
      return {};
    });
    if (bad && bad->reason != kCancelled) bad->text = fmt::format("'{}': {}", name, bad->text);
    if (rows && lines > kEndLines) facts.rows += lines - kEndLines;
    return bad;
  };
  for (const PgArchiveEntry& entry : entries) {
    if (!entry.has_data || entry.file.find('/') != std::string::npos) continue;
    const bool blobs = entry.kind == "BLOBS";
    facts.has_large_data = facts.has_large_data || blobs;
    if (Found bad = read_file(entry.file, !blobs)) return bad;
  }
  if (facts.has_large_data) {
    const auto names = context.files.list(folder);
    if (!names) return unreadable(names.error());
    for (const std::string& name : *names) {
      if (!name.starts_with("blob_") || name.ends_with(".toc")) continue;
      if (Found bad = read_file(name, false)) return bad;
    }
  }
  verdict.what = describe(header, facts);
  return judge_dump(facts, context.request.dump);
}

}  // namespace tocsin::agent
