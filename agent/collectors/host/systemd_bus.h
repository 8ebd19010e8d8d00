// The connection to systemd over the system bus, kept open between rounds.
#pragma once

#include "agent/collectors/host/systemd.h"

namespace tocsin::agent {

/// Connects when first asked and again after a failure. Owner: the thread that reads; any one at a
/// time.
class SystemdConnection {
 public:
  SystemdConnection() = default;
  ~SystemdConnection();
  SystemdConnection(const SystemdConnection&) = delete;
  SystemdConnection& operator=(const SystemdConnection&) = delete;

  /// Like read_systemd(). A failure closes the connection. Errors: also Unavailable (no bus).
  base::Result<SystemdReading> read(SystemdMemory& memory, const base::Clock& clock,
                                    base::Duration deadline);

 private:
  sd_bus* bus_ = nullptr;
};

}  // namespace tocsin::agent
