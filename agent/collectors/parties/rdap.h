// RDAP, the JSON that took whois's place: who answers for a zone, and what a registry says of a
// domain. Pure.
//
// Source: RFC 9224 (bootstrap), RFC 9083 (answers), RFC 8056 (words of status).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// Returns whether it is a name of two labels or more, of a-z, 0-9 and inner hyphens.
bool is_domain(std::string_view name);

/// Zones ("org", "co.uk") and the address of their server, with a slash at the end.
using RdapServers = std::map<std::string, std::string>;

/// Parses IANA's list; of several addresses the first with https:// counts. Errors:
/// InvalidArgument.
base::Result<RdapServers> parse_rdap_bootstrap(std::string_view json);

/// Returns the server of the longest zone that the domain is in; nullptr if there is none.
const std::string* rdap_server(const RdapServers& servers, std::string_view domain);

/// What is wrong with a registration, in the words of the metrics.
inline constexpr std::array kDomainProblems = {"unregistered", "hold", "redemption",
                                               "pending_delete"};

struct DomainAnswer {
  std::optional<base::WallTime> expires;
  std::map<std::string, bool> problems;  ///< Each of kDomainProblems.
};

/// Parses the answer about `domain`. Errors: InvalidArgument (no JSON, about another name, a date
/// that is none).
base::Result<DomainAnswer> parse_rdap_domain(std::string_view json, std::string_view domain);

}  // namespace tocsin::agent
