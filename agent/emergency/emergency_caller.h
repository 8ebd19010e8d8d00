// Calls people past alertd when alertd is gone: the bell, its clock and its one message.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/emergency/bell.h"
#include "agent/emergency/emergency_settings.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/net/http_client.h"

namespace tocsin::agent {

/// What is said, in words.
struct EmergencyNews {
  std::string host;
  std::string alertd;   ///< Its address, without credentials.
  std::string problem;  ///< Of the last try.
  bool firing = true;
  base::WallTime since{};  ///< The last sign of life before.
  base::WallTime now{};
};

/// Returns the sentence for people. Pure.
std::string emergency_text(const EmergencyNews& news);

/// Returns the body of the request. Pure.
std::string emergency_body(const EmergencyNews& news, EmergencyFormat format);

/// Owner: its executor (the sender's); every call on it.
class EmergencyCaller {
 public:
  struct World {
    base::Executor& executor;
    net::HttpClient& http;
    base::Metrics& metrics;
  };
  struct Host {
    std::string name;
    std::string alertd;
  };

  explicit EmergencyCaller(World world);
  ~EmergencyCaller();
  EmergencyCaller(const EmergencyCaller&) = delete;
  EmergencyCaller& operator=(const EmergencyCaller&) = delete;

  /// Takes settings in; nullopt switches it off, and forgets an outage that was told.
  void configure(std::optional<EmergencySettings> settings, Host host);

  /// alertd answered, whatever it said: a refusal is a sign of life.
  void alive();
  /// It did not; `problem` says why.
  void silent(const std::string& problem) { problem_ = problem; }

 private:
  void look();
  void call(const Ring& ring);
  EmergencyNews news(const Ring& ring) const;

  World world_;
  std::optional<EmergencySettings> settings_;
  Host host_;
  Bell bell_;
  bool calling_ = false;
  std::string problem_;
  base::TimerId timer_ = 0;
  base::FailureLog failures_{"agent/emergency"};
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
