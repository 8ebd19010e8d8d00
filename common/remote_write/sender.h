// From the disk queue to alertd: in order, one request in flight, until it is acknowledged.
//
// Each batch is stored as the body of a remote-write 2.0 request of its own, so that one that is
// refused is dropped alone. The batches of a round are joined in one request, from memory; one
// batch alone is sent as it is stored. When batches have piled up, several are read back and joined
// into one request of up to `samples_per_request`, and requests are spaced so that a backlog of a
// day does not hit a just-recovered alertd at full speed. A receiver that only knows 1.0 gets 1.0.
//
// After a failure the pause grows from 1 s to 1 min, drawn at random from the whole range (full
// jitter) plus a fixed part of a second by host name: a fleet does not knock in step. Retry-After
// is honoured. A request whose answer was lost is sent again: the store drops samples it has
// already.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/random.h"
#include "common/model/write_batch.h"
#include "common/net/http_client.h"
#include "common/remote_write/verdict.h"
#include "common/spool/spool.h"

namespace tocsin::remote_write {

struct SenderOptions {
  std::string url;       ///< Of the remote-write endpoint.
  net::Headers headers;  ///< Sent with each request.
  base::Secret token;
  net::TlsOptions tls;
  std::string host;  ///< Spreads the pauses of a fleet.
  std::size_t samples_per_request = 2'000;
  base::Duration request_timeout{10'000};
  base::Duration backoff_min{1'000};
  base::Duration backoff_max{60'000};
  base::Duration operator_retry{60'000};
  base::Duration linger{100};  ///< A round's scrapes arrive within this and travel in one request.
  double replay_samples_per_second = 10'000;
  bool only_v1 = false;  ///< Remote write 1.0 from the start.
  Advice advice{};
  spool::QueueNames names{.log = "agent/sender"};
};

/// Sends what the spool holds. Owner: its executor, one thread; every call on it. Owns the spool's
/// use: nobody else may call it.
class Sender {
 public:
  struct World {
    base::Executor& executor;
    net::HttpClient& http;
    spool::Spool& spool;
    base::Random& random;
    base::Metrics& metrics;
    /// Told after each request: "" if alertd answered (a refusal too), else why it did not.
    std::function<void(const std::string& problem)> heard = nullptr;
  };

  Sender(SenderOptions options, World world);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Takes new settings in; a changed address or token is tried at once.
  void configure(SenderOptions options);

  /// Begins with what an earlier run left.
  void start();

  /// Stores the batch and sends it when its turn comes. Never fails; the spool counts what it
  /// drops.
  void push(model::WriteBatch batch);

  /// Sends nothing more; once the answer of the request in flight is there (if any), flushes the
  /// spool and calls `done`.
  void stop(std::function<void()> done);

 private:
  struct InFlight {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::size_t records = 0;
    std::size_t samples = 0;
    proto::Version version = proto::Version::V2;
    base::MonotonicTime sent{};
  };

  /// A batch that was stored since the latest request.
  struct Fresh {
    std::uint64_t sequence = 0;
    model::WriteBatch batch;
  };

  void keep_fresh(std::uint64_t sequence, model::WriteBatch batch);
  std::vector<model::WriteBatch> take_fresh(std::span<const spool::SpoolRecord> records);
  void wake_in(base::Duration delay);
  void pump();
  std::optional<std::string> body_for(std::vector<spool::SpoolRecord>& records);
  bool read_back(std::vector<spool::SpoolRecord>& records, std::vector<model::WriteBatch>& batches);
  void send(const std::vector<spool::SpoolRecord>& records, std::string body);
  void answered(const base::Result<net::HttpResponse>& answer);
  void delivered(const InFlight& request);
  void refused(const InFlight& request, const Judgement& judgement);
  void too_large(const InFlight& request, const Judgement& judgement);
  void fall_back(const Judgement& judgement);
  void retry(const Judgement& judgement, base::Duration at_least);
  base::Duration pause();
  void count_failure(const std::string& reason);
  void keep_maintaining();
  base::MonotonicTime now() const { return world_.executor.clock().monotonic(); }

  SenderOptions options_;
  World world_;
  base::FailureLog failures_{options_.names.log};
  std::optional<InFlight> in_flight_;
  /// What a round brings is joined without reading it back; at most a request's worth.
  std::deque<Fresh> fresh_;
  std::size_t fresh_samples_ = 0;
  base::TimerId timer_ = 0;
  base::TimerId maintenance_ = 0;
  unsigned failures_in_row_ = 0;
  std::size_t samples_max_;  // Of the next request; shrinks after 413.
  std::uint64_t isolate_until_ =
      0;  // Up to this sequence batches go one by one, to find the bad one.
  proto::Version version_ = proto::Version::V2;
  base::MonotonicTime try_v2_again_{};
  bool settings_changed_ =
      false;  // While a request was in flight: its failure says nothing of the new.
  bool stopped_ = false;
  std::function<void()> stop_done_;
  base::Counter requests_;
  base::Counter samples_sent_;
  base::Gauge last_success_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::remote_write
