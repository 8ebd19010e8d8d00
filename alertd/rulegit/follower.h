// Follows the branch: fetch, write the files of a new commit, have them judged, put them in force.
//
//   Follower follower(settings, folder, world, hooks);
//   follower.prepare();        // at start: the last good commit, or the first fetch
//   follower.start();
//
// On disk, under `folder`:
//   repository.git/            the bare repository
//   generations/<commit>/      the files of a commit, complete or not there at all
//   current                    a link to the generation in force; switched by one rename
//
// A commit that is refused stays out, however often it is seen, until another one comes or somebody
// asks for a reload. With the server down the last good commit goes on, also over restarts.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/rulegit/git_settings.h"
#include "alertd/rulegit/provenance_index.h"
#include "alertd/rulegit/repository.h"
#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/base/random.h"

namespace tocsin::rulegit {

/// All of it outlives the executors' last task.
struct FollowerWorld {
  base::Executor& git;   ///< One thread, on which anything may take minutes.
  base::Executor& main;  ///< One thread, where rules are read and put in force.
  base::FileSystem& files;
  net::HttpClient& http;
  base::Random& random;
  base::Metrics& metrics;
};

/// What the owner does about a commit; called on `main`.
struct FollowerHooks {
  /// Judges the rules in `folder`. An error keeps the commit out; its message is shown to people.
  std::function<base::Result<void>(const std::string& folder)> check;
  /// The commit is in force: `current` leads to it.
  std::function<void()> activated;
  /// status() is another one.
  std::function<void()> changed;
};

struct Refused {
  Commit commit;
  std::string error;
  base::WallTime since;
};

struct FollowerStatus {
  std::string url;
  std::string branch;
  std::optional<Commit> active;  ///< In force; nullopt: nothing was ever good.
  std::optional<Refused> refused;
  std::optional<base::WallTime> last_contact;  ///< The last fetch that succeeded.
  std::string fetch_error;                     ///< Of the last fetch; empty: it succeeded.
  /// What looks like rule files in folders below `path` of the active commit: they are not read.
  std::vector<std::string> not_read;
};

/// Thread: status() and provenance() from any; the rest from main's.
class Follower {
 public:
  Follower(GitSettings settings, std::string folder, const FollowerWorld& world,
           FollowerHooks hooks);

  /// Makes sure that rules_folder() exists: what was in force last time, without asking the server;
  /// else the first fetch, at most settings.timeout long; else empty. Blocks; before start().
  /// Errors: Io (the folder cannot be written).
  base::Result<void> prepare();

  void start();
  /// Ends what runs as soon as it can be ended.
  void stop();

  /// Takes new credentials, limits and times, and looks at the branch with them. Another url,
  /// branch or path is not taken: that is another repository, for the next start.
  void renew(GitSettings settings);

  /// Fetches now, judging the tip again if it was refused; `done` runs on `main`.
  void fetch_now(base::Task done);

  /// Where the ruler reads: always there, always one whole commit.
  std::string rules_folder() const { return base::join_path(folder_, "current"); }

  FollowerStatus status() const EXCLUDES(mutex_);
  /// Returns what is known about the rules in force; may be null.
  std::shared_ptr<const ProvenanceIndex> provenance() const EXCLUDES(mutex_);

 private:
  /// A commit on its way into force.
  struct Candidate {
    Commit commit;
    std::string folder;
    std::shared_ptr<const ProvenanceIndex> provenance;
    std::vector<std::string> not_read;
  };
  enum class Again { No, Yes };

  std::string generation(const std::string& commit) const;
  std::optional<std::string> linked_commit() const;
  base::Result<void> open_repository();
  void after_failed_fetch(const base::Error& error);
  base::Result<std::optional<Candidate>> visit(Again again);
  base::Result<Candidate> write_candidate(const Fetched& fetched);
  std::shared_ptr<const ProvenanceIndex> index(const std::string& commit, const Exported& exported,
                                               const ProvenanceIndex* known) const;
  void index_active();
  void judge(const Candidate& candidate);
  base::Result<void> put_in_force(const Candidate& candidate);
  base::Result<void> link(const std::string& target);
  void refuse(const Commit& commit, const std::string& why);
  void note_contact(const base::Result<std::optional<Candidate>>& visited);
  void round(Again again, base::Task done);
  void schedule();
  void remove_old_generations(const std::string& keep) const;
  bool is_known_bad(const std::string& commit) const EXCLUDES(mutex_);

  /// Keeps libgit2 up; first in, last out: what it keeps for a thread, such as the text of its last
  /// error, the thread that ends us frees by it.
  std::shared_ptr<const void> library_;
  const std::string folder_;
  FollowerWorld world_;
  FollowerHooks hooks_;
  std::atomic<bool> stopped_{false};
  base::TimerId timer_ = 0;

  // Owned by `git` after start().
  GitSettings settings_;
  std::unique_ptr<Repository> repository_;
  unsigned failures_ = 0;

  base::Gauge last_fetch_, refused_now_, commit_time_;
  base::Counter fetches_ok_, fetches_failed_, taken_, refused_, rewritten_;

  mutable base::Mutex mutex_;
  FollowerStatus status_ GUARDED_BY(mutex_);
  std::shared_ptr<const ProvenanceIndex> provenance_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::rulegit
