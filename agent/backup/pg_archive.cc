#include "agent/backup/pg_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace tocsin::agent {
namespace {

constexpr int kOldest = 10;
constexpr int kNewest = 16;
constexpr std::int64_t kEntriesMax = 1'000'000;
constexpr std::int64_t kNameBytesMax = 8 << 10;
constexpr std::int64_t kTextBytesMax = 1 << 30;
constexpr unsigned kDataBlock = 1;
constexpr unsigned kBlobsBlock = 3;
constexpr unsigned kOffsetNoData = 3;
// "\." and two empty lines end the rows of a table.
constexpr std::uint64_t kEndLines = 3;

Finding damaged(std::string_view what) {
  return finding("damaged", fmt::format("the archive is damaged: {}", what));
}

/// The archive's own integers and strings.
class Reader {
 public:
  Reader(ArchiveInput& input, const PgArchiveHeader& header) : input_(input), header_(header) {}

  /// A sign byte, then the value, lowest byte first.
  Found integer(std::int64_t& out) {
    unsigned negative = 0;
    if (Found bad = input_.byte(negative)) return bad;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < header_.integer_bytes; ++i) {
      unsigned byte = 0;
      if (Found bad = input_.byte(byte)) return bad;
      if (i < 8) value |= std::uint64_t{byte} << (8 * i);
    }
    if (value > std::uint64_t{1} << 62U) return damaged("an integer is out of range");
    out = static_cast<std::int64_t>(value) * (negative != 0 ? -1 : 1);
    return {};
  }

  /// Keeps the beginning of a text; `null` says that there was none.
  Found text(std::string& out, bool* null = nullptr) {
    std::int64_t length = 0;
    if (Found bad = integer(length)) return bad;
    if (null != nullptr) *null = length < 0;
    out.clear();
    if (length > kTextBytesMax) return damaged("a text is longer than 1 GiB");
    if (length <= 0) return {};
    return input_.each(static_cast<std::uint64_t>(length), [&out](std::string_view part) -> Found {
      const std::size_t room = static_cast<std::size_t>(kNameBytesMax) - out.size();
      out.append(part.substr(0, room));
      return {};
    });
  }

  Found skip_text() { return text(ignored_); }

 private:
  ArchiveInput& input_;
  const PgArchiveHeader& header_;
  std::string ignored_;
};

Found read_compression(ArchiveInput& input, Reader& reader, PgArchiveHeader& header) {
  if (header.version >= 15) {
    unsigned algorithm = 0;
    if (Found bad = input.byte(algorithm)) return bad;
    constexpr compression::Format kAlgorithms[] = {
        compression::Format::None, compression::Format::Zlib, compression::Format::Lz4,
        compression::Format::Zstd};
    if (algorithm > 3) {
      return finding("unknown_format", fmt::format("compression {} is not known", algorithm));
    }
    header.compression = kAlgorithms[algorithm];
    return {};
  }
  std::int64_t level = 0;
  if (Found bad = reader.integer(level)) return bad;
  header.compression = level == 0 ? compression::Format::None : compression::Format::Zlib;
  return {};
}

/// struct tm of the dump's time: seconds first, year since 1900.
Found read_created(Reader& reader, PgArchiveHeader& header) {
  std::int64_t parts[7] = {};
  for (std::int64_t& part : parts) {
    if (Found bad = reader.integer(part)) return bad;
  }
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(parts[5] + 1900)),
                                        std::chrono::month(static_cast<unsigned>(parts[4] + 1)),
                                        std::chrono::day(static_cast<unsigned>(parts[3]))};
  if (!day.ok()) return damaged("the time of the dump is no time");
  const auto days = std::chrono::sys_days(day).time_since_epoch();
  header.created_seconds = std::chrono::duration_cast<std::chrono::seconds>(days).count() +
                           parts[2] * 3600 + parts[1] * 60 + parts[0];
  return {};
}

/// What differs with the format: a position in the file, or the name of a file.
Found read_extra(ArchiveInput& input, Reader& reader, const PgArchiveHeader& header,
                 PgArchiveEntry& entry, bool had_dumper) {
  if (header.format != PgArchiveHeader::Format::Custom) {
    if (Found bad = reader.text(entry.file)) return bad;
    entry.has_data = !entry.file.empty();
    return {};
  }
  unsigned state = 0;
  if (Found bad = input.byte(state)) return bad;
  std::string ignored;
  if (Found bad = input.read(header.offset_bytes, ignored)) return bad;
  entry.has_data = had_dumper && state != kOffsetNoData;
  return {};
}

Found read_dependencies(Reader& reader) {
  for (;;) {
    std::string number;
    bool null = false;
    if (Found bad = reader.text(number, &null)) return bad;
    if (null) return {};
  }
}

Found read_entry(ArchiveInput& input, Reader& reader, const PgArchiveHeader& header,
                 PgArchiveEntry& entry) {
  std::int64_t had_dumper = 0;
  std::int64_t ignored = 0;
  if (Found bad = reader.integer(entry.id)) return bad;
  if (entry.id <= 0) return damaged("an entry's number is not positive");
  if (Found bad = reader.integer(had_dumper)) return bad;
  if (Found bad = reader.skip_text()) return bad;  // table's catalog oid
  if (Found bad = reader.skip_text()) return bad;  // oid
  if (Found bad = reader.text(entry.name)) return bad;
  if (Found bad = reader.text(entry.kind)) return bad;
  if (header.version >= 11) {
    if (Found bad = reader.integer(ignored)) return bad;  // section
  }
  if (Found bad = reader.skip_text()) return bad;  // CREATE
  if (Found bad = reader.skip_text()) return bad;  // DROP
  if (Found bad = reader.skip_text()) return bad;  // COPY
  if (Found bad = reader.text(entry.schema)) return bad;
  if (Found bad = reader.skip_text()) return bad;  // tablespace
  if (header.version >= 14) {
    if (Found bad = reader.skip_text()) return bad;  // table access method
  }
  if (header.version >= 16) {
    if (Found bad = reader.integer(ignored)) return bad;  // kind of relation
  }
  if (Found bad = reader.skip_text()) return bad;  // owner
  if (Found bad = reader.skip_text()) return bad;  // with oids
  if (Found bad = read_dependencies(reader)) return bad;
  return read_extra(input, reader, header, entry, had_dumper != 0);
}

/// One run of chunks up to an empty one; decompressed.
Found read_stream(ArchiveInput& input, Reader& reader, compression::Format format,
                  const TakeBytes& take) {
  FindingDecoder decoder(format);
  bool any = false;
  for (;;) {
    std::int64_t length = 0;
    if (Found bad = reader.integer(length)) return bad;
    if (length < 0) return damaged("the length of a chunk is negative");
    if (length == 0) break;
    any = true;
    const Found bad = input.each(static_cast<std::uint64_t>(length),
                                 [&](std::string_view part) { return decoder.feed(part, take); });
    if (bad) return bad;
  }
  if (!any) return {};
  return decoder.finish(take);
}

Found in_entry(Found bad, const PgArchiveEntry& entry) {
  if (bad && bad->reason != kCancelled) {
    bad->text = fmt::format("{} {}.{}: {}", entry.kind, entry.schema, entry.name, bad->text);
  }
  return bad;
}

}  // namespace

bool is_pg_archive(std::string_view begin) {
  return begin.starts_with("PGDMP");
}

Found ArchiveInput::fill() {
  if (!rest_.empty() || ended_) return {};
  auto more = next_();
  if (!more) return unreadable(more.error());
  rest_ = *more;
  ended_ = rest_.empty();
  return {};
}

Found ArchiveInput::each(std::uint64_t length, const TakeBytes& take) {
  while (length > 0) {
    if (Found bad = fill()) return bad;
    if (ended_) return finding("truncated", "the archive ends in the middle");
    const std::string_view part =
        rest_.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(length, rest_.size())));
    if (Found bad = take(part)) return bad;
    rest_.remove_prefix(part.size());
    length -= part.size();
  }
  return {};
}

Found ArchiveInput::read(std::uint64_t length, std::string& out) {
  return each(length, [&out](std::string_view part) -> Found {
    out.append(part);
    return {};
  });
}

Found ArchiveInput::byte(unsigned& out) {
  if (Found bad = fill()) return bad;
  if (ended_) return finding("truncated", "the archive ends in the middle");
  out = static_cast<unsigned char>(rest_.front());
  rest_.remove_prefix(1);
  return {};
}

bool ArchiveInput::at_end(Found& bad) {
  bad = fill();
  return !bad && ended_;
}

Found read_pg_archive_header(ArchiveInput& input, PgArchiveHeader& header) {
  std::string magic;
  if (Found bad = input.read(5, magic)) return bad;
  if (!is_pg_archive(magic))
    return finding("not_a_dump", "it does not begin as pg_dump's archives");
  unsigned bytes[6] = {};  // major, minor, revision, bytes of integers, of offsets, format
  for (unsigned& byte : bytes) {
    if (Found bad = input.byte(byte)) return bad;
  }
  header.version = static_cast<int>(bytes[1]);
  if (bytes[0] != 1 || header.version < kOldest || header.version > kNewest) {
    return finding("unknown_format",
                   fmt::format("archive version {}.{} is not known; 1.{} to 1.{} are", bytes[0],
                               bytes[1], kOldest, kNewest));
  }
  header.integer_bytes = bytes[3];
  header.offset_bytes = bytes[4];
  if (header.integer_bytes < 2 || header.integer_bytes > 8 || header.offset_bytes > 16) {
    return damaged("its integers have an unknown length");
  }
  if (bytes[5] != 1 && bytes[5] != 3 && bytes[5] != 5) return damaged("its format is not known");
  header.format = static_cast<PgArchiveHeader::Format>(bytes[5]);
  Reader reader(input, header);
  if (Found bad = read_compression(input, reader, header)) return bad;
  if (Found bad = read_created(reader, header)) return bad;
  if (Found bad = reader.skip_text()) return bad;  // the database's name
  if (Found bad = reader.text(header.server_version)) return bad;
  return reader.text(header.dump_version);
}

Found read_pg_archive_toc(ArchiveInput& input, const PgArchiveHeader& header,
                          std::vector<PgArchiveEntry>& entries) {
  Reader reader(input, header);
  std::int64_t count = 0;
  if (Found bad = reader.integer(count)) return bad;
  if (count < 0 || count > kEntriesMax) return damaged("the number of its entries is absurd");
  for (std::int64_t i = 0; i < count; ++i) {
    PgArchiveEntry entry;
    if (Found bad = read_entry(input, reader, header, entry)) return bad;
    // Functions, constraints and the like are many, and nothing is asked of them.
    if (entry.has_data || entry.kind == "TABLE") entries.push_back(std::move(entry));
  }
  return {};
}

Found read_pg_archive_blocks(ArchiveInput& input, const PgArchiveHeader& header,
                             const std::vector<PgArchiveEntry>& entries, DumpFacts& facts) {
  Reader reader(input, header);
  std::map<std::int64_t, const PgArchiveEntry*> by_id;
  for (const PgArchiveEntry& entry : entries) {
    if (entry.has_data) by_id[entry.id] = &entry;
  }
  const std::size_t expected = by_id.size();
  Found bad;
  while (!input.at_end(bad) && !bad) {
    unsigned kind = 0;
    std::int64_t id = 0;
    if ((bad = input.byte(kind))) return bad;
    if ((bad = reader.integer(id))) return bad;
    const auto found = by_id.find(id);
    if (found == by_id.end()) return damaged("a block belongs to no entry");
    const PgArchiveEntry* entry = found->second;
    std::uint64_t lines = 0;
    const TakeBytes count = [&lines](std::string_view text) -> Found {
      lines += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
      return {};
    };
    if (kind == kDataBlock) {
      if ((bad = read_stream(input, reader, header.compression, count))) {
        return in_entry(bad, *entry);
      }
      if (lines > kEndLines) facts.rows += lines - kEndLines;
    } else if (kind == kBlobsBlock) {
      for (;;) {
        std::int64_t oid = 0;
        if ((bad = reader.integer(oid))) return in_entry(bad, *entry);
        if (oid == 0) break;
        facts.has_large_data = true;
        if ((bad = read_stream(input, reader, header.compression, count))) {
          return in_entry(bad, *entry);
        }
      }
    } else {
      return damaged(fmt::format("a block is of kind {}", kind));
    }
    by_id.erase(found);
  }
  if (bad) return bad;
  if (by_id.empty()) return {};
  return finding("truncated",
                 fmt::format("the data of {} of {} entries is missing", by_id.size(), expected));
}

void add_contents(const PgArchiveHeader& header, const std::vector<PgArchiveEntry>& entries,
                  const DumpRules& rules, DumpFacts& facts) {
  facts.server_version = header.server_version;
  facts.dump_version = header.dump_version;
  for (const PgArchiveEntry& entry : entries) {
    if (entry.kind != "TABLE") continue;
    ++facts.tables;
    const std::string name = fmt::format("{}.{}", entry.schema, entry.name);
    if (rules.expects(name)) facts.expected_seen.insert(name);
  }
}

}  // namespace tocsin::agent
