// Probes and certificates as sources of the sampler: each its own, all on a few threads together.
#pragma once

#include <memory>
#include <vector>

#include "agent/collectors/blocking/pooled_source.h"
#include "agent/collectors/probe/certificate_settings.h"
#include "agent/collectors/probe/probe_settings.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// What the sources need; all of it outlives them, and calls that hang.
struct ProbeWorld {
  base::Executor& executor;  ///< The sampler's.
  const base::FileSystem& files;
  base::FailureLog& failures;
  std::shared_ptr<CallPool> pool = nullptr;  ///< Null: one for these sources alone.
};

/// Returns the threads of probes; none begins before the first round. Kept over a reload it keeps
/// what hangs from being left behind again and again. The executor outlives it.
std::shared_ptr<CallPool> make_probe_pool(base::Executor& executor);

/// Returns a source for each.
std::vector<std::unique_ptr<AsyncSource>> make_probe_sources(
    const std::vector<ProbeSettings>& probes, const std::vector<CertificateSettings>& certificates,
    const ProbeWorld& world);

}  // namespace tocsin::agent
