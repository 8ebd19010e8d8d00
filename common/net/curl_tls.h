// The TLS part of a curl handle, the same for HTTP and mail. Internal to common/net.
#pragma once

#include "common/net/http_client.h"

namespace tocsin::net {

/// Sets verification, client certificate and the lowest version (1.2) on `easy`, a CURL*.
void set_tls_options(void* easy, const TlsOptions& tls);

}  // namespace tocsin::net
