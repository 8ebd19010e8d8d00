// Ping: an echo request over the kernel's ping socket, which needs no privilege where
// net.ipv4.ping_group_range has one of the agent's groups; else over a raw socket, where that is
// allowed. Source: icmp(7), RFC 792, RFC 4443.
#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/collectors/probe/echo_message.h"
#include "agent/collectors/probe/probes.h"
#include "common/base/random.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kPhases{"probe_icmp_duration_seconds",
                             "How long the parts of the probe took."};
constexpr MetricInfo kHops{"probe_icmp_reply_hop_limit", "Hop limit (TTL) of the reply."};

/// A lost packet is no outage: it is sent again.
constexpr int kTries = 3;

struct PingSocket {
  ProbeFd fd;
  bool raw = false;
};

Probed<PingSocket> open_ping(int family) {
  const int protocol = family == AF_INET6 ? static_cast<int>(IPPROTO_ICMPV6) : IPPROTO_ICMP;
  PingSocket ping;
  ping.fd = ProbeFd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (ping.fd.get() < 0) {
    ping.raw = true;
    ping.fd = ProbeFd(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  }
  if (ping.fd.get() < 0) {
    return failed_probe(
        ProbeReason::Permission,
        fmt::format("the kernel lets this process not ping: {}; needs "
                    "sysctl net.ipv4.ping_group_range=\"{} {}\" (a range with a group of the "
                    "agent), or AmbientCapabilities=CAP_NET_RAW for its service",
                    std::strerror(errno), ::getegid(), ::getegid()));
  }
  const int on = 1;
  if (family == AF_INET6) {
    ::setsockopt(ping.fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
  } else {
    ::setsockopt(ping.fd.get(), IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
  }
  return ping;
}

/// A datagram and the hop limit it came with.
struct Received {
  std::string bytes;
  int hops = 0;
};

std::optional<Received> receive(int fd) {
  std::array<char, 2048> bytes;
  alignas(cmsghdr) std::array<char, 256> control;
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0) return std::nullopt;
  Received received;
  received.bytes.assign(bytes.data(), static_cast<std::size_t>(got));
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    const bool hops = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TTL) ||
                      (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_HOPLIMIT);
    if (hops) std::memcpy(&received.hops, CMSG_DATA(at), sizeof received.hops);
  }
  return received;
}

/// Waits for the reply to one of the requests sent so far.
std::optional<Received> wait_for_reply(const PingSocket& ping, int family, const EchoMessage& echo,
                                       const base::Clock& clock, base::MonotonicTime until) {
  while (ping.fd.wait(POLLIN, clock, until)) {
    auto received = receive(ping.fd.get());
    if (!received) continue;
    std::string_view bytes = received->bytes;
    if (ping.raw && family == AF_INET) bytes = without_ip_header(bytes);
    if (is_echo_reply(bytes, family == AF_INET6, echo)) return received;
  }
  return std::nullopt;
}

Probed<Received> ping_address(const PingSocket& ping, const ProbeAddress& address,
                              const base::Clock& clock, base::MonotonicTime deadline) {
  const auto random = base::make_real_random();
  EchoMessage echo{static_cast<std::uint16_t>(random->next()), 0, random->next()};
  for (int left = kTries; left > 0; --left) {
    ++echo.sequence;
    const std::string request = make_echo_request(echo, address.family() == AF_INET6);
    if (::sendto(ping.fd.get(), request.data(), request.size(), 0,
                 reinterpret_cast<const sockaddr*>(&address.bytes), address.size) < 0) {
      return failed_probe(ProbeReason::Connect, fmt::format("send: {}", std::strerror(errno)));
    }
    const base::MonotonicTime now = clock.monotonic();
    if (auto reply =
            wait_for_reply(ping, address.family(), echo, clock, now + (deadline - now) / left)) {
      return std::move(*reply);
    }
  }
  return failed_probe(ProbeReason::Timeout, fmt::format("no reply to {} packets", kTries));
}

Probed<void> ping(const ProbeSettings& settings, const base::Clock& clock, ProbeResult& result) {
  const base::MonotonicTime deadline = clock.monotonic() + settings.timeout;
  TC_TRY(const Resolved resolved, resolve(clock, settings.route.address, settings.route.ip));
  ProbeAddress address = resolved.addresses.front();
  result.reached(resolved.seconds, address.ip_protocol());
  result.add(kPhases, {{"phase", "resolve"}}, resolved.seconds);
  const base::MonotonicTime begin = clock.monotonic();
  TC_TRY(const PingSocket socket, open_ping(address.family()));
  result.add(kPhases, {{"phase", "setup"}}, seconds_since(clock, begin));
  const base::MonotonicTime sent = clock.monotonic();
  TC_TRY(const Received reply, ping_address(socket, address, clock, deadline));
  result.add(kPhases, {{"phase", "rtt"}}, seconds_since(clock, sent));
  if (reply.hops > 0) result.add(kHops, reply.hops);
  return probed();
}

}  // namespace

ProbeResult probe_icmp(const ProbeSettings& settings, const base::Clock& clock) {
  ProbeResult result;
  if (const auto done = ping(settings, clock, result); !done) result.failure = done.error();
  return result;
}

}  // namespace tocsin::agent
