// What `[[certificate]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "agent/collectors/probe/probe_settings.h"

namespace tocsin::agent {

/// Certificates on this host's disk, and who serves them.
struct CertificateSettings {
  std::string name;                ///< The label `certificate`.
  std::vector<std::string> files;  ///< Patterns of PEM files, the server's own certificate first.
  std::vector<std::string> acme_files;  ///< Stores of Traefik (acme.json).
  std::string key_file;                 ///< Empty: looked for beside each certificate.
  std::vector<std::string> names;       ///< Host names that each file must be for.
  std::string ca_file;                  ///< Who is trusted; empty: the system's.
  std::vector<ProbeRoute> served_by;    ///< `server_name` empty: the first name of each file.
  StartTls start_tls = StartTls::Plain;
  bool weak_protocols = false;  ///< Ask the servers for TLS 1.0 and 1.1, once a day.
  bool revocation = false;      ///< Ask authorities whether they took a certificate back.
  base::Duration revocation_interval{3'600'000};  ///< Between two such questions.
  base::Duration interval{300'000};
  base::Duration timeout{10'000};  ///< Of all that one reading asks servers and authorities.

  std::string key() const { return "certificate " + name; }
};

/// Reads every `[[certificate]]` table of the root. `interval` is the round's. Mistakes go to the
/// diagnostics.
std::vector<CertificateSettings> read_certificate_settings(config::Table& root,
                                                           base::Duration interval);

}  // namespace tocsin::agent
