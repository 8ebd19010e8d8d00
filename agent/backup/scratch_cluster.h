// A PostgreSQL server of a drill's own: in a scratch folder, on a Unix socket only, without archive
// and without fsync, made and taken away by the drill.
//
// It can harm nobody: it listens on no port, sends no WAL, runs no subscription and no background
// worker of the backup's, and the folder must be empty or one that a drill left behind.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/backup/finding.h"
#include "common/base/clock.h"
#include "common/base/command_runner.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// What a drill gets from outside. Thread: the drill's, which may wait.
struct DrillWorld {
  base::FileSystem& files;
  const base::Clock& clock;
  std::function<base::Result<base::CommandResult>(base::Command)> run_command;
  base::MonotonicTime deadline;                 ///< Everything is taken away by then.
  std::function<base::Result<void>()> check{};  ///< Says whether to stop; may be empty.
};

/// Owner: a drill.
class ScratchCluster {
 public:
  /// `programs` is the folder of initdb and its kind.
  ScratchCluster(DrillWorld& world, std::string folder, std::string programs)
      : world_(world), folder_(std::move(folder)), programs_(std::move(programs)) {}
  /// Stops the server and removes the folder, if prepare() made it.
  ~ScratchCluster();
  ScratchCluster(const ScratchCluster&) = delete;
  ScratchCluster& operator=(const ScratchCluster&) = delete;

  /// Makes the folder. Findings: "runs_as_root", "scratch_not_empty", "scratch_in_use",
  /// "no_space" (less than `bytes_needed` are free), "scratch_path", "unreadable".
  Found prepare(std::uint64_t bytes_needed);
  /// A superuser of the cluster: of a new one the only one, else one that is in the backup.
  void set_user(std::string user) { user_ = std::move(user); }
  /// Makes an empty cluster.
  Found init();
  /// Writes the configuration, with further `settings` ("name = 'value'"), and starts the server;
  /// returns when it accepts sessions, after a recovery too. Findings: "start_failed",
  /// "target_not_reached", "wal_missing", "timeout".
  Found start(const std::vector<std::string>& settings);

  /// Runs a program of PostgreSQL against the server. Errors: those of the command runner.
  base::Result<base::CommandResult> run(std::string_view program,
                                        std::vector<std::string> arguments);
  /// Runs a program of the system by its absolute path.
  base::Result<base::CommandResult> run_system(std::vector<std::string> arguments);

  std::string data() const { return base::join_path(folder_, "data"); }
  std::string file(std::string_view name) const { return base::join_path(folder_, name); }
  std::string dsn(const std::string& database) const;
  /// Time that is left for work.
  base::Duration left() const;
  Found check() const;

 private:
  Found leftovers();
  Found wait_until_ready();
  Found why_not_started() const;
  void stop();

  DrillWorld& world_;
  std::string folder_;
  std::string programs_;
  std::string user_ = "tocsin_drill";
  bool made_ = false;
};

/// Removes a folder with all that is in it; of a symbolic link only the link.
base::Result<void> remove_tree(base::FileSystem& files, const std::string& path);

/// Returns the folder of PostgreSQL's programs: `wanted` if it is not empty, else Debian's for
/// `major` ("15"; empty: the newest). Findings: "no_programs".
Found find_programs(const base::FileSystem& files, const std::string& wanted,
                    const std::string& major, std::string& folder);

}  // namespace tocsin::agent
