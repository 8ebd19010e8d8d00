// Schedules and changes of the dispatcher in the API's words.
#pragma once

#include "alertd/api/oncall_views.h"
#include "alertd/incident/dispatcher.h"

namespace tocsin::alertd {

/// Thread: any; answers come on `executor`.
class OnCallAdapter final : public api::OnCallView {
 public:
  OnCallAdapter(incident::Dispatcher& dispatcher, base::Executor& executor)
      : dispatcher_(dispatcher), executor_(executor) {}

  void on_call(base::WallTime at, api::Done<std::vector<api::OnCallInfo>> done) override;
  void shifts(std::string schedule, base::WallTime from, base::WallTime to,
              api::Done<std::vector<api::ShiftInfo>> done) override;
  void put_override(api::OverrideRequest request, api::Done<std::string> done) override;
  void remove_override(std::string id, std::string by, std::string source,
                       api::Done<void> done) override;
  void add_change(api::ChangeInfo change, std::string source, api::Done<std::string> done) override;
  void changes(api::Done<std::vector<api::ChangeInfo>> done) override;

 private:
  incident::Dispatcher& dispatcher_;
  base::Executor& executor_;
};

}  // namespace tocsin::alertd
