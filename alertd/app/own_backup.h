// A backup of alertd by alertd, while it runs: `tocsin backup` asks for one and fetches it.
//
// Everything is first put together in the data folder (the time-series store's snapshot is made of
// hard links, the state is copied by SQLite, the rest is small), then hashed, then listed in a
// manifest. Whoever asked fetches the files in parts, says that all is well, and the copy goes; it
// goes too when nobody asks for it any more. alertd writes nowhere else: where a backup is put is
// decided, and paid for, by who runs the command.
//
//   POST   /api/v1/backup                      begins one; {"id"}
//   GET    /api/v1/backup/<id>                 {"state":"making"} or "ready" with the manifest
//   GET    /api/v1/backup/<id>/files/<n>       bytes from ?offset= on, some MiB
//   POST   /api/v1/backup/<id>/done            it is safe elsewhere: counts as made
//   DELETE /api/v1/backup/<id>                 it is not wanted any more
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/backup/manifest.h"
#include "alertd/incident/state_store.h"
#include "alertd/tsdb/store.h"
#include "common/base/hash.h"
#include "common/base/random.h"

namespace tocsin::alertd {

struct OwnBackupWorld {
  base::Executor& executor;  ///< Owns this object's state.
  base::Executor& workers;   ///< Reads and hashes.
  base::FileSystem& files;
  base::Random& random;
  base::Metrics& metrics;
  tsdb::Store& store;
  incident::StateStore& state;
  std::string host_name;
};

struct OwnBackupSettings {
  std::string data_folder;
  bool state_in_file = true;  ///< Else PostgreSQL keeps it.
  /// Configuration and rules that are in force, by their paths. Called on `executor`.
  std::function<std::vector<std::string>()> configuration;
  base::Duration expected{0};  ///< `[backup] expect_every`; 0: nobody waits for one.
};

/// Lifecycle: make, start; destroyed after the executors were stopped. Thread: any.
class OwnBackup {
 public:
  OwnBackup(const OwnBackupWorld& world, OwnBackupSettings settings);
  ~OwnBackup();

  /// Clears away what a process before this one left.
  void start();
  void reload(base::Duration expected);
  /// All need Access::Write: a backup holds what signs links and identifies agents.
  std::vector<api::Route> routes();

 private:
  struct Making;
  using MakingPtr = std::shared_ptr<Making>;

  void begin(api::ApiCall call);
  void show(api::ApiCall call);
  void send_part(const api::ApiCall& call);
  void end(const api::ApiCall& call, bool success);

  /// Goes on with `next` after a step elsewhere.
  void stepped(const MakingPtr& making, const base::Result<void>& done,
               void (OwnBackup::*next)(const MakingPtr&));
  void copy_state(const MakingPtr& making);
  void copy_small(const MakingPtr& making);
  base::Result<void> copy_configuration(const Making& making);
  base::Result<void> copy_file(const Making& making, const std::string& from, const std::string& to,
                               mode_t mode);
  base::Result<void> find_files(Making& making, const std::string& path);
  void hash_next(const MakingPtr& making);
  void answer(Making& making);
  void failed(const MakingPtr& making, const base::Error& error);
  void forget();
  void keep_alive();
  void expect(base::Duration every);
  MakingPtr find(const api::ApiCall& call) const;

  OwnBackupWorld world_;
  OwnBackupSettings settings_;
  std::string staging_;
  MakingPtr making_;  ///< At most one.
  base::TimerId timer_ = 0;
  base::Gauge last_success_;
  base::Gauge bytes_;
  base::Counter failures_;
};

}  // namespace tocsin::alertd
