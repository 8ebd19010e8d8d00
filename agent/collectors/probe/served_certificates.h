// Certificates as servers show them: compared with the files, checked, and which old protocols are
// taken.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/collectors/probe/certificate_files.h"
#include "agent/collectors/probe/certificate_settings.h"
#include "agent/collectors/probe/probe_socket.h"

namespace tocsin::agent {

/// What one server shows for one name.
struct ServedCertificate {
  std::string target;  ///< "host:port", with "/name" where several names are asked.
  std::string path;    ///< The file it is compared with; empty: none.
  std::optional<ProbeFailure> failure;  ///< No certificate was shown.
  TlsFacts tls;
  bool matches_file = false;
};

/// Asks the servers: for `server_name`, or for the first name of each file.
std::vector<ServedCertificate> ask_servers(const CertificateSettings& settings,
                                           const std::vector<StoredCertificate>& stored,
                                           const base::Clock& clock, base::MonotonicTime deadline);

/// Whether a server takes a version of TLS that it should not.
struct WeakProtocol {
  std::string target;
  std::string version;  ///< "TLS 1.0"
  bool accepted = false;
};

/// Asks `route` for TLS 1.0 and 1.1. Failures are told as such: a server that is not there has
/// refused nothing.
Probed<std::vector<WeakProtocol>> ask_weak_protocols(const CertificateSettings& settings,
                                                     const ProbeRoute& route,
                                                     const base::Clock& clock,
                                                     base::MonotonicTime deadline);

}  // namespace tocsin::agent
