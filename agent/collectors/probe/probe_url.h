// The URL of a probe, taken apart.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/net/url.h"

namespace tocsin::agent {

struct ProbeUrl {
  net::HostPort address;
  std::string shown;  ///< Without query and fragment, which may be credentials.
};

/// Errors: InvalidArgument (not http or https, no host, a user in it).
base::Result<ProbeUrl> parse_probe_url(const std::string& url);

}  // namespace tocsin::agent
