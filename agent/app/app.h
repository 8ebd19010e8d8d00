// The agent, put together: who exists, who talks to whom, on which thread.
//
//   main      signals, reload, start and stop order
//   sampler   collectors one after the other, scrapes' answers
//   sender    the disk queue and the remote-write client
//   http      one thread for writes; two for scrapes, if there are any
// A batch crosses from sampler to sender by one bounded post; nothing else is shared.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/app/settings.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// The running agent. Owner: the main thread.
class App {
 public:
  struct World {
    base::FileSystem& files;
    const base::Clock& clock;
  };

  /// Starts everything. Errors: Unavailable (another agent uses the spool).
  static base::Result<std::unique_ptr<App>> start(AgentSettings settings, World world);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Takes new settings in, whole. What was queued stays; changes to [spool] wait for a restart,
  /// said once.
  void reload(AgentSettings settings);

  /// Stops the rounds, waits shortly for the request under way, writes the queue to disk: within
  /// two seconds. Returns false if a thread did not answer (it hangs in the kernel); then end the
  /// process without destroying this.
  bool stop();

 private:
  struct Parts;
  explicit App(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Runs one round of every collector and scrape and returns it as a page in the Prometheus text
/// format, without the identity labels. For `--once`. Ends the process with 1 if a collector hangs.
std::string one_round(AgentSettings settings, App::World world);

}  // namespace tocsin::agent
