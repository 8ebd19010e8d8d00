// POST /api/v1/write: from an HTTP request to durable samples, or to an answer that says why not.
//
// Authenticate and look at the sender's limits before the body is read; then, when it is this
// sender's turn, decode, check and stamp the identity, append, and answer when it is on disk. The
// answers are those of proto/REMOTE_WRITE.md: a sender must know whether to drop, to split or to
// try again.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "alertd/ingest/agent_registry.h"
#include "alertd/ingest/last_seen.h"
#include "alertd/ingest/senders.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/model/appender.h"
#include "common/model/metadata_table.h"
#include "common/net/http_server.h"
#include "proto/codec.h"

namespace tocsin::ingest {

struct RemoteWriteOptions {
  proto::Limits limits;  ///< Of a request; what senders have limits of their own for is theirs.
  IngestLimits senders;
  /// Writers on this host need no token; their labels are taken as they are.
  bool loopback_without_token = true;
  /// What Retry-After says when the store cannot take more.
  base::Duration retry_after{5'000};
  /// Samples of one sender between decoding and the store's answer; beyond, its next request waits.
  std::uint64_t samples_in_store_max = 100'000;
  /// How long a refusal before the body is held back: whoever does not wait is made to.
  base::Duration refusal_delay{200};
  std::uint64_t seed = 0;  ///< For hashing what senders choose; secret, random.
};

/// Lifecycle: outlives the HTTP server and the appender's pending answers. Thread: any.
class RemoteWriteHandler {
 public:
  RemoteWriteHandler(const RemoteWriteOptions& options, const AgentRegistry& registry,
                     model::Appender& appender, const base::Clock& clock, base::Metrics& metrics);
  ~RemoteWriteHandler();
  RemoteWriteHandler(const RemoteWriteHandler&) = delete;
  RemoteWriteHandler& operator=(const RemoteWriteHandler&) = delete;

  /// Decides about a request before its body is read; give it to net::HttpServer for the path.
  /// handle() does it itself for requests that did not come through here.
  net::Admission admit(net::ServerRequest& head);
  /// Answers one request; does not block. Give it to net::HttpServer for the path.
  void handle(net::ServerRequest request, net::Respond respond);
  /// Where requests are decoded instead of on the caller's thread; before the first request. May
  /// have several threads; stopped before this ends.
  void decode_on(base::Executor& executor) { decoder_ = &executor; }
  /// Takes up new limits; existing series and requests in flight go on.
  void take_limits(IngestLimits limits) { senders_.take_limits(std::move(limits)); }

  /// Takes up who is enrolled: call after the registry was loaded or changed. New agents are
  /// expected from now on, removed ones no longer.
  void registry_changed();
  /// Where type, help and unit of metrics are noted; before the first request, outlives this.
  void keep_metadata_in(model::MetadataTable& table) { metadata_ = &table; }
  /// Who is told of each newest sample of `task_*` and of agents' heartbeats, once it is stored; on
  /// the appender's thread, must not block. Before the first request.
  using Hear = std::function<void(std::span<const model::LabelView>, model::Sample)>;
  void hear_with(Hear hear) { hear_ = std::move(hear); }
  /// Returns the agent, null for a local writer without token. Errors: PermissionDenied.
  base::Result<std::shared_ptr<const Agent>> authenticate(const net::ServerRequest& request) const;
  /// Returns when a host was last heard of.
  std::optional<SeenHost> last_seen(std::string_view host) const { return last_seen_.find(host); }
  /// Returns what the sender did and may do; its limits alone if it never came.
  SenderStatus sender_status(std::string_view name) const;
  /// Returns that of all who ever came, by name.
  std::vector<SenderStatus> senders() const { return senders_.all(); }

 private:
  class Ticket;
  class Connection;
  /// Who wrote, and what of it was left out before the store.
  struct Writer {
    std::shared_ptr<Ticket> ticket;
    std::size_t reserved_samples = 0;
    std::size_t native_histograms = 0;
  };
  struct Refused {
    int status = 400;
    std::string reason;  ///< The value of the label `reason`.
    std::string message;
    base::Duration retry_after{0};
  };

  net::ServerResponse refusal(const Refused& refused);
  void refuse(const net::Respond& respond, int status, std::string_view reason,
              std::string message);
  Refused limited(Sender& sender, const Sender::Refusal& over);
  static Refused over_series(const Sender& sender, const model::AppendOutcome& outcome,
                             std::uint64_t written);
  std::optional<Refused> enter(net::ServerRequest& head, std::optional<std::size_t> body_bytes);
  void pump_soon();
  void pump();
  void work(std::shared_ptr<Ticket> ticket, proto::Version version, const std::string& body,
            net::Respond respond);
  void write(Writer writer, model::WriteBatch batch, net::Respond respond);
  void count_dropped(const char* kind, std::size_t count);
  /// Counts native histograms, which are not stored, and says so once for each sender.
  void note_native_histograms(const Writer& writer);
  void note_hosts(const model::WriteBatch& batch, const Agent* agent);
  void answer(const net::Respond& respond, const Writer& writer, std::uint64_t samples_sent,
              const base::Result<model::AppendOutcome>& outcome);

  const RemoteWriteOptions options_;
  const AgentRegistry& registry_;
  model::Appender& appender_;
  model::MetadataTable* metadata_ = nullptr;
  Hear hear_;
  const base::Clock& clock_;
  base::Metrics& metrics_;
  base::Executor* decoder_ = nullptr;
  LastSeen last_seen_;
  FairQueue queue_;
  Senders senders_;
  /// Each sender's refusal is said once: a misconfigured fleet must not fill the log.
  base::FailureLog refusals_{"alertd/ingest"};
  base::Mutex mutex_;
  std::set<std::string> enrolled_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::ingest
