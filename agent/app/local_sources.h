// What the agent reads of its own host beyond the host's collectors: groups of processes, control
// groups, disks' reports, plugins of Nagios, and what applications hand in.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/collectors/application/application_settings.h"
#include "agent/collectors/application/receiver.h"
#include "agent/collectors/nagios/nagios_settings.h"
#include "agent/collectors/processes/process_settings.h"
#include "agent/collectors/smart/smart_collector.h"
#include "agent/sampler/sampler.h"
#include "common/base/command_runner.h"

namespace tocsin::agent {

struct LocalSettings {
  ProcessSettings processes;  ///< [processes], [[process_group]]
  CgroupSettings cgroups;     ///< [cgroups]
  SmartSettings smart;        ///< [smart]
  std::vector<NagiosCheckSettings> checks;
  std::optional<StatsdSettings> statsd;
  std::optional<OtlpSettings> otlp;
};

/// Reads those tables of the root. Mistakes go to the diagnostics.
LocalSettings read_local_settings(config::Table& root, base::Duration interval);

/// What of it outlives a reload: the receivers, with what was handed in to them, and the threads of
/// plugins. Nothing exists that is not configured. Owner: the main thread.
class LocalSources {
 public:
  struct World {
    const base::FileSystem& files;
    const base::Clock& clock;
    base::Metrics& metrics;
    base::FailureLog& failures;
  };
  /// Whether ports are opened: not by a single round beside the agent that runs.
  enum class Listen { No, Yes };

  LocalSources(World world, Listen listen) : world_(world), listen_(listen) {}

  /// Adds the sources that the settings ask for. Receivers whose settings have not changed stay as
  /// they are, the others are closed.
  void add_to(Sampler::Sources& sources, const LocalSettings& settings, const HostPaths& paths,
              base::Duration interval, base::Executor& executor);

 private:
  void add_receivers(Sampler::Sources& sources, const LocalSettings& settings,
                     base::Executor& executor);

  World world_;
  Listen listen_;
  std::shared_ptr<base::CommandRunner> runner_;
  std::optional<StatsdSettings> statsd_settings_;
  std::shared_ptr<MetricReceiver> statsd_;
  std::optional<OtlpSettings> otlp_settings_;
  std::shared_ptr<MetricReceiver> otlp_;
};

}  // namespace tocsin::agent
