// The certificates of one `[[certificate]]`, on disk and as served, as samples.
#pragma once

#include "agent/collectors/probe/probe_source.h"

namespace tocsin::agent {

/// How they are read, for a PooledSource.
PooledSource::Reading certificate_reading(const CertificateSettings& settings,
                                          const ProbeWorld& world);

}  // namespace tocsin::agent
