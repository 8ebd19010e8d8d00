// Whether the authority has taken a certificate back: asked by OCSP where the certificate names a
// responder, else looked up in the list (CRL) that it names.
//
// Browsers ask little and fail open, so a revoked certificate works on one desk and is refused by
// the next. A stapled answer is not read: it says what the server was told, days ago.
// Source: RFC 6960 (OCSP), RFC 5280 section 5 (CRL).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/x509.h"

namespace tocsin::agent {

/// Where a certificate says that its authority can be asked; http:// addresses only.
struct RevocationSources {
  std::vector<std::string> responders;  ///< OCSP, in the order of the certificate.
  std::vector<std::string> lists;       ///< CRL.
};
RevocationSources revocation_sources(const x509_st& certificate);

/// Fetches a URL: by GET if `body` is empty, else by POST of an OCSP request.
using RevocationFetch =
    std::function<base::Result<std::string>(const std::string& url, const std::string& body)>;

/// Returns whether `certificate` is revoked; nullopt if it names nobody who could be asked.
///
/// `chain`: what its issuer is looked for in, before `trust`, which must lead to whoever signed the
/// answer. The answer must be of now, by the clock of this host.
/// Errors: NotFound (no issuer known), InvalidArgument (an answer that is not good, or not for this
/// certificate), what `fetch` gives.
base::Result<std::optional<bool>> is_revoked(x509_st& certificate,
                                             const std::vector<X509Pointer>& chain,
                                             x509_store_st& trust, const RevocationFetch& fetch);

/// The same for all of `chain`, the server's own first: true if one is revoked. An intermediate
/// that names nobody is passed over, as roots are. nullopt: the server's own names nobody.
base::Result<std::optional<bool>> any_revoked(const std::vector<X509Pointer>& chain,
                                              x509_store_st& trust, const RevocationFetch& fetch);

}  // namespace tocsin::agent
