// What a TLS handshake says about the other side, whether or not it is good.
#pragma once

#include <string>
#include <vector>

#include "agent/collectors/probe/probe_result.h"
#include "agent/collectors/probe/x509.h"
#include "common/net/http_client.h"

struct ssl_ctx_st;

namespace tocsin::agent {

/// Filled during the handshake.
struct TlsFacts {
  bool seen = false;                    ///< The other side showed a certificate.
  std::string version;                  ///< "TLS 1.3"
  std::string cipher;                   ///< The standard's name, "TLS_AES_256_GCM_SHA384".
  CertificateFacts certificate;         ///< The server's own.
  base::WallTime earliest_expiry;       ///< Of all that it sent.
  base::WallTime verified_expiry;       ///< The earliest of the chain that was verified; 0: none.
  bool verified = false;                ///< Signed by one that is trusted, and in time.
  bool expired = false;                 ///< Why not: one is not valid yet, or not any more.
  bool named = false;                   ///< It is for the name that was asked for.
  std::string verify_text;              ///< Why it is not verified, for the log.
  std::vector<X509Pointer> chain = {};  ///< As sent; only if asked for.
};

/// Whether a certificate that is not good ends the handshake.
enum class OnBadCertificate { Refuse, GoOn };

/// Makes every handshake of `context` fill `facts`, which outlives it. `host` is whose certificate
/// it must be, unless another name is asked for by SNI (after a redirect).
void record_tls_facts(ssl_ctx_st* context, const std::string& host, OnBadCertificate on_bad,
                      TlsFacts* facts);

/// Sets who is trusted, and our own certificate. Errors: InvalidArgument (names the file).
base::Result<void> use_tls_options(ssl_ctx_st* context, const net::TlsOptions& options);

/// Returns what is wrong with the certificate; nothing if it is good.
std::optional<ProbeFailure> certificate_failure(const TlsFacts& facts);

/// Adds the metrics of blackbox_exporter: expiry, chain, version, cipher.
void add_tls(const TlsFacts& facts, ProbeResult& result);

}  // namespace tocsin::agent
