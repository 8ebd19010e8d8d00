// When authorities are asked about the certificates of one `[[certificate]]`, and what they said
// last.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/certificate_settings.h"
#include "agent/collectors/probe/revocation.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// Asks once for each certificate and interval; after a failure again in the next reading.
/// Thread: one at a time.
class RevocationDesk {
 public:
  /// `settings` and `clock` outlive the desk.
  RevocationDesk(const CertificateSettings& settings, const base::Clock& clock)
      : settings_(settings), clock_(clock) {}

  /// Begins a reading; what the one before did not ask for is forgotten.
  void begin(base::MonotonicTime deadline);

  /// Returns whether one of the chain is revoked, as said last; nullopt: nobody said, or it is not
  /// to be asked. `fingerprint` is that of the first.
  std::optional<bool> ask(const std::vector<X509Pointer>& chain, const std::string& fingerprint,
                          x509_store_st& trust);

  /// Returns the first failure of this reading.
  const base::Result<void>& outcome() const { return outcome_; }

 private:
  struct Said {
    std::optional<bool> revoked;
    base::Result<void> outcome = base::ok();
    base::MonotonicTime due;
    bool asked_now = false;  ///< In this reading.
  };

  void question(const std::vector<X509Pointer>& chain, x509_store_st& trust, Said& said);

  const CertificateSettings& settings_;
  const base::Clock& clock_;
  base::MonotonicTime deadline_;
  base::Result<void> outcome_ = base::ok();
  std::map<std::string, Said> said_;
};

}  // namespace tocsin::agent
