// What the agent itself did as a task, line by line, each holding the hash of the one before.
//
//   {"n":7,"at":"2026-11-27T02:30:00Z","task":"week","event":"end","text":"...","before":"<hash>"}
//
// The hash of a line is SHA-256 over its bytes. Changing or removing a line breaks the chain at the
// next one; cutting lines off the end shows against `audit.head`, which holds the number and the
// hash of the last line, and against the counter that alertd keeps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/file_system.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

struct AuditHead {
  std::uint64_t lines = 0;  ///< Written since the first installation.
  std::string hash;         ///< Of the last; empty before the first.
};

/// One line, with its line end.
struct AuditEntry {
  std::string task;
  std::string event;  ///< "start", "end", "failed", "skipped", "dry_run".
  std::string text;   ///< Cut at 4 KiB.
};
std::string audit_line(const AuditEntry& entry, const AuditHead& head, base::WallTime at);

/// Checks the lines of a file; `before` is the hash that its first line must hold, or empty: any.
/// Returns the head after the last line. Errors: Corruption (names the line).
base::Result<AuditHead> check_audit(std::string_view text, std::string_view before);

/// The file `audit.log` of a folder. Thread: one at a time; the caller holds the run lock.
class TaskAudit {
 public:
  TaskAudit(base::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  /// Appends durably. At 4 MiB the file becomes audit.log.1 and the chain goes on in a new one.
  /// Errors: Io, PermissionDenied.
  base::Result<void> append(const AuditEntry& entry, base::WallTime at);

  /// Reads all there is. Errors: Corruption (what is broken), Io.
  base::Result<AuditHead> check() const;

 private:
  base::Result<AuditHead> read_head() const;
  /// After a crash: cuts a torn last line off, and returns the head with the line it misses.
  base::Result<AuditHead> settle(AuditHead head, const std::string& path);

  base::FileSystem& files_;
  std::string folder_;
};

}  // namespace tocsin::agent
