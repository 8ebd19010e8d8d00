// The dead-man clock at work: hears tasks in samples and heartbeats, judges them every few seconds,
// writes the verdicts as series, and keeps the book on disk.
//
// A jump of the wall clock, or a start after the daemon was away, freezes the verdicts: agents
// first say what happened meanwhile. That the clock jumped is told as metrics, and alerted by
// rules.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/tasks/clock_watch.h"
#include "alertd/tasks/task_book.h"
#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/model/appender.h"
#include "common/model/labels.h"
#include "common/model/sample.h"

namespace tocsin::alertd {

/// Who sends a heartbeat. Errors of finding out: PermissionDenied.
struct BeatSender {
  std::string host;
  /// Whether it may speak for another host.
  std::function<bool(std::string_view)> may_send_for;
};

struct TaskKeeperWorld {
  base::Executor& executor;  ///< File work is done there.
  base::FileSystem& files;
  model::Appender& appender;
  base::Metrics& metrics;
  std::function<base::Result<BeatSender>(const net::ServerRequest&)> authenticate;
  std::function<std::set<std::string>()> enrolled;  ///< The hosts whose agents may write.
};

/// Lifecycle: make, start, stop; destroyed after its executor was stopped. Thread: hear() and
/// the routes from any; the rest is the executor's.
class TaskKeeper {
 public:
  /// `path` is the file of the book.
  TaskKeeper(TaskKeeperWorld world, tasks::ClockSettings settings, std::string path);

  /// Reads the book. A damaged one is put aside: the clocks begin anew, which is said.
  /// Errors: Io, PermissionDenied.
  base::Result<void> load();
  void start();
  void stop();
  void reload(const tasks::ClockSettings& settings);

  /// Takes a sample that was stored, if it is of a task or the heartbeat of a host.
  void hear(std::span<const model::LabelView> labels, model::Sample sample) EXCLUDES(mutex_);

  /// POST /api/v1/tasks/NAME/start, success, failure; GET /api/v1/tasks; DELETE
  /// /api/v1/tasks/HOST/NAME.
  std::vector<api::Route> routes();

 private:
  void round();
  void watch_clock();
  void forget_gone() EXCLUDES(mutex_);
  void write_series() EXCLUDES(mutex_);
  void save(bool always);
  void beat(api::ApiCall call) EXCLUDES(mutex_);
  void list(const api::ApiCall& call) EXCLUDES(mutex_);
  void forget(const api::ApiCall& call) EXCLUDES(mutex_);
  /// Answers once what was changed is on disk; several share one write.
  void answer_when_saved(net::Respond respond, net::ServerResponse response) EXCLUDES(mutex_);
  void answer_saved() EXCLUDES(mutex_);
  bool frozen() const;

  TaskKeeperWorld world_;
  tasks::ClockSettings settings_;
  std::string path_;
  tasks::ClockWatch clock_;
  std::optional<base::MonotonicTime> frozen_until_;
  base::TimerId timer_ = 0;
  bool stopped_ = true;
  base::MonotonicTime saved_at_{};
  std::uint64_t saved_changes_ = 0;
  base::Gauge known_;
  base::Gauge frozen_gauge_;
  base::Gauge last_jump_;
  base::Gauge last_jump_seconds_;
  base::Counter untracked_;
  base::FailureLog failures_{"alertd/tasks"};
  std::set<std::string> enrolled_;  ///< As of the last look.
  mutable base::Mutex mutex_;
  tasks::TaskBook book_ GUARDED_BY(mutex_);
  std::map<std::string, tasks::HeardHost, std::less<>> heard_ GUARDED_BY(mutex_);
  std::vector<std::pair<net::Respond, net::ServerResponse>> waiting_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::alertd
