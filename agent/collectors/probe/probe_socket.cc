#include "agent/collectors/probe/probe_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kLineBytesMax = 16 << 10;
constexpr std::size_t kBytesMax = 1 << 20;  // of a whole conversation

struct TlsFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

std::string tls_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "the other side hung up" : text;
}

bool again() {
  return errno == EAGAIN || errno == EINTR;
}

ProbeFailure late(const char* doing) {
  return failed_probe(ProbeReason::Timeout, fmt::format("{}: no answer in time", doing));
}

}  // namespace

double seconds_since(const base::Clock& clock, base::MonotonicTime begin) {
  return std::chrono::duration<double>(clock.monotonic() - begin).count();
}

ProbeFd::~ProbeFd() {
  if (fd_ >= 0) ::close(fd_);
}

bool ProbeFd::wait(short events, const base::Clock& clock, base::MonotonicTime deadline) const {
  for (;;) {
    const auto rest = std::chrono::ceil<base::Duration>(deadline - clock.monotonic()).count();
    if (rest <= 0) return false;
    pollfd one{fd_, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(rest, 60'000)));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;  // the next call says what it is
  }
}

Probed<Resolved> resolve(const base::Clock& clock, const net::HostPort& where, IpProtocol ip) {
  const base::MonotonicTime begin = clock.monotonic();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_family = ip == IpProtocol::V4 ? AF_INET : ip == IpProtocol::V6 ? AF_INET6 : AF_UNSPEC;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(where.port);
  if (const int bad = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &list); bad != 0) {
    return failed_probe(ProbeReason::Dns,
                        fmt::format("the name '{}' was not found: {}",
                                    base::escape_control(where.host), gai_strerror(bad)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  Resolved resolved;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    ProbeAddress address;
    address.size = std::min<socklen_t>(one->ai_addrlen, sizeof address.bytes);
    std::memcpy(&address.bytes, one->ai_addr, address.size);
    resolved.addresses.push_back(address);
  }
  resolved.seconds = seconds_since(clock, begin);
  if (resolved.addresses.empty()) return failed_probe(ProbeReason::Dns, "the name has no address");
  return resolved;
}

struct ProbeSocket::Impl {
  std::unique_ptr<SSL_CTX, TlsFree> context;
  std::unique_ptr<SSL, TlsFree> ssl;
};

ProbeSocket::ProbeSocket(const base::Clock& clock, base::MonotonicTime deadline)
    : clock_(clock), deadline_(deadline), impl_(std::make_unique<Impl>()) {}

ProbeSocket::~ProbeSocket() = default;

Probed<void> ProbeSocket::connect(const ProbeRoute& route) {
  TC_TRY(const Resolved resolved,
         resolve(clock_, route.connect_to ? *route.connect_to : route.address, route.ip));
  resolve_seconds = resolved.seconds;
  const base::MonotonicTime begin = clock_.monotonic();
  Probed<void> result = late("connect");
  for (const ProbeAddress& address : resolved.addresses) {
    ip_protocol = address.ip_protocol();
    result = connect_one(address);
    if (result) break;
  }
  connect_seconds = seconds_since(clock_, begin);
  return result;
}

Probed<void> ProbeSocket::connect_one(const ProbeAddress& address) {
  const auto refused = [](int code) {
    return failed_probe(code == ETIMEDOUT ? ProbeReason::Timeout : ProbeReason::Connect,
                        fmt::format("connect: {}", std::strerror(code)));
  };
  fd_ = ProbeFd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd_.get() < 0) return refused(errno);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0) {
    return probed();
  }
  if (errno != EINPROGRESS) return refused(errno);
  if (!fd_.wait(POLLOUT, clock_, deadline_)) return late("connect");
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return refused(code);
  return probed();
}

template <class Call>
Probed<int> ProbeSocket::tls_call(Call call, const char* doing) {
  for (;;) {
    ERR_clear_error();
    const int done = call();
    if (done > 0) return done;
    const int why = SSL_get_error(impl_->ssl.get(), done);
    const short events = why == SSL_ERROR_WANT_READ    ? POLLIN
                         : why == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                       : 0;
    if (events == 0) {
      return failed_probe(why == SSL_ERROR_ZERO_RETURN ? ProbeReason::Protocol : ProbeReason::Tls,
                          fmt::format("{}: {}", doing, tls_reason()));
    }
    if (!fd_.wait(events, clock_, deadline_)) return late(doing);
  }
}

Probed<void> ProbeSocket::start_tls(const ProbeRoute& route, TlsVersions versions) {
  const base::MonotonicTime begin = clock_.monotonic();
  impl_->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = impl_->context.get();
  if (context == nullptr) return failed_probe(ProbeReason::Tls, "no memory for TLS");
  if (const auto used = use_tls_options(context, route.tls); !used) {
    return settings_failure(used.error());
  }
  SSL_CTX_set_min_proto_version(context, versions.min == 0 ? TLS1_2_VERSION : versions.min);
  if (versions.max != 0) {
    SSL_CTX_set_max_proto_version(context, versions.max);
    SSL_CTX_set_security_level(context, 0);  // what is old is not secure: that is the question
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
  }
  record_tls_facts(context, route.server_name, OnBadCertificate::GoOn, &tls);
  impl_->ssl.reset(SSL_new(context));
  SSL* ssl = impl_->ssl.get();
  if (ssl == nullptr) return failed_probe(ProbeReason::Tls, "no memory for TLS");
  SSL_set_fd(ssl, fd_.get());
  // SNI knows names only.
  if (!is_ip_address(route.server_name)) {
    SSL_set_tlsext_host_name(ssl, route.server_name.c_str());
  }
  const auto done = tls_call([ssl] { return SSL_connect(ssl); }, "TLS");
  tls_seconds = seconds_since(clock_, begin);
  if (!done) return done.error();
  return probed();
}

Probed<void> ProbeSocket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (impl_->ssl) {
      SSL* ssl = impl_->ssl.get();
      TC_TRY(const int sent,
             tls_call([&] { return SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size())); },
                      "send"));
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (!again()) {
      return failed_probe(ProbeReason::Protocol, fmt::format("send: {}", std::strerror(errno)));
    } else if (!fd_.wait(POLLOUT, clock_, deadline_)) {
      return late("send");
    }
  }
  return probed();
}

Probed<void> ProbeSocket::read_some() {
  std::array<char, 4096> bytes;
  std::size_t size = 0;
  if (impl_->ssl) {
    SSL* ssl = impl_->ssl.get();
    TC_TRY(const int got,
           tls_call([&] { return SSL_read(ssl, bytes.data(), static_cast<int>(bytes.size())); },
                    "wait for an answer"));
    size = static_cast<std::size_t>(got);
  } else {
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (got > 0) {
        size = static_cast<std::size_t>(got);
        break;
      }
      if (got == 0) return failed_probe(ProbeReason::Protocol, "the other side hung up");
      if (!again()) {
        return failed_probe(ProbeReason::Protocol, fmt::format("read: {}", std::strerror(errno)));
      }
      if (!fd_.wait(POLLIN, clock_, deadline_)) return late("wait for an answer");
    }
  }
  received_.append(bytes.data(), size);
  received_bytes_ += size;
  if (received_bytes_ > kBytesMax) {
    return failed_probe(ProbeReason::Protocol, "the other side sends more than 1 MiB");
  }
  return probed();
}

Probed<std::string> ProbeSocket::read_line() {
  for (;;) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (received_.size() > kLineBytesMax) {
      return failed_probe(ProbeReason::Protocol, "a line is longer than 16 KiB");
    }
    TC_TRY(read_some());
  }
}

Probed<std::string> ProbeSocket::read_bytes(std::size_t count) {
  while (received_.size() < count) TC_TRY(read_some());
  std::string bytes = received_.substr(0, count);
  received_.erase(0, count);
  return bytes;
}

}  // namespace tocsin::agent
