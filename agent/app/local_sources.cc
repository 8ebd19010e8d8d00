#include "agent/app/local_sources.h"

#include "agent/collectors/application/otlp_server.h"
#include "agent/collectors/application/statsd_server.h"
#include "agent/collectors/nagios/nagios_source.h"

namespace tocsin::agent {
namespace {

/// Keeps the receiver if it was made with these settings, else makes another.
template <class Settings, class Make>
void renew(std::shared_ptr<MetricReceiver>& receiver, std::optional<Settings>& made_with,
           const std::optional<Settings>& settings, Make make) {
  if (receiver && made_with == settings) return;
  if (receiver) receiver->close();
  receiver = settings ? make(*settings) : nullptr;
  made_with = settings;
}

}  // namespace

LocalSettings read_local_settings(config::Table& root, base::Duration interval) {
  LocalSettings settings;
  settings.processes = read_process_settings(root);
  settings.cgroups = read_cgroup_settings(root);
  settings.smart = read_smart_settings(root);
  settings.checks = read_nagios_settings(root, interval);
  settings.statsd = read_statsd_settings(root);
  settings.otlp = read_otlp_settings(root);
  return settings;
}

void LocalSources::add_to(Sampler::Sources& sources, const LocalSettings& settings,
                          const HostPaths& paths, base::Duration interval,
                          base::Executor& executor) {
  if (!settings.processes.groups.empty()) {
    sources.collectors.push_back(make_process_collector(
        settings.processes, paths, ProcessWorld{world_.clock, world_.failures}));
  }
  if (settings.cgroups.configured) {
    sources.collectors.push_back(make_cgroup_collector(settings.cgroups, paths));
  }
  if (!settings.smart.files.empty()) {
    sources.collectors.push_back(make_smart_collector(
        settings.smart, SmartWorld{world_.files, world_.clock, world_.failures}));
  }
  if (!settings.checks.empty() && !runner_) {
    runner_ = base::make_command_runner(world_.clock, kNagiosThreads, kNagiosQueueMax);
  }
  for (const NagiosCheckSettings& check : settings.checks) {
    sources.async.push_back(
        make_nagios_source(check, interval * 4 / 5, NagiosWorld{executor, runner_}));
  }
  if (listen_ == Listen::Yes) add_receivers(sources, settings, executor);
}

void LocalSources::add_receivers(Sampler::Sources& sources, const LocalSettings& settings,
                                 base::Executor& executor) {
  const ReceiverWorld world{world_.clock, world_.metrics};
  renew(statsd_, statsd_settings_, settings.statsd,
        [&](const StatsdSettings& with) { return make_statsd_server(with, world); });
  renew(otlp_, otlp_settings_, settings.otlp,
        [&](const OtlpSettings& with) { return make_otlp_server(with, world); });
  for (const auto& receiver : {statsd_, otlp_}) {
    if (!receiver) continue;
    sources.async.push_back(make_receiver_source(receiver, executor, world_.failures));
  }
}

}  // namespace tocsin::agent
