#include "alertd/api/query_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>

#include "alertd/api/compress.h"
#include "common/base/log.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

/// One place among the queries; given back when the task is done, or dropped by a stopping
/// executor.
class Place {
 public:
  explicit Place(std::shared_ptr<std::atomic<std::size_t>> active) : active_(std::move(active)) {}
  ~Place() { --*active_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<std::atomic<std::size_t>> active_;
};

}  // namespace

QueryRunner::QueryRunner(base::Executor& workers, base::Metrics& metrics, std::size_t queries_max,
                         base::Duration timeout_max)
    : workers_(workers),
      metrics_(metrics),
      queries_max_(queries_max),
      timeout_max_(timeout_max),
      active_(std::make_shared<std::atomic<std::size_t>>(0)) {}

QueryRunner::Patience QueryRunner::patience(const net::ServerRequest& request,
                                            std::optional<base::Duration> timeout) const {
  return {std::min(timeout.value_or(timeout_max_), timeout_max_), request.hung_up,
          accepts_gzip(request.header("accept-encoding"))};
}

void QueryRunner::run(const Patience& patience, net::Respond respond, Work work) {
  const base::Duration timeout = patience.timeout;
  const auto ended = [this](std::string_view outcome) {
    metrics_
        .counter("tocsin_alertd_queries_total", "Queries of the API, by how they ended.",
                 {{"outcome", std::string(outcome)}})
        .increment();
  };
  const bool full = active_->fetch_add(1) >= queries_max_;
  auto place = std::make_shared<Place>(active_);
  if (full) {
    ended("refused");
    auto response =
        net::error_response(503, "unavailable",
                            fmt::format("{} queries are running or waiting, limit {}; try again",
                                        queries_max_, queries_max_));
    response.headers.emplace_back("Retry-After", "1");
    respond(std::move(response));
    return;
  }
  const base::MonotonicTime start = workers_.clock().monotonic();
  workers_.post([this, place, ended, timeout, start, hung_up = patience.hung_up,
                 zip = patience.gzip, respond = std::move(respond), work = std::move(work)] {
    bool gave_up = false;
    bool alone = false;  // nobody waits for the answer any more
    const Cancelled cancelled = [&, due = start + timeout] {
      alone = alone || (hung_up && hung_up->load());
      gave_up = gave_up || alone || workers_.clock().monotonic() >= due;
      return gave_up;
    };
    net::ServerResponse response;
    try {
      if (!cancelled()) response = work(cancelled);
    } catch (const std::exception& exception) {
      base::log_error("alertd/api", "query threw: {}", exception.what());
      response = net::error_response(500, "internal", "internal error during the query");
    }
    // A query that finished in spite of the time is still an answer; one that was cut off is
    // not.
    if (gave_up && (response.status != 200 || response.body.empty())) {
      response = alone ? net::error_response(503, "canceled", "the client closed the connection")
                       : net::error_response(503, "timeout",
                                             fmt::format("the query was given up after {}",
                                                         base::format_duration(timeout)));
    }
    ended(response.status == 200 ? "ok" : alone ? "cancelled" : gave_up ? "timeout" : "error");
    metrics_
        .histogram("tocsin_alertd_query_duration_seconds",
                   "Time of API queries from arrival to answer.", {0.01, 0.1, 1, 10, 60})
        .observe(std::chrono::duration<double>(workers_.clock().monotonic() - start).count());
    if (zip && !alone) gzip(response);
    respond(std::move(response));
  });
}

}  // namespace tocsin::api
