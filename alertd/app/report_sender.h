// Reports that the calendar sends: made when they are due, put into the outbox once each.
//
// What was sent last is a kept record, committed together with the messages: a restart, or the
// other daemon of a pair, neither repeats a report nor forgets one that was due meanwhile. Of
// several that were missed only the last is sent. Only the daemon that has the lease does so.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/app/bulletin_desk.h"
#include "alertd/bulletin/send_settings.h"
#include "alertd/incident/state_store.h"
#include "common/base/log.h"
#include "common/base/metrics.h"

namespace tocsin::alertd {

struct ReportSenderWorld {
  BulletinDesk& desk;
  incident::StateStore& state;
  base::Executor& executor;
  base::Metrics& metrics;
  std::function<void()> outbox_changed;  ///< The notifier looks into the outbox.
};

struct ReportSenderSettings {
  std::vector<bulletin::SendSettings> reports;
  std::string external_url;  ///< What the link to the whole report begins with; empty: no link.
};

/// Lifecycle: make, (start, stop)*; destroyed after its executor was stopped.
/// Thread: the public functions from any; the rest is the executor's.
class ReportSender {
 public:
  ReportSender(const ReportSenderWorld& world, ReportSenderSettings settings)
      : world_(world), settings_(std::move(settings)) {}

  void start();
  void stop();
  void reload(ReportSenderSettings settings);
  /// A message left; if it is a report, it is known as sent from now on.
  void delivered(const incident::Notification& message);

 private:
  /// What is remembered of a report, over restarts.
  struct Memory {
    std::string schedule;  ///< SendSettings::schedule_text.
    base::WallTime since;  ///< What was due before is none of ours.
    base::WallTime due;    ///< Of the last one in the outbox.
    base::WallTime sent;   ///< The last one that a channel took.
    bool stored = false;   ///< Not only here.
    bool making = false;
  };

  void load();
  void loaded(const base::Result<incident::LoadedState>& state);
  void run();
  void look(const bulletin::SendSettings& report);
  void make(const bulletin::SendSettings& report, base::WallTime due);
  void send(const bulletin::SendSettings& report, base::WallTime due,
            const base::Result<bulletin::Document>& document);
  incident::StateChange change_of(const bulletin::SendSettings& report, base::WallTime due,
                                  const bulletin::Document& document) const;
  void show(const std::string& name, base::Duration interval);
  void hide(const std::string& name);
  incident::KeptRecord record_of(const std::string& name, const Memory& memory) const;
  void keep(const std::string& name);
  void run_later(base::Duration delay, void (ReportSender::*what)());

  ReportSenderWorld world_;
  ReportSenderSettings settings_;
  std::map<std::string, Memory> memory_;  ///< By name of the report.
  base::TimerId timer_ = 0;
  bool running_ = false;
  std::uint64_t generation_ = 0;  ///< Of start(): answers to an older one are stale.
  base::FailureLog failures_{"alertd/reports"};
};

}  // namespace tocsin::alertd
