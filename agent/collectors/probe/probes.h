// One file a kind of probe. Each is one blocking call, made on a thread of the pool, that is over
// at the deadline (name resolution apart).
#pragma once

#include "agent/collectors/probe/probe_result.h"
#include "agent/collectors/probe/probe_settings.h"
#include "agent/collectors/probe/probe_socket.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// Runs the probe and takes its time.
ProbeResult run_probe(const ProbeSettings& settings, const base::Clock& clock);

ProbeResult probe_http(const ProbeSettings& settings, const base::Clock& clock);
/// Of kinds tcp, tls and smtp.
ProbeResult probe_talk(const ProbeSettings& settings, const base::Clock& clock);
ProbeResult probe_dns(const ProbeSettings& settings, const base::Clock& clock);
ProbeResult probe_icmp(const ProbeSettings& settings, const base::Clock& clock);

/// Brings a fresh connection to where TLS can begin. Failure: Answer too.
Probed<void> prepare_start_tls(ProbeSocket& socket, StartTls how);

}  // namespace tocsin::agent
