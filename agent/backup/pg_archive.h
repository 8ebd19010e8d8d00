// pg_dump's custom and directory formats, read without pg_restore: header, table of contents, and
// every block of data decompressed.
//
// A dump that was cut has entries whose data never comes; a flipped bit breaks zlib's checksum.
// Both are found by reading on, with no program of PostgreSQL on the host of the backups. Source:
// PostgreSQL, src/bin/pg_dump: pg_backup_archiver.c (ReadHead, ReadToc), pg_backup_custom.c.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backup/dump_facts.h"
#include "agent/backup/finding_decoder.h"
#include "agent/backup/paced_file.h"

namespace tocsin::agent {

/// Returns whether a file begins as an archive of pg_dump.
bool is_pg_archive(std::string_view begin);

/// The head of an archive: format versions 1.10 (PostgreSQL 8.4) to 1.16 (18).
struct PgArchiveHeader {
  enum class Format { Custom = 1, Tar = 3, Directory = 5 };
  int version = 0;  ///< 14 for 1.14.
  unsigned integer_bytes = 4;
  unsigned offset_bytes = 8;
  Format format = Format::Custom;
  compression::Format compression = compression::Format::None;
  std::int64_t created_seconds = 0;  ///< As if the dump's local time were UTC; 0: unknown.
  std::string server_version{};
  std::string dump_version{};
};

struct PgArchiveEntry {
  std::int64_t id = 0;
  std::string kind{};  ///< "TABLE", "TABLE DATA", "BLOBS" ...
  std::string schema{};
  std::string name{};
  std::string file{};  ///< Of the directory format.
  bool has_data = false;
};

/// The bytes of an archive in order. Thread: one.
class ArchiveInput {
 public:
  using Next = std::function<base::Result<std::string_view>()>;
  explicit ArchiveInput(Next next) : next_(std::move(next)) {}

  /// Appends exactly `length` bytes to `out`. Findings: "truncated", and those of reading.
  Found read(std::uint64_t length, std::string& out);
  /// Hands the next `length` bytes to `take`, in parts.
  Found each(std::uint64_t length, const TakeBytes& take);
  Found byte(unsigned& out);
  /// Returns whether nothing follows.
  bool at_end(Found& bad);

 private:
  Found fill();

  Next next_;
  std::string_view rest_;
  bool ended_ = false;
};

/// Findings: "truncated", "damaged", "not_a_dump", "unknown_format".
Found read_pg_archive_header(ArchiveInput& input, PgArchiveHeader& header);
/// Reads the table of contents that follows the header; of its entries those are kept that are
/// tables or have data.
Found read_pg_archive_toc(ArchiveInput& input, const PgArchiveHeader& header,
                          std::vector<PgArchiveEntry>& entries);
/// Reads the blocks of a custom dump that follow: each entry that has data has a block, and each
/// block decompresses. Counts rows.
Found read_pg_archive_blocks(ArchiveInput& input, const PgArchiveHeader& header,
                             const std::vector<PgArchiveEntry>& entries, DumpFacts& facts);

/// Puts what the contents say into `facts`.
void add_contents(const PgArchiveHeader& header, const std::vector<PgArchiveEntry>& entries,
                  const DumpRules& rules, DumpFacts& facts);

}  // namespace tocsin::agent
