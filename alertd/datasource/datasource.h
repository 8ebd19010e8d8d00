// One engine that is asked by HTTP: how many questions at once, how long, how often again.
//
// A question has a deadline, that of the round it belongs to. Until then what may be a passing
// trouble (no connection, time-out, 429, 5xx, a partial answer) is asked again with growing pauses;
// what the engine will always refuse (a bad expression, a wrong token) is not. Questions beyond
// `max_parallel` wait in order; what has waited past its deadline is not sent any more.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "alertd/datasource/datasource_settings.h"
#include "alertd/datasource/query_answer.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/base/random.h"

namespace tocsin::datasource {

/// What a datasource works with; all of it outlives the executor's last task.
struct DatasourceWorld {
  base::Executor& executor;  ///< Where answers go on.
  net::HttpClient& http;     ///< With as many threads as all datasources may ask at once.
  base::Random& random;
  base::Metrics& metrics;
};

/// Held by shared_ptr, because answers come late. Thread: any.
class Datasource : public std::enable_shared_from_this<Datasource> {
 public:
  using Done = std::function<void(base::Result<QueryAnswer>)>;

  struct Question {
    std::string expr;
    base::WallTime at;
    base::MonotonicTime deadline;
    std::function<bool()> cancelled;  ///< Asked before each attempt; may be empty.
  };

  Datasource(DatasourceSettings settings, const DatasourceWorld& world);

  /// Asks the instant query and calls `done` once, on the executor or (if it cannot even wait)
  /// before it returns. Errors: InvalidArgument (the engine does not take the expression, or us),
  /// LimitExceeded (too large an answer), Timeout, Unavailable (also a partial answer), Corruption
  /// (no answer of that API), Cancelled.
  void ask(Question question, Done done) EXCLUDES(mutex_);

  /// New questions use these: a changed address, token or limit. The name stays.
  void reload(DatasourceSettings settings) EXCLUDES(mutex_);

  std::shared_ptr<const DatasourceSettings> settings() const EXCLUDES(mutex_);
  const base::Clock& clock() const { return world_.executor.clock(); }

 private:
  struct Job {
    Question question;
    Done done;
    unsigned attempts = 0;
    base::MonotonicTime sent{};
  };
  using JobPtr = std::shared_ptr<Job>;
  struct Judgement;

  void enqueue(const JobPtr& job) EXCLUDES(mutex_);
  void send(const JobPtr& job);
  void answered(const JobPtr& job, const base::Result<net::HttpResponse>& response);
  Judgement judge(const base::Result<net::HttpResponse>& response, const DatasourceSettings& by);
  void release() EXCLUDES(mutex_);
  void finish(const JobPtr& job, base::Result<QueryAnswer> answer);
  void count(const char* outcome);
  base::Duration pause(unsigned attempts);

  DatasourceWorld world_;
  const std::string name_;
  base::FailureLog failures_{"alertd/datasource"};
  base::Gauge up_;
  base::Gauge last_success_;
  base::Histogram duration_;

  mutable base::Mutex mutex_;
  std::shared_ptr<const DatasourceSettings> settings_ GUARDED_BY(mutex_);
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  std::deque<JobPtr> waiting_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::datasource
