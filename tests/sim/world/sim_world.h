// A whole small fleet in one thread and simulated time: an agent, alertd, and a webhook receiver.
//
// The parts between the sockets are the production ones: sampler, spool and sender of the agent,
// and the daemon (alertd/sim). Simulated are the clock, the disk, the network (a call that is
// answered, refused or lost) and the collectors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sampler/sampler.h"
#include "alertd/sim/sim_alertd.h"
#include "common/remote_write/sender.h"
#include "common/spool/spool.h"

namespace tocsin::sim {

/// A message that reached the webhook receiver.
struct Hook {
  base::WallTime at;
  std::string key;     ///< Idempotency-Key
  std::string status;  ///< "firing" or "resolved"
  std::string alert;   ///< alertname of the group
  std::string body;
};

/// Owner: the test, one thread.
class SimWorld {
 public:
  /// `config` is alertd.toml (its [store] path is "/alertd"), `rules` the one rule file.
  SimWorld(const std::string& config, const std::string& rules);
  ~SimWorld();

  // --- alertd
  void start_alertd();
  /// Ends it as a crash does: nothing is flushed, what was acknowledged is on the simulated disk.
  void crash_alertd() { daemon_.crash(); }
  bool alertd_up() const { return daemon_.up(); }
  alertd::App& alertd() { return daemon_.app(); }

  // --- the agent, with one collector that reports `values`
  void start_agent(const std::string& host);
  void crash_agent();
  std::map<std::string, double> values;  ///< Metric name -> value, read each round.

  // --- the world
  void run_for(base::Duration by) { daemon_.executor().run_for(by); }
  base::WallTime now() const { return daemon_.now(); }
  SimFileSystem& disk() { return daemon_.files(); }
  const std::vector<Hook>& hooks() const { return hooks_; }
  /// Statuses of the hooks of one alert, repeats with the same key left out.
  std::vector<std::string> told(const std::string& alert) const;

  /// Samples of the one series that matches, in [begin, now].
  std::vector<model::Sample> samples(const std::string& expr, base::Duration back);

 private:
  struct Agent;
  void take_hook(const net::HttpRequest& request);

  SimAlertd daemon_;
  std::unique_ptr<Agent> agent_;
  std::vector<Hook> hooks_;
};

}  // namespace tocsin::sim
