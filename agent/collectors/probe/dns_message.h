// DNS questions and answers as bytes. Pure. Source: RFC 1035; the answers are taken apart by libc's
// resolver library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

struct DnsQuestion {
  std::string name;
  int type = 1;
  std::uint16_t id = 0;
  bool recursion = true;
};

struct DnsAnswer {
  std::string rcode;                 ///< "NOERROR", "NXDOMAIN", ...; or its number.
  std::vector<std::string> records;  ///< The data of answers of the type asked for, in lower case.
  std::size_t answers = 0;
  std::size_t authorities = 0;
  std::size_t additionals = 0;
  bool truncated = false;
  double serial = -1;  ///< Of a SOA among the answers.
};

/// Returns the message. Errors: InvalidArgument (no name).
base::Result<std::string> make_dns_query(const DnsQuestion& question);

/// Errors: InvalidArgument (no answer to that question, or a damaged one).
base::Result<DnsAnswer> parse_dns_answer(std::string_view message, const DnsQuestion& question);

/// Names of record types that can be asked for, and their numbers.
std::vector<std::string> dns_record_names();
int dns_record_type(std::string_view name);
std::vector<std::string> dns_rcode_names();

}  // namespace tocsin::agent
