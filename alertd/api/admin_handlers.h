// The daemon itself: agents, health, own metrics, reload, channel tests.
#pragma once

#include "alertd/api/router.h"
#include "alertd/api/views.h"
#include "common/base/clock.h"

namespace tocsin::api {

/// /api/v1/agents, /api/v1/status, /api/v1/notify/test, /metrics and /-/...
class AdminHandlers {
 public:
  struct Parts {
    const base::Clock& clock;
    base::Metrics& metrics;
    AgentDirectory& agents;
    Reloader& reloader;
    TestSender& test_sender;
    const StatusView& status;
  };
  explicit AdminHandlers(const Parts& parts) : parts_(parts) {}

  void list_agents(ApiCall call) const;
  void add_agent(ApiCall call) const;
  void remove_agent(ApiCall call) const;
  void status(ApiCall call) const;
  void send_test(ApiCall call) const;
  void metrics(ApiCall call) const;
  void healthy(ApiCall call) const;
  void ready(ApiCall call) const;
  void reload(ApiCall call) const;

 private:
  Parts parts_;
};

}  // namespace tocsin::api
