// The archive of WAL: which segments are there, by their names, and which are missing.
//
// Names are those of PostgreSQL, with or without an ending of a compressor or of a tool: 24
// hexadecimal digits are timeline, log and segment; `.partial`, `.history` and `.backup` are
// something else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

struct WalName {
  enum class Kind { Segment, Partial, History, BackupLabel };
  Kind kind = Kind::Segment;
  std::uint32_t timeline = 0;
  std::uint32_t log = 0;
  std::uint32_t segment = 0;

  /// Counts segments from the beginning of time; `segment_bytes` is a power of two, 1 MiB to 1 GiB.
  std::uint64_t number(std::uint64_t segment_bytes) const;
};

/// nullopt: a name that is none of WAL's, such as of a file that is being copied.
std::optional<WalName> parse_wal_name(std::string_view name);

/// Returns the 24 digits of a segment.
std::string wal_segment_name(std::uint32_t timeline, std::uint64_t number,
                             std::uint64_t segment_bytes);

/// One timeline of an archive.
struct WalTimeline {
  std::uint64_t first = 0;  ///< Numbers of segments.
  std::uint64_t last = 0;
  std::uint64_t segments = 0;
  std::uint64_t missing = 0;  ///< Between first and last, and to where it left its parent.
  std::string first_missing{};

  /// Begins of runs without a gap, with their ends; bounded.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs{};
};

/// Where a timeline left another: the last line of its history file.
struct WalSwitch {
  std::uint32_t parent = 0;
  std::uint64_t position = 0;
};

/// Parses a history file's content; nullopt if it has no line of one.
std::optional<WalSwitch> parse_wal_history(std::string_view text);

/// Looks through names (not paths). `switches`: of timelines whose history file was read.
std::map<std::uint32_t, WalTimeline> look_through_wal(
    std::span<const std::string> names, std::uint64_t segment_bytes,
    const std::map<std::uint32_t, WalSwitch>& switches = {});

/// Returns whether all segments from `from` on `timeline` to the newest are there, over the
/// switches to later timelines.
bool wal_reaches_end(const std::map<std::uint32_t, WalTimeline>& timelines,
                     const std::map<std::uint32_t, WalSwitch>& switches, std::uint32_t timeline,
                     std::uint64_t from, std::uint64_t segment_bytes);

}  // namespace tocsin::agent
