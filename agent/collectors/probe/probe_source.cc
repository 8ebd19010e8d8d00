#include "agent/collectors/probe/probe_source.h"

#include <utility>

#include "agent/collectors/probe/certificate_reader.h"
#include "agent/collectors/probe/probes.h"

namespace tocsin::agent {

namespace {

constexpr const char* kThread = "probe";

/// Tells the log once for each reason and page: details such as ages are new each time. Owner: the
/// executor.
class SaidFailure {
 public:
  SaidFailure(std::string subject, base::FailureLog& failures)
      : subject_(std::move(subject)), failures_(failures) {}

  void tell(const std::optional<ProbeFailure>& failure) {
    if (!failure) {
      said_.reset();
      failures_.clear(subject_);
    } else if (const auto what = std::pair(failure->reason, failure->page); said_ != what) {
      said_ = what;
      failures_.report(subject_, std::string(to_string(failure->reason)) + ": " + failure->detail);
    }
  }

 private:
  std::string subject_;
  base::FailureLog& failures_;
  std::optional<std::pair<ProbeReason, std::string>> said_;
};

PooledSource::Reading probe_reading(const ProbeSettings& settings, const ProbeWorld& world) {
  const auto said = std::make_shared<SaidFailure>(settings.key(), world.failures);
  const double slow = std::chrono::duration<double>(settings.slow).count();
  const auto answer = [labels = settings.labels, slow, said](ProbeResult result) {
    const auto told = std::make_shared<const ProbeResult>(std::move(result));
    return PooledSource::Answer{[labels, slow, told, said](RoundSink& sink) {
                                  said->tell(told->failure);
                                  told->write(sink, labels, slow);
                                },
                                !told->failure};
  };
  PooledSource::Reading reading;
  reading.interval = settings.interval;
  reading.timeout = settings.timeout;
  reading.read = [settings, answer, &clock = world.executor.clock()] {
    return answer(run_probe(settings, clock));
  };
  reading.down = [settings, answer](const base::Error& why) {
    ProbeResult result;
    result.duration_seconds = std::chrono::duration<double>(settings.timeout).count();
    result.failure = failed_probe(ProbeReason::Timeout, why.message);
    return answer(std::move(result));
  };
  return reading;
}

}  // namespace

std::shared_ptr<CallPool> make_probe_pool(base::Executor& executor) {
  return std::make_shared<CallPool>(kThread, executor);
}

std::vector<std::unique_ptr<AsyncSource>> make_probe_sources(
    const std::vector<ProbeSettings>& probes, const std::vector<CertificateSettings>& certificates,
    const ProbeWorld& world) {
  std::vector<std::unique_ptr<AsyncSource>> sources;
  if (probes.empty() && certificates.empty()) return sources;
  const auto pool = world.pool ? world.pool : make_probe_pool(world.executor);
  const auto add = [&](const std::string& key, PooledSource::Reading reading) {
    sources.push_back(
        std::make_unique<PooledSource>(key, std::move(reading), pool, world.executor));
  };
  for (const ProbeSettings& probe : probes) add(probe.key(), probe_reading(probe, world));
  for (const CertificateSettings& each : certificates) {
    add(each.key(), certificate_reading(each, world));
  }
  return sources;
}

}  // namespace tocsin::agent
