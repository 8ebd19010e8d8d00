// What verifications and drills of a set found, kept over restarts: one small JSON file for each.
//
// Who verifies (the collector, a task, a person) reads the file anew, changes it and replaces it as
// a whole; the collector reads it with each look at the set.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/backup/verify.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// What is known of one level.
struct LevelState {
  std::int64_t good_ms = 0;  ///< Wall time of the last time that it passed; 0: never.
  bool ok = true;            ///< Of the last verification that came so far.
  std::string reason{};
  std::string text{};
};

struct VerifyState {
  std::string path{};  ///< Of the backup that was verified last.
  std::int64_t modified_ms = 0;
  std::uint64_t size = 0;
  std::int64_t at_ms = 0;  ///< 0: nothing was verified yet.
  std::string what{};
  std::string note{};
  std::map<VerifyLevel, LevelState> levels{};
};

/// Puts a verdict in. Failures of an earlier backup end with it.
void record_verdict(VerifyState& state, const BackupVerdict& verdict, base::WallTime now);

struct DrillState {
  std::int64_t at_ms = 0;  ///< 0: there was none.
  VerifyLevel level = VerifyLevel::Restore;
  bool ok = false;
  std::string reason{};
  std::string text{};
  double duration_seconds = 0;
  double rto_seconds = 0;  ///< From the start until the data could be asked.
  double rpo_seconds = 0;  ///< From the last change that was restored until the start.
  std::uint64_t tables = 0;
  std::map<std::string, std::uint64_t> rows{};  ///< By table; of the last drill that succeeded.
  std::map<std::string, double> ratios{};       ///< Restored to expected.
  std::map<std::string, bool> differs{};  ///< From the live server, by part; empty: not compared.
  std::map<VerifyLevel, std::int64_t> good_ms{};
};

/// Owner: any; no state of its own. Thread: any.
class BackupStates {
 public:
  BackupStates(base::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  /// A file that is missing or damaged reads as nothing known.
  VerifyState load_verify(const std::string& set) const;
  DrillState load_drill(const std::string& set) const;
  base::Result<void> save(const std::string& set, const VerifyState& state);
  base::Result<void> save(const std::string& set, const DrillState& state);

 private:
  std::string path(const std::string& set, const char* what) const;

  base::FileSystem& files_;
  std::string folder_;
};

}  // namespace tocsin::agent
