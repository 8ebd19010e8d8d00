// ICMP echo requests and replies as bytes. Pure. Source: RFC 792, RFC 4443.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::agent {

/// What makes a request ours: the kernel's ping sockets put an `id` of their own, so the token
/// counts.
struct EchoMessage {
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  std::uint64_t token = 0;
};

std::string make_echo_request(const EchoMessage& echo, bool v6);

/// Returns whether `bytes` (from the ICMP header on) reply to a request with that token, whichever
/// its sequence.
bool is_echo_reply(std::string_view bytes, bool v6, const EchoMessage& echo);

/// Returns the part after the IPv4 header, "" if there is none.
std::string_view without_ip_header(std::string_view bytes);

/// The Internet checksum. Source: RFC 1071.
std::uint16_t internet_checksum(std::string_view bytes);

}  // namespace tocsin::agent
