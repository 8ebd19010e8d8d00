// Runs queries on worker threads, never on the I/O threads, with a bound on their number and their
// time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Thread: run() from any. Stop the workers before destroying this.
class QueryRunner {
 public:
  /// Asked now and then by a query; true once it should give up.
  using Cancelled = std::function<bool()>;
  using Work = std::function<net::ServerResponse(const Cancelled& cancelled)>;

  /// `queries_max` counts the waiting ones too; more are answered with 503.
  QueryRunner(base::Executor& workers, base::Metrics& metrics, std::size_t queries_max,
              base::Duration timeout_max);

  /// How long a query may take, whether anybody still waits for it, and what the client reads.
  struct Patience {
    base::Duration timeout{0};
    std::shared_ptr<const std::atomic<bool>> hung_up;  ///< Null: the client stays.
    bool gzip = false;
  };
  /// The patience of a request; without `timeout`, as long as is allowed.
  Patience patience(const net::ServerRequest& request,
                    std::optional<base::Duration> timeout = std::nullopt) const;

  /// Runs `work` within `timeout` (at most timeout_max) of now, time in the queue included, and
  /// answers with what it returns, compressed if the client reads that; with 503 "timeout" if it
  /// gave up. A query whose client hung up is given up too.
  void run(const Patience& patience, net::Respond respond, Work work);

 private:
  base::Executor& workers_;
  base::Metrics& metrics_;
  const std::size_t queries_max_;
  const base::Duration timeout_max_;
  std::shared_ptr<std::atomic<std::size_t>> active_;
};

}  // namespace tocsin::api
