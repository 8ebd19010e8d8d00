// A connection to Redis or Valkey, with a time-out for each answer. Blocking.
//
// redis_connection.cc is the only file that includes hiredis.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace tocsin::agent {

struct RedisAddress {
  std::string host;  ///< A name or an address; empty: `socket`.
  int port = 6379;
  std::string socket;  ///< Path of a Unix socket.
  std::string user;    ///< Of an access list; empty: the default user.
  base::Secret password;
  base::Duration timeout{2'000};
};

/// An answer. Errors of the server are errors of the call.
struct RedisReply {
  std::optional<std::string> text;  ///< Of strings, numbers and states; none: nil or a list.
  std::vector<RedisReply> list;

  /// Returns the number; 0 if it is none.
  double number() const;
};

using RedisCommand = std::vector<std::string>;

/// Thread: one at a time.
class RedisConnection {
 public:
  /// Errors: Unavailable, Timeout, PermissionDenied (user or password).
  static base::Result<std::unique_ptr<RedisConnection>> connect(const RedisAddress& address);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  /// Errors: PermissionDenied (the access list), NotFound (unknown command), InvalidArgument (the
  /// server's other errors), Unavailable, Timeout: the connection is gone then.
  base::Result<RedisReply> run(const RedisCommand& command);
  /// All in one go, in order. An error of the server for one is an error of the whole.
  base::Result<std::vector<RedisReply>> run_all(const std::vector<RedisCommand>& commands);

  bool broken() const { return broken_; }

 private:
  struct Impl;

  explicit RedisConnection(std::unique_ptr<Impl> impl);
  base::Error failure();

  std::unique_ptr<Impl> impl_;
  bool broken_ = false;
};

}  // namespace tocsin::agent
