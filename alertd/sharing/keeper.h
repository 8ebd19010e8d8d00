// Holds this daemon's share of the rule groups: says that it lives, takes and gives, keeps what
// evaluations leave, and reads the alerts of all groups while this daemon is the one that tells
// people.
//
// A group is evaluated by whoever holds it. What an evaluation leaves, its state and its alerts,
// goes into the shared tables in one write under the group's epoch; only what is there counts. So
// nothing depends on daemons reaching each other, the next holder goes on exactly from what was
// told, and a daemon that was stopped for a while can say nothing: its first write is refused, and
// it lets the group go.
//
// While the store cannot be reached, evaluation goes on and is kept later, if nobody has taken the
// group meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/sharing/assignment.h"
#include "alertd/sharing/group_store.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"

namespace tocsin::sharing {

struct KeeperOptions {
  std::string name;     ///< Names this daemon over restarts; nobody else's.
  std::string session;  ///< Of this life; never used before.
  base::Duration term{9'000};
  base::Duration poll{1'500};      ///< How often it says that it lives.
  base::Duration settle{9'000};    ///< Peers unchanged for that long: surplus may be given.
  base::Duration collect{100};     ///< What evaluations leave meanwhile is one write.
  base::Duration look{1'000};      ///< How often alerts of others are looked for.
  base::Duration refresh{60'000};  ///< An unchanged group's time of evaluation is kept that often.
  AssignmentOptions assignment;
};

/// For people and for /api/v1/status.
struct KeeperStatus {
  std::vector<Member> members;  ///< As of the last answer.
  std::map<std::string, std::uint64_t> held;
  std::size_t known = 0;
  std::size_t unheld = 0;  ///< Groups that nobody holds.
  std::string error;       ///< Of the last try; empty: all is well.
};

/// Owner: its executor, one thread that may block. Thread: all from any.
class Keeper {
 public:
  struct Hooks {
    /// This daemon evaluates the group from now on.
    std::function<void(Taken)> taken;
    /// Finish the running evaluation, save() what it leaves, then call `ended`, on any thread.
    std::function<void(std::string key, base::Task ended)> give;
    /// Somebody else has it: forget it.
    std::function<void(std::string key)> lost;
    /// Another daemon said this.
    std::function<void(std::string text)> heard;
    /// While following: alerts of any group that changed.
    std::function<void(std::vector<ChangedGroup>)> changed;
  };

  Keeper(KeeperOptions options, GroupStore& store, base::Executor& executor, base::Metrics& metrics,
         Hooks hooks);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void start();
  /// Keeps what is waiting and gives everything back; hooks are not called any more.
  void stop();

  /// These are the shared groups of the rules that run.
  void know(std::vector<std::string> keys);
  /// An evaluation is over.
  void save(GroupSave save);

  /// Says something to the other daemons.
  void say(std::string text);

  /// This daemon is to tell people: all groups are read, then `ready` runs on the executor, and
  /// what changes is read from then on. If they cannot be read for a while, it runs all the same.
  void follow(base::Task ready = {});
  /// It does not any more.
  void unfollow();

  KeeperStatus status() const EXCLUDES(mutex_);
  /// Who holds what, read from the store for people; on the executor.
  void holdings(std::function<void(base::Result<std::vector<Holding>>)> done);

 private:
  struct Kept {
    std::uint64_t state_hash = 0, alerts_hash = 0;
    base::WallTime at;
  };
  struct Instruments;

  void post(base::Task task);
  void after(base::Duration delay, base::TimerId& timer, void (Keeper::*what)());
  void tend();
  base::Result<void> tend_once();
  void compare(const Board& board);
  bool settled(const Board& board);
  base::Result<void> take(const std::vector<std::string>& keys);
  base::Result<void> talk(const Board& board);
  void begin_giving(const std::string& key);
  void give();
  base::Result<void> finish_giving();
  void drop(const std::string& key);
  bool changed(const GroupSave& save) const;
  void flush();
  base::Result<void> flush_once();
  void look();
  void publish(const Board* board, std::string error) EXCLUDES(mutex_);

  KeeperOptions options_;
  GroupStore& store_;
  base::Executor& executor_;
  Hooks hooks_;
  std::unique_ptr<Instruments> instruments_;
  base::FailureLog failures_{"alertd/sharing"};
  bool running_ = false;
  bool following_ = false;
  base::TimerId tend_timer_ = 0, flush_timer_ = 0, give_timer_ = 0, look_timer_ = 0;

  std::vector<std::string> known_;  ///< Sorted.
  std::string fingerprint_;
  bool rows_made_ = false;                     ///< For all of known_.
  std::map<std::string, std::uint64_t> held_;  ///< Those being given too.
  std::set<std::string> giving_;
  std::map<std::string, std::uint64_t> to_give_;  ///< Ended here; the store is to know.
  std::map<std::string, GroupSave> pending_;      ///< Not kept yet.
  std::map<std::string, Kept> kept_;              ///< Of held groups.
  std::set<std::string> peers_;
  base::MonotonicTime peers_since_{};
  ChangesCursor cursor_;
  base::Task ready_;  ///< Of follow(), until it has run.
  int looks_failed_ = 0;
  std::vector<std::string> to_say_;
  std::set<std::int64_t> heard_;  ///< Words of the last board.

  mutable base::Mutex mutex_;
  KeeperStatus status_ GUARDED_BY(mutex_);
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tocsin::sharing
