// Certificates as they lie on the disk: PEM files with their keys, and Traefik's store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/certificate_settings.h"
#include "agent/collectors/probe/x509.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// One certificate with its chain and what is known of its key.
struct StoredCertificate {
  std::string path;
  std::vector<X509Pointer> chain;   ///< Not empty; the server's own first.
  CertificateFacts facts;           ///< Of the first.
  base::WallTime modified;          ///< Of the file.
  std::optional<bool> key_matches;  ///< nullopt: there is no key here, or it may not be read.
  std::optional<bool>
      key_exposed;  ///< Others than owner and group may read it, or the group write.
};

/// What was found, and what could not be read.
struct StoredCertificates {
  struct Failure {
    std::string path;
    base::Error error;  ///< Says the missing permission.
  };
  std::vector<StoredCertificate> all;
  std::vector<Failure> failures;
};

/// Reads everything that the settings name; at most 200 files.
StoredCertificates read_certificates(const CertificateSettings& settings,
                                     const base::FileSystem& files);

/// A certificate of Traefik's acme.json, both in PEM form.
struct AcmeCertificate {
  std::string certificate;
  std::string key;
};

/// Takes the store apart, of Traefik 2 and later (resolvers) and of 1. Errors: InvalidArgument,
/// LimitExceeded. Pure.
base::Result<std::vector<AcmeCertificate>> parse_acme_store(std::string_view json);

/// Returns where the key of a certificate file usually is. Pure.
std::vector<std::string> usual_key_files(const std::string& certificate_file);

}  // namespace tocsin::agent
