// What the daemon does about reports by itself: alerts of overdue action items, and the status
// page.
//
// Once a minute, and soon after something changed, it looks at what is durable, posts the alerts
// and writes the page. Only the daemon that has the lease does so.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/app/self_alerts.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/report/report.h"
#include "alertd/report/status_page.h"
#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"

namespace tocsin::alertd {

struct ReportKeeperSettings {
  report::ReportSettings report;
  report::StatusPageSettings page;
};

struct ReportKeeperWorld {
  incident::Dispatcher& dispatcher;
  incident::StateStore& state;
  base::Executor& executor;  ///< File work is done there.
  base::FileSystem& files;
  base::Metrics& metrics;
};

/// Lifecycle: make, start, stop; destroyed after its executor was stopped.
/// Thread: start(), stop(), changed() and reload() from any; the rest is the executor's.
class ReportKeeper {
 public:
  /// `since_file` holds when incidents were first watched; written by start().
  ReportKeeper(const ReportKeeperWorld& world, ReportKeeperSettings settings,
               std::string since_file);

  void start();
  void stop();
  /// Something is durable that may show on the page.
  void changed();
  void reload(ReportKeeperSettings settings);

  /// /status/, /status.json and /status.rss, for everybody, if the page is configured and served.
  std::vector<api::Route> routes();

 private:
  struct Texts {
    std::string html;
    std::string json;
    std::string rss;
  };

  void run();
  void run_soon(base::Duration delay);
  void read_since();
  void tell_overdue(const incident::Written& written);
  void make_page(std::shared_ptr<const incident::Written> written);
  void put(Texts texts) EXCLUDES(mutex_);
  void answer(const api::ApiCall& call, std::string Texts::*part, const char* type) const
      EXCLUDES(mutex_);

  ReportKeeperWorld world_;
  ReportKeeperSettings settings_;
  std::string since_file_;
  base::WallTime watched_since_{};
  SelfAlerts alerts_;
  base::TimerId timer_ = 0;
  bool soon_ = false;  ///< The timer is for a change.
  bool stopped_ = true;
  base::Counter failed_;
  base::FailureLog failures_{"alertd/report"};
  mutable base::Mutex mutex_;
  std::shared_ptr<const Texts> texts_ GUARDED_BY(mutex_);  ///< Null before the first page.
};

}  // namespace tocsin::alertd
