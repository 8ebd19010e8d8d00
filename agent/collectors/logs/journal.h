// Entries of the systemd journal, from where the last reading ended.
//
// The journal is opened for each reading and closed after it: libsystemd keeps its files mapped,
// and what is mapped counts as our memory; and a journal opened anew knows of files that were
// added.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/logs/log_line.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace tocsin::agent {

struct JournalOptions {
  std::string directory;                 ///< "": this machine's journal.
  std::vector<std::string> units;        ///< Entries of any of these, or
  std::vector<std::string> identifiers;  ///< of programs that call themselves so, or
  bool auth = false;                     ///< of root's processes at the facilities auth, authpriv.
  bool from_start = false;
  std::uint64_t bytes_per_round = 8U << 20U;
};

/// Owner: the logs' thread.
class JournalReader {
 public:
  using LineSink = std::function<void(const LogLine& line)>;

  JournalReader(JournalOptions options, const base::Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  /// Goes on behind the entry of an earlier run. Before the first read().
  void restore(std::string cursor) { cursor_ = std::move(cursor); }

  /// Errors: PermissionDenied (names the group), NotFound (there is no journal), Io.
  base::Result<void> read(const LineSink& line, base::MonotonicTime deadline);

  /// "" until the first entry was seen.
  const std::string& cursor() const { return cursor_; }
  double entries() const { return entries_; }
  /// Whether the latest read() ended before the newest entry.
  bool behind() const { return behind_; }
  std::optional<base::WallTime> last_entry() const { return last_entry_; }

 private:
  JournalOptions options_;
  const base::Clock& clock_;
  std::string cursor_;
  bool first_ = true;
  bool behind_ = false;
  double entries_ = 0;
  std::optional<base::WallTime> last_entry_;
};

}  // namespace tocsin::agent
