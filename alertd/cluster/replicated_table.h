// What all peers know: entries by kind and key, where the latest word wins.
//
// Each entry carries the time its owner changed it; merging is taking the newer one, so it does not
// matter in which order, how often or by which way entries arrive. Equal times are settled by the
// text, so that two peers never disagree. Bounded: beyond the limit new entries are refused and
// counted by the caller, known ones go on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/time.h"

namespace tocsin::cluster {

/// One thing that is replicated. The body belongs to its owner.
struct Entry {
  std::string kind;  ///< "silence", "notified"
  std::string key;
  std::string body;
  base::WallTime updated_at;
  base::WallTime expires_at;  ///< Forgotten then.

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// Pure. Owner: one thread.
class ReplicatedTable {
 public:
  explicit ReplicatedTable(std::size_t entries_max = 200'000) : entries_max_(entries_max) {}

  enum class Merge { Taken, Known, Refused };
  /// Takes the entry if it is newer than the known one and not expired.
  Merge merge(const Entry& entry, base::WallTime now);

  /// Forgets what expired.
  void expire(base::WallTime now);

  /// Where a reader of everything is.
  struct Cursor {
    std::string kind;
    std::string key;
    bool empty() const { return kind.empty() && key.empty(); }
  };
  /// Appends entries after the cursor in order, until `bytes_max` is reached; moves the cursor on.
  /// Returns whether there are more.
  bool read(Cursor& cursor, std::size_t bytes_max, std::vector<Entry>& out) const;

  std::size_t size() const { return entries_.size(); }

 private:
  std::size_t entries_max_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace tocsin::cluster
