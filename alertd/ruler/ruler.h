// All rule groups of the daemon: loading, reloading without losing state, and the picture for the
// API.
//
//   Ruler ruler(world, options);
//   const LoadOutcome outcome = ruler.load();     // at start; outcome.diagnostics if refused
//   ...
//   ruler.when_in_force([] { ready = true; });    // load() has read them, now they run
//   ruler.load();                                 // on SIGHUP; a refused set changes nothing
//   ruler.stop();
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/ruler/group.h"
#include "alertd/ruler/rule_loader.h"
#include "alertd/ruler/snapshot.h"
#include "common/base/file_system.h"

namespace tocsin::ruler {

struct RulerOptions {
  std::vector<std::string> paths;  ///< Rule files and folders.
  RuleFileOptions files;
  GroupOptions group;
  base::Duration poll_interval{0};  ///< Look for changed files that often; 0 is never.
  /// With RulerWorld::records: the keys of the shared groups in the rules that run from now on.
  /// Called on the ruler's strand.
  std::function<void(std::vector<std::string>)> shared_changed;
};

/// What load() found; with errors nothing was changed.
struct LoadOutcome {
  bool ok = false;
  base::Diagnostics diagnostics;
  std::vector<config::Source> sources;
  std::size_t groups = 0;
  std::size_t rules = 0;
};

/// Thread: load(), when_in_force(), view() and stop() from any; the swap of generations runs on an
/// own strand. Lifecycle: the world outlives the executor's last task; after stop() nothing of the
/// world is called.
class Ruler {
 public:
  Ruler(const RulerWorld& world, const RulerOptions& options, const base::FileSystem& files);
  ~Ruler();
  Ruler(const Ruler&) = delete;
  Ruler& operator=(const Ruler&) = delete;

  /// Before the first load(): what receivers believe to fire, so that alerts which ended while no
  /// process could say so are ended there too.
  void set_told(std::vector<model::Alert> told);

  /// Reads all paths and, if they are without errors, makes them the running rules.
  ///
  /// The first load reads the state of alerts back from the store. Later ones keep unchanged groups
  /// as they run; the others finish their evaluation first, and their rules' state goes to the rule
  /// with the same kind, name and labels, wherever it is now. Firing alerts of rules that are gone
  /// are resolved with the annotation `resolved_because`, and their series end with stale markers.
  ///
  /// With `alert_relabel` the running rules relabel so from then on; without, as before. Alerts
  /// that change their labels thereby end under the old ones and begin under the new ones.
  LoadOutcome load(std::optional<std::vector<relabel::Rule>> alert_relabel = {});

  /// Calls `task` on the executor when the rules that load() has taken so far run, or newer ones:
  /// load() returns when they are read, and evaluations that run then are finished first. Never
  /// after stop().
  void when_in_force(base::Task task);

  /// Ends all evaluations at once; series get no stale markers, because they go on after the
  /// restart.
  void stop();

  /// This process evaluates the shared group from now on. Unknown keys, and groups that are held
  /// already, are left alone. Thread: any.
  void grant(std::string key, Tenure tenure);
  /// Somebody else will: `ended` runs, on any thread, when the running evaluation is over and its
  /// record kept. The alerts are the next holder's. Thread: any.
  void revoke(std::string key, base::Task ended);

  RulerView view() const;

  /// Everything labelled so is gone for good (a host was taken out of service): no rule waits for
  /// its label sets any more, and what was told of their silence is resolved. welcome() takes that
  /// back. Thread: any.
  void forget_owner(const std::string& label, const std::string& value, const std::string& because);
  void welcome(const std::string& label, const std::string& value);
  /// A person has closed the alert `alert` (labels as the sink got them) about a label set that
  /// vanished: it is not waited for any more. Other alerts are left alone. Thread: any.
  void forget_alert(const model::Labels& alert, const std::string& because);
  /// Another daemon was told so.
  void heard(const Forgetting& forgetting);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::ruler
