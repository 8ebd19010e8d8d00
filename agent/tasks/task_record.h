// A record of one run, as the wrapper leaves it for the agent: a file of two lines of JSON.
//
//   {"task":"backup","started_ms":...,"pid":4711,"pid_start":8812,"pid_space":"...","boot":"..."}
//   {"ended_ms":...,"exit":0,"ok":true,"reason":"","numbers":{"evidence_bytes":123}}
//
// The first is appended when the run begins, the second when it ends; a line counts once its line
// end is there. So a run whose wrapper was killed is a record without an end whose process is gone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// Who runs: enough to know later whether it is still there.
struct ProcessMark {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< Field 22 of /proc/PID/stat.
  std::string pid_space;          ///< Target of /proc/self/ns/pid.
  std::string boot;               ///< /proc/sys/kernel/random/boot_id.
};

struct RunEnd {
  std::int64_t ended_ms = 0;
  int exit_status = 0;
  bool ok = false;
  std::string reason;   ///< Why not: "exit_status", "no_evidence", "signal", "lost", "reported".
  std::string skipped;  ///< It did not take place, for this reason; neither success nor failure.
  std::map<std::string, double> numbers;
  std::string note;  ///< Of a report, by whoever made it; for log and audit trail, never a label.
};

struct RunRecord {
  std::string task;
  std::int64_t started_ms = 0;
  ProcessMark process;        ///< Of a report: pid 0.
  std::optional<RunEnd> end;  ///< None: it runs, or was killed.
};

inline constexpr std::size_t kRecordBytesMax = 16 << 10;
inline constexpr std::string_view kRecordSuffix = ".run";

std::string encode_start(const RunRecord& record);  ///< With its line end.
std::string encode_end(const RunEnd& end);          ///< With its line end.

/// Errors: InvalidArgument (not such a record; the message shows none of its text), Unavailable
/// (the first line is not complete yet).
base::Result<RunRecord> decode_record(std::string_view text);

/// Returns field 22 of the text of /proc/PID/stat, or nullopt.
std::optional<std::uint64_t> start_ticks_of(std::string_view stat);

enum class ProcessState { Alive, Gone, Unknown };

/// Returns whether the process that began a run is still there. Unknown: another pid namespace.
ProcessState look_for(const ProcessMark& mark, const base::FileSystem& files);

/// Marks the calling process.
ProcessMark mark_self(const base::FileSystem& files);

}  // namespace tocsin::agent
