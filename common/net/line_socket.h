// A TCP connection that speaks lines, with TLS from the start or later.
//
// Blocking, for a client's own thread (irc_client.cc); every wait has a deadline, and wake() ends
// it from another thread. Internal to common/net.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/net/http_client.h"
#include "common/net/url.h"

namespace tocsin::net {

/// Thread: one at a time; wake() from any.
///
/// Errors of all: Unavailable (cannot connect, connection lost, not connected), Timeout (deadline
/// passed), InvalidArgument (a certificate file of ours), PermissionDenied (the other side's
/// certificate), LimitExceeded (a line over 16 KiB). After an error the connection is closed.
class LineSocket {
 public:
  explicit LineSocket(const base::Clock& clock);
  ~LineSocket();
  LineSocket(const LineSocket&) = delete;
  LineSocket& operator=(const LineSocket&) = delete;

  /// Resolves the name and connects. Name resolution itself cannot be given up before its end.
  base::Result<void> connect(const HostPort& where, base::MonotonicTime deadline);

  /// Negotiates TLS (1.2 or later) and checks that the certificate is `host`'s.
  base::Result<void> start_tls(const std::string& host, const TlsOptions& options,
                               base::MonotonicTime deadline);

  base::Result<void> write(std::string_view bytes, base::MonotonicTime deadline);

  /// Returns the next line without its end; nullopt at `until` or when woken.
  base::Result<std::optional<std::string>> read_line(base::MonotonicTime until);

  bool connected() const;
  void close();

  /// Makes the wait of another thread return, or the next one if none waits.
  void wake();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::net
