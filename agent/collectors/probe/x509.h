// X.509 certificates and private keys as text and facts; OpenSSL stays behind this door.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

struct x509_st;
struct evp_pkey_st;
struct x509_store_st;

namespace tocsin::agent {

struct X509Free {
  void operator()(x509_st* certificate) const;
  void operator()(evp_pkey_st* key) const;
  void operator()(x509_store_st* store) const;
};
using X509Pointer = std::unique_ptr<x509_st, X509Free>;
using KeyPointer = std::unique_ptr<evp_pkey_st, X509Free>;
using StorePointer = std::unique_ptr<x509_store_st, X509Free>;

/// What people want to know of a certificate.
struct CertificateFacts {
  std::string subject_cn;          ///< Of the subject; empty if it has none.
  std::string subject;             ///< RFC 2253, at most 256 bytes.
  std::string issuer;              ///< The same.
  std::vector<std::string> names;  ///< DNS names and addresses it is for, at most 100.
  std::string fingerprint;         ///< SHA-256 of the whole, lower-case hexadecimal.
  base::WallTime not_before;
  base::WallTime not_after;
  bool self_signed = false;
};

/// Returns the certificates of a PEM text in their order; whatever else it holds (keys, comments)
/// is passed over. Errors: InvalidArgument (no certificate, or one that cannot be read),
/// LimitExceeded (more than 50).
base::Result<std::vector<X509Pointer>> parse_certificates(std::string_view pem);

/// Returns the first private key of a PEM text. Errors: NotFound, PermissionDenied (it has a pass
/// phrase), InvalidArgument.
base::Result<KeyPointer> parse_private_key(std::string_view pem);

CertificateFacts facts_of(const x509_st& certificate);

/// Returns whether the text is a literal IPv4 or IPv6 address.
bool is_ip_address(const std::string& host);

/// Returns whether the certificate is for that host name or address, wildcards included.
bool is_for(const x509_st& certificate, const std::string& host);

bool key_matches(const x509_st& certificate, const evp_pkey_st& key);

/// Certificates that are trusted: `ca_file`, or the system's if it is empty.
/// Errors: InvalidArgument (names the file).
base::Result<StorePointer> trusted(const std::string& ca_file);

/// Returns who signed the certificate, out of `chain` or else of `store`; nullptr if neither has
/// it.
X509Pointer issuer_of(x509_st& certificate, const std::vector<X509Pointer>& chain,
                      x509_store_st& store);

/// What is wrong with the order and completeness of a chain, the server's own certificate first.
struct ChainProblems {
  bool order = false;       ///< Not each signed by the next.
  bool incomplete = false;  ///< The last is signed by nobody in `store`: an intermediate is missing
                            ///< (or the authority is not known here).
};
ChainProblems chain_problems(const std::vector<X509Pointer>& chain, x509_store_st& store);

}  // namespace tocsin::agent
