// A connection of a probe: blocking, each wait with a deadline, and with the time each step took.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/probe/probe_result.h"
#include "agent/collectors/probe/probe_settings.h"
#include "agent/collectors/probe/tls_facts.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// Seconds from `begin` to now.
double seconds_since(const base::Clock& clock, base::MonotonicTime begin);

/// Where a name led.
struct ProbeAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  int family() const { return bytes.ss_family; }
  int ip_protocol() const { return family() == AF_INET6 ? 6 : 4; }
};

struct Resolved {
  std::vector<ProbeAddress> addresses;  ///< At least one.
  double seconds = 0;
};

/// Looks the name up as every program of this host does. It cannot be given up before its end.
Probed<Resolved> resolve(const base::Clock& clock, const net::HostPort& where, IpProtocol ip);

/// A file descriptor that is closed with the object.
class ProbeFd {
 public:
  explicit ProbeFd(int fd = -1) : fd_(fd) {}
  ~ProbeFd();
  ProbeFd(ProbeFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ProbeFd& operator=(ProbeFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  /// Waits until `events` are there; false at the deadline.
  bool wait(short events, const base::Clock& clock, base::MonotonicTime deadline) const;

 private:
  int fd_;
};

/// Which versions of TLS are offered; as OpenSSL numbers them, 0: the usual.
struct TlsVersions {
  int min = 0;
  int max = 0;
};

/// A TCP connection, later perhaps with TLS. Thread: one at a time.
///
/// Failures of all: Timeout (the deadline), Protocol (the other side hung up).
class ProbeSocket {
 public:
  ProbeSocket(const base::Clock& clock, base::MonotonicTime deadline);
  ~ProbeSocket();
  ProbeSocket(const ProbeSocket&) = delete;
  ProbeSocket& operator=(const ProbeSocket&) = delete;

  /// Resolves and connects to the first address that answers. Failures: Dns, Connect too.
  Probed<void> connect(const ProbeRoute& route);

  /// Negotiates TLS. `facts` are filled also when it fails; a bad certificate does not end it.
  /// Failures: Tls, Settings too.
  Probed<void> start_tls(const ProbeRoute& route, TlsVersions versions = {});

  Probed<void> write(std::string_view bytes);
  /// Returns the next line without its end. Failure: Protocol if it is longer than 16 KiB, too.
  Probed<std::string> read_line();
  /// Returns exactly that many bytes.
  Probed<std::string> read_bytes(std::size_t count);

  double resolve_seconds = 0;
  double connect_seconds = 0;
  double tls_seconds = 0;
  int ip_protocol = 0;
  TlsFacts tls;

 private:
  struct Impl;

  Probed<void> connect_one(const ProbeAddress& address);
  Probed<void> read_some();
  template <class Call>
  Probed<int> tls_call(Call call, const char* doing);

  const base::Clock& clock_;
  base::MonotonicTime deadline_;
  ProbeFd fd_;
  std::string received_;
  std::size_t received_bytes_ = 0;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::agent
