// Reports, action items, news and statistics in the API's words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/api/report_views.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/report/statistics.h"
#include "common/base/mutex.h"

namespace tocsin::alertd {

/// What reports are made with; replaced whole by a reload.
struct ReportConfig {
  report::ReportSettings settings;
  oncall::Directory directory;
};

/// Reports after incidents, oldest first.
struct IncidentReports {
  std::vector<report::Report> reports;
  bool truncated = false;  ///< There were more than the store lists at once.
};

/// Thread: any; answers come on `executor`.
class ReportAdapter final : public api::ReportView {
 public:
  ReportAdapter(incident::Dispatcher& dispatcher, incident::StateStore& state,
                base::Executor& executor, ReportConfig config)
      : dispatcher_(dispatcher),
        state_(state),
        executor_(executor),
        config_(std::make_shared<const ReportConfig>(std::move(config))) {}

  void reload(ReportConfig config) EXCLUDES(mutex_);

  /// The zone of `[report]`.
  timezone::Zone zone() const { return config()->settings.zone; }
  /// Makes a report of each incident that was open at some time within [from, to).
  void gather(base::WallTime from, base::WallTime to, api::Done<IncidentReports> done);

  void report(std::string id, api::ReportFormat format, api::Done<std::string> done) override;
  void change_report(api::ReportChange change, api::Done<void> done) override;
  void actions(api::Done<std::vector<api::ActionInfo>> done) override;
  void change_action(api::ActionChange change, api::Done<std::string> done) override;
  void news(std::string id, api::Done<std::vector<api::NewsInfo>> done) override;
  void tell(api::NewsRequest request, api::Done<void> done) override;
  void statistics(base::WallTime from, base::WallTime to, api::Done<std::string> done) override;

 private:
  struct Gathering;
  std::shared_ptr<const ReportConfig> config() const EXCLUDES(mutex_);
  /// Reads all there is about an incident and makes its report.
  void make(const std::string& id, api::Done<report::Report> done);
  void gather_next(std::shared_ptr<Gathering> gathering);
  void send(incident::Command command, api::Done<std::string> done);

  incident::Dispatcher& dispatcher_;
  incident::StateStore& state_;
  base::Executor& executor_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const ReportConfig> config_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::alertd
