// Following logs: every line once, whatever is done to the files meanwhile.
//
// A file is known by its identity, not its name, and by a hash of its first bytes, since identities
// are used again. Renamed away: it is read to its end, and for a while longer, because the writer
// keeps it open; then the new file from its begin. Cut (copytruncate): the copy that was made is
// found by its first bytes and read on from the same position. Rotated while the agent was down:
// the older part is looked for by identity. What cannot be found is a gap, and counted.
//
// Positions move past whole lines only, so a position is all there is to keep over a restart.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/logs/log_file.h"
#include "common/base/clock.h"

namespace tocsin::agent {

struct TailOptions {
  std::vector<std::string> patterns;  ///< Absolute paths; see expand_pattern().
  bool from_start = false;  ///< What is there at first sight: read it, or only what comes.
  std::size_t files_max = 32;
  std::uint64_t bytes_per_round = 8U << 20U;
  std::size_t line_bytes_max = 64U << 10U;  ///< Longer lines are counted and passed over.
};

/// How far a file was read.
struct TailPosition {
  enum class Role { Current, Older, Finished };  ///< Older: renamed away, read on for a while.

  FileIdentity identity;
  std::uint64_t offset = 0;
  bool skipping = false;  ///< Inside of a line that is passed over.
  std::uint32_t head_bytes = 0;
  std::uint64_t head_hash = 0;  ///< Of the first head_bytes.
  std::string path;             ///< What it was called.
  Role role = Role::Current;
};

/// Counters since the object was made, and what is true now.
struct TailStats {
  double lines = 0;
  double bytes = 0;
  double lines_too_long = 0;
  double rotations = 0;
  double truncations = 0;  ///< A file got shorter and no copy of it was made.
  double gaps = 0;         ///< Rotations whose older part was not found: lines may be missing.
  std::uint64_t lag_bytes = 0;
  struct File {
    std::uint64_t size = 0;
    std::optional<base::WallTime> rotated;  ///< When it began to be, or its older part ended.
    std::uint64_t archives = 0;             ///< Older parts that are kept, at most 500.
    std::uint64_t archive_bytes = 0;        ///< Their size, compressed as they are.
  };
  std::map<std::string, File> files;
  std::optional<base::WallTime> last_line;
};

/// Owner: the logs' thread.
class Tail {
 public:
  using LineSink = std::function<void(std::string_view line)>;

  Tail(TailOptions options, const base::FileSystem& files, const base::Clock& clock);

  /// Goes on where an earlier run was at `saved_at`. Before the first read().
  void restore(std::vector<TailPosition> saved, base::WallTime saved_at);

  /// Reads what came, at most the bytes of a round and not beyond `deadline`. Lines come without
  /// their end and without leading NULs.
  void read(const LineSink& line, base::MonotonicTime deadline);

  std::vector<TailPosition> positions() const;
  const TailStats& stats() const { return stats_; }
  /// What failed in the latest read(), by path or pattern.
  const std::map<std::string, base::Error>& errors() const { return errors_; }

 private:
  struct Part {
    LogFile file;
    TailPosition position;
    std::uint64_t size = 0;
    base::MonotonicTime grew{};
  };
  struct Followed {
    std::optional<Part> current;
    std::vector<Part> older;
  };

  std::vector<std::string> find_paths();
  void look_at(const std::string& path);
  void begin(const std::string& path, LogFile file, Followed& followed);
  TailPosition start_of(const std::string& path, const LogFile& file, Followed& followed);
  bool resume_all_older(const std::string& path, Followed& followed);
  bool resume_older(const std::string& path, const TailPosition& saved, Followed& followed);
  void check_rewritten(const std::string& path, Followed& followed);
  void rewritten(const std::string& path, const TailPosition& before, Followed& followed);
  bool continue_in_copy(const std::string& path, const TailPosition& before, Followed& followed);
  void retire(Followed& followed);
  bool followed_already(const FileIdentity& identity) const;
  std::optional<TailPosition> take_saved(const FileIdentity& identity);
  void remember_finished(TailPosition position);

  void drain(Part& part, const LineSink& line);
  std::size_t split(TailPosition& position, std::string_view data, const LineSink& line);
  void emit(std::string_view text, const LineSink& line);
  void finish_older(Followed& followed, const LineSink& line);
  void finish(Part& part, const LineSink& line);
  void update_head(Part& part);
  bool head_matches(const LogFile& file, const TailPosition& position);
  void measure();

  TailOptions options_;
  const base::FileSystem& files_;
  const base::Clock& clock_;
  std::map<std::string, Followed> followed_;
  /// Files that are not open: of the run before, or older parts that were read to their end.
  std::vector<TailPosition> saved_;
  bool known_ = false;  ///< There was a run before.
  bool first_ = true;
  base::WallTime looked_at_{};  ///< When the files were looked at before this round.
  base::MonotonicTime rotations_looked_{};
  std::int64_t budget_ = 0;
  base::MonotonicTime deadline_{};
  std::vector<char> buffer_;
  TailStats stats_;
  std::map<std::string, base::Error> errors_;
};

}  // namespace tocsin::agent
