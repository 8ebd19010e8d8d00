// One request on its way through the HTTP client's loop. Internal to common/net.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/executor.h"
#include "common/base/result.h"
#include "common/net/http_answer.h"

namespace tocsin::net {

/// What goes over a connection of the loop's own, without curl (plain_http.h).
struct PlainExchange {
  std::string peer;       ///< "host:port"
  std::string head;       ///< Up to the empty line.
  std::string_view body;  ///< Lives as long as the job.
  AnswerReader reader;
};

/// Exactly one of finish() and fail() is called, then reply().
class TransferJob {
 public:
  TransferJob(std::string origin_in, base::Duration timeout_in, base::Executor& reply_on_in)
      : origin(std::move(origin_in)), timeout(timeout_in), reply_on(reply_on_in) {}
  virtual ~TransferJob() = default;

  /// `easy` is a CURL* with the common options set (no signals, the rest of the timeout); sets
  /// the others, which may point into this object. On the loop's thread, as the next three. With
  /// `plain` curl is only to connect.
  virtual void prepare(void* easy) = 0;
  /// The handle is used no more, but the request goes on: curl has connected.
  virtual void connected(void* easy) = 0;
  /// It ended with `code`, a CURLcode; `easy` is null if curl had no part in it, then `detail` says
  /// more.
  virtual void finish(void* easy, int code, std::string_view detail) = 0;
  virtual void fail(base::Error error) = 0;  ///< Unavailable, Timeout or Cancelled.
  /// On the executor.
  virtual void reply() = 0;

  const std::string origin;  ///< For messages.
  const base::Duration timeout;
  base::Executor& reply_on;
  std::unique_ptr<PlainExchange> plain;  ///< Null: it is all curl's.
};

/// A job, and when its time is over.
struct TimedJob {
  std::unique_ptr<TransferJob> job;
  base::MonotonicTime due{};
};

}  // namespace tocsin::net
