// Signs of life to somebody outside: who hears none for two minutes calls people.
//
// Nobody can tell of his own death. Each `[[heartbeat]]` names an address outside of this daemon (a
// dead-man's-switch service, or the task API of another alertd) that is asked every `interval`, but
// only while the way from rules to people works: evaluations end, decisions become durable. A
// daemon that is up and pages nobody is as dead as one that is down, and sends nothing either.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/secret.h"
#include "common/config/table.h"
#include "common/net/http_client.h"

namespace tocsin::heartbeat {

struct HeartbeatSettings {
  std::string name;  ///< The label `heartbeat`.
  std::string url;   ///< Only its origin may be shown: such services keep their key in the path.
  std::string method = "POST";
  base::Secret token;  ///< Authorization: Bearer; empty: none.
  net::TlsOptions tls;
  base::Duration interval{60'000};
};

/// Reads every `[[heartbeat]]`: name, url or url_file, method, token(_file), ca_file, interval.
std::vector<HeartbeatSettings> read_heartbeat_settings(config::Table& root);

/// Says "" if everything that lies between a rule and a person works, else what does not. May
/// answer later, on any thread, or never.
using Health = std::function<void(std::function<void(std::string problem)>)>;

/// Owner: its executor. Thread: start(), stop() and reload() from any; stopped before destruction.
class Heartbeats {
 public:
  struct World {
    base::Executor& executor;
    net::HttpClient& http;
    base::Metrics& metrics;
    Health health;
  };

  explicit Heartbeats(World world);
  ~Heartbeats();
  Heartbeats(const Heartbeats&) = delete;
  Heartbeats& operator=(const Heartbeats&) = delete;

  void start(std::vector<HeartbeatSettings> settings);
  void reload(std::vector<HeartbeatSettings> settings);
  /// No sign of life is begun afterwards.
  void stop();

 private:
  struct Beat {
    HeartbeatSettings settings;
    base::TimerId timer = 0;
  };

  void take(std::vector<HeartbeatSettings> settings);
  void drop_all();
  void due(const std::shared_ptr<Beat>& beat);
  void ask(const std::shared_ptr<Beat>& beat);
  void judged(const std::shared_ptr<Beat>& beat, const std::string& problem);
  void send(const std::shared_ptr<Beat>& beat);
  void count(const Beat& beat, const char* outcome);

  World world_;
  std::vector<std::shared_ptr<Beat>> beats_;
  base::FailureLog failures_{"alertd/heartbeat"};
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::heartbeat
