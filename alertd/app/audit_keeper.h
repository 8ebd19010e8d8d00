// The daemon's own audit trail: what is done to it beside incidents, and whether the trail is
// whole.
//
// What people do to incidents, silences and rotas is written by the engine, in the commit that does
// it. Here is the rest: starts and reloads, changed files of configuration and rules, agents,
// backups, drills, calls that were refused. All of it is one hash chain in the state store (see
// incident::audit_hash); it is checked at the start and every hour, and who keeps a copy elsewhere
// (`tocsin audit export`) notices also that the whole chain was written anew.
//
// Only the daemon that has the lease writes; what is noted before waits. A note is in the log at
// once, so that nothing is lost with a full queue or a broken store.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/incident/state_store.h"
#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/base/metrics.h"

namespace tocsin::alertd {

struct AuditKeeperWorld {
  incident::StateStore& state;
  base::Executor& executor;
  const base::FileSystem& files;
  base::Metrics& metrics;
  /// The files of configuration and rules. Called on the executor.
  std::function<std::vector<std::string>()> watched;
};

/// Lifecycle: make, (start, stop)*; destroyed after its executor was stopped.
/// Thread: the public functions from any; the rest is the executor's.
class AuditKeeper {
 public:
  static constexpr std::size_t kQueueMax = 1000;

  explicit AuditKeeper(const AuditKeeperWorld& world);

  void start();
  void stop();

  /// One line; the time is now.
  void note(const std::string& actor, const std::string& source, const std::string& action,
            const std::string& object, const std::string& text);
  /// What the router says of a call that is audited, or was refused. Of one address, refusals of
  /// one kind are written once a minute, with their number.
  void called(const api::AuditedCall& call);
  /// Compares the watched files with what they were, soon.
  void look();

  /// GET /api/v1/audit, GET /api/v1/audit/verify.
  std::vector<api::Route> routes();

 private:
  using Digests = std::map<std::string, std::string>;  ///< Path, SHA-256.
  struct Refusals {
    base::MonotonicTime since;
    std::uint64_t more = 0;
  };

  void put(incident::AuditRecord record);
  void flush();
  void load();
  void compare();
  Digests read_digests() const;
  void verify();
  void verified(const base::Result<incident::AuditVerdict>& verdict);
  void list(api::ApiCall call) const;
  void answer_verify(const api::ApiCall& call) const;

  AuditKeeperWorld world_;
  base::Counter dropped_;
  base::FailureLog failures_{"alertd/audit"};
  bool running_ = false;
  std::uint64_t generation_ = 0;  ///< Of start(): answers to an older one are stale.
  std::deque<incident::AuditRecord> waiting_;
  std::size_t committing_ = 0;  ///< The first lines of `waiting_`.
  std::map<std::string, Refusals> refusals_;
  std::optional<Digests> known_;  ///< Not before they were read from the store.
  std::optional<Digests> keep_;   ///< To be kept with the next lines.
  base::TimerId look_timer_ = 0, verify_timer_ = 0;
};

}  // namespace tocsin::alertd
