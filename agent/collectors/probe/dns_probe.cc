// A question to one DNS server, over UDP, and over TCP if the answer does not fit.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/collectors/probe/dns_message.h"
#include "agent/collectors/probe/probes.h"
#include "common/base/random.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kPhases{"probe_dns_duration_seconds", "How long the parts of the probe took."};
constexpr MetricInfo kAnswers{"probe_dns_answer_rrs", "Records in the answer."};
constexpr MetricInfo kAuthorities{"probe_dns_authority_rrs", "Records of authority."};
constexpr MetricInfo kAdditionals{"probe_dns_additional_rrs", "Additional records."};
constexpr MetricInfo kSucceeded{"probe_dns_query_succeeded", "1 if the server answered."};
constexpr MetricInfo kSerial{"probe_dns_serial", "Serial number of the zone, where SOA was asked."};

/// A lost datagram is no outage: the question is asked again.
constexpr int kTries = 3;

ProbeFailure no_answer() {
  return failed_probe(ProbeReason::Timeout, "the DNS server did not answer in time");
}

Probed<DnsAnswer> ask_udp(const ProbeFd& fd, const std::string& query, const DnsQuestion& question,
                          const base::Clock& clock, base::MonotonicTime deadline) {
  for (int left = kTries; left > 0; --left) {
    if (::send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0 && errno != ECONNREFUSED) {
      return failed_probe(ProbeReason::Connect, fmt::format("send: {}", std::strerror(errno)));
    }
    const base::MonotonicTime now = clock.monotonic();
    const base::MonotonicTime until = now + (deadline - now) / left;
    while (fd.wait(POLLIN, clock, until)) {
      std::array<char, 65'536> bytes;
      const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got < 0) {
        return failed_probe(ProbeReason::Connect, fmt::format("read: {}", std::strerror(errno)));
      }
      auto answer = parse_dns_answer({bytes.data(), static_cast<std::size_t>(got)}, question);
      if (answer) return std::move(*answer);
    }
  }
  return no_answer();
}

Probed<DnsAnswer> ask_tcp(const ProbeRoute& route, const std::string& query,
                          const DnsQuestion& question, const base::Clock& clock,
                          base::MonotonicTime deadline) {
  ProbeSocket socket(clock, deadline);
  TC_TRY(socket.connect(route));
  const std::array<char, 2> length = {static_cast<char>(query.size() >> 8U),
                                      static_cast<char>(query.size() & 0xffU)};
  TC_TRY(socket.write(std::string(length.data(), 2) + query));
  TC_TRY(const std::string size, socket.read_bytes(2));
  const std::size_t bytes = static_cast<std::size_t>(static_cast<unsigned char>(size[0])) << 8U |
                            static_cast<unsigned char>(size[1]);
  TC_TRY(const std::string message, socket.read_bytes(bytes));
  auto answer = parse_dns_answer(message, question);
  if (!answer) return failed_probe(ProbeReason::Protocol, answer.error().message);
  return std::move(*answer);
}

Probed<DnsAnswer> ask(const ProbeSettings& settings, const base::Clock& clock,
                      base::MonotonicTime deadline, ProbeResult& result) {
  const auto random = base::make_real_random();
  const DnsQuestion question{settings.dns.query, settings.dns.record,
                             static_cast<std::uint16_t>(random->next()), settings.dns.recursion};
  const auto query = make_dns_query(question);
  if (!query) return settings_failure(query.error());
  const ProbeRoute& route = settings.route;
  TC_TRY(const Resolved resolved, resolve(clock, route.address, route.ip));
  const ProbeAddress& address = resolved.addresses.front();
  result.reached(resolved.seconds, address.ip_protocol());
  result.add(kPhases, {{"phase", "resolve"}}, resolved.seconds);
  const base::MonotonicTime begin = clock.monotonic();
  if (!settings.dns.tcp) {
    const ProbeFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0) {
      return failed_probe(ProbeReason::Connect, fmt::format("connect: {}", std::strerror(errno)));
    }
    result.add(kPhases, {{"phase", "connect"}}, seconds_since(clock, begin));
    const base::MonotonicTime asked = clock.monotonic();
    TC_TRY(DnsAnswer answer, ask_udp(fd, *query, question, clock, deadline));
    result.add(kPhases, {{"phase", "request"}}, seconds_since(clock, asked));
    if (!answer.truncated) return answer;
    return ask_tcp(route, *query, question, clock, deadline);
  }
  TC_TRY(DnsAnswer answer, ask_tcp(route, *query, question, clock, deadline));
  result.add(kPhases, {{"phase", "request"}}, seconds_since(clock, begin));
  return answer;
}

std::optional<ProbeFailure> check(const DnsProbeSettings& wanted, const DnsAnswer& answer) {
  if (answer.rcode != wanted.rcode) {
    return failed_probe(ProbeReason::Answer, fmt::format("the DNS server says {}", answer.rcode));
  }
  if (answer.rcode == "NOERROR" && answer.records.empty()) {
    return failed_probe(ProbeReason::Answer,
                        fmt::format("no {} record for '{}'", wanted.record_name, wanted.query));
  }
  for (const std::string& one : wanted.expect) {
    if (std::find(answer.records.begin(), answer.records.end(), one) == answer.records.end()) {
      return failed_probe(ProbeReason::Answer, fmt::format("'{}' is not among the {} answers", one,
                                                           answer.records.size()));
    }
  }
  return std::nullopt;
}

}  // namespace

ProbeResult probe_dns(const ProbeSettings& settings, const base::Clock& clock) {
  ProbeResult result;
  const auto answer = ask(settings, clock, clock.monotonic() + settings.timeout, result);
  result.add(kSucceeded, answer ? 1 : 0);
  if (!answer) {
    result.failure = answer.error();
    return result;
  }
  result.add(kAnswers, static_cast<double>(answer->answers));
  result.add(kAuthorities, static_cast<double>(answer->authorities));
  result.add(kAdditionals, static_cast<double>(answer->additionals));
  if (answer->serial >= 0) result.add(kSerial, answer->serial);
  result.failure = check(settings.dns, *answer);
  return result;
}

}  // namespace tocsin::agent
