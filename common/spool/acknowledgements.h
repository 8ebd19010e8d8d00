// How far the queue has been delivered, on disk.
//
// A tiny append-only file of (sequence, checksum) entries: an acknowledgement costs one write of 16
// bytes and no fsync, which survives kill -9. It is synced before a segment is unlinked (the order
// matters: a segment that is gone while the position still points into it is the crash loop other
// queues have known), and rewritten as one entry when it has grown. A lost entry means a batch is
// sent twice, never that one is lost.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/file_system.h"

namespace tocsin::spool {

/// The file that remembers the delivered position. Owner: Spool.
class Acknowledgements {
 public:
  Acknowledgements(base::FileSystem& files, std::string path);

  /// Reads the last sound entry; 0 if there is none. Odd lengths and damaged entries are passed
  /// over. Errors: Io, PermissionDenied.
  base::Result<std::uint64_t> load();

  /// Notes that everything up to `sequence` needs no sending any more. Not durable before sync().
  /// Errors: Io; the next call tries again from a fresh file.
  base::Result<void> advance(std::uint64_t sequence);

  /// Makes the position survive power loss.
  base::Result<void> sync();

 private:
  base::Result<void> rewrite();

  base::FileSystem& files_;
  std::string path_;
  std::uint64_t position_ = 0;
  std::unique_ptr<base::AppendFile> file_;
  bool dirty_ = false;
};

}  // namespace tocsin::spool
