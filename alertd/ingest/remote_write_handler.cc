#include "alertd/ingest/remote_write_handler.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "alertd/ingest/identity.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::ingest {
namespace {

using base::ErrorCode;

constexpr std::string_view kHeartbeat = "tocsin_agent_heartbeat_timestamp_seconds";
constexpr std::string_view kTaskPrefix = "task_";
constexpr std::string_view kBuildInfo = "tocsin_agent_build_info";
constexpr std::string_view kBearer = "bearer ";
/// What a request costs beside its bytes, in bytes.
constexpr std::size_t kRequestCost = 16 << 10;

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 413:
      return "too_large";
    case 429:
      return "too_many_requests";
    case 503:
      return "unavailable";
    default:
      return "bad_data";
  }
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::LimitExceeded:
      return 413;
    case ErrorCode::Unavailable:
    case ErrorCode::Timeout:
    case ErrorCode::Io:
      return 503;
    default:
      return 400;
  }
}

std::string_view find_label(std::span<const model::LabelView> labels, std::string_view name) {
  for (const model::LabelView& label : labels) {
    if (label.name == name) return label.value;
  }
  return {};
}

/// Whether note_hosts() reads samples of this metric.
bool is_heard(std::string_view metric) {
  return metric == kHeartbeat || metric == kBuildInfo || metric.starts_with(kTaskPrefix);
}

std::string refused_text(const model::AppendOutcome& outcome) {
  std::string text;
  const auto add = [&](const char* reason, std::uint64_t count) {
    if (count > 0) text += fmt::format("{}{}={}", text.empty() ? "" : ", ", reason, count);
  };
  add("conflicting", outcome.samples_conflicting);
  add("out_of_order", outcome.samples_out_of_order);
  add("too_old", outcome.samples_too_old);
  add("too_new", outcome.samples_too_new);
  add("series_limit", outcome.series_refused);
  return text;
}

}  // namespace

/// A request's place among those of its sender; given back with the last copy.
class RemoteWriteHandler::Ticket {
 public:
  Ticket(std::shared_ptr<const Agent> agent, std::shared_ptr<Sender> sender, std::uint64_t bytes)
      : agent_(std::move(agent)), sender_(std::move(sender)), bytes_(bytes) {}
  ~Ticket() { sender_->leave(bytes_); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  const std::shared_ptr<const Agent>& agent() const { return agent_; }  ///< Null: local writers.
  Sender& sender() const { return *sender_; }

 private:
  std::shared_ptr<const Agent> agent_;
  std::shared_ptr<Sender> sender_;
  std::uint64_t bytes_;
};

/// A connection's place among those of its sender.
class RemoteWriteHandler::Connection {
 public:
  explicit Connection(std::shared_ptr<Sender> sender) : sender_(std::move(sender)) {}
  ~Connection() { sender_->disconnect(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  bool is_of(const Sender& sender) const { return sender_.get() == &sender; }

 private:
  std::shared_ptr<Sender> sender_;
};

RemoteWriteHandler::RemoteWriteHandler(const RemoteWriteOptions& options,
                                       const AgentRegistry& registry, model::Appender& appender,
                                       const base::Clock& clock, base::Metrics& metrics)
    : options_(options),
      registry_(registry),
      appender_(appender),
      clock_(clock),
      metrics_(metrics),
      last_seen_(metrics),
      queue_(options.samples_in_store_max),
      senders_(options.senders, queue_, metrics) {
  registry_changed();
}

RemoteWriteHandler::~RemoteWriteHandler() = default;

void RemoteWriteHandler::registry_changed() {
  std::set<std::string> now;
  for (const Agent& agent : registry_.list()) now.insert(agent.name);
  const base::WallTime when = clock_.wall();
  const base::MutexLock lock(mutex_);
  for (const std::string& name : now) last_seen_.expect(name, when);
  for (const std::string& name : enrolled_) {
    if (now.contains(name)) continue;
    last_seen_.forget(name);
    senders_.forget(name);
  }
  enrolled_ = std::move(now);
}

net::ServerResponse RemoteWriteHandler::refusal(const Refused& refused) {
  metrics_
      .counter("tocsin_alertd_ingest_refused_total", "Write requests refused, by reason.",
               {{"reason", refused.reason}})
      .increment();
  const int status = refused.status;
  net::ServerResponse response;
  response.status = status;
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 405) response.headers.emplace_back("Allow", "POST");
  if (status == 429 || status == 503) {
    const base::Duration wait =
        refused.retry_after.count() > 0 ? refused.retry_after : options_.retry_after;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  const std::string_view type = error_type(status);
  response.body = boost::json::serialize(
      boost::json::object{{"status", "error"},
                          {"errorType", boost::json::string_view(type.data(), type.size())},
                          {"error", refused.message}});
  return response;
}

void RemoteWriteHandler::refuse(const net::Respond& respond, int status, std::string_view reason,
                                std::string message) {
  respond(refusal({status, std::string(reason), std::move(message)}));
}

RemoteWriteHandler::Refused RemoteWriteHandler::limited(Sender& sender,
                                                        const Sender::Refusal& over) {
  sender.count_limited(over.limit);
  const int status = over.limit == Limited::RequestBytes ? 413 : 429;
  return {status, status == 413 ? "limit" : to_string(over.limit), over.message, over.retry_after};
}

// Remote write: what could be stored is, and the sender hears that it was not all; no use to send
// it again.
RemoteWriteHandler::Refused RemoteWriteHandler::over_series(const Sender& sender,
                                                            const model::AppendOutcome& outcome,
                                                            std::uint64_t written) {
  const std::string limit =
      outcome.series_over_owner > 0
          ? fmt::format("sender '{}' has {} series and may have {}", sender.name(),
                        outcome.owner_series, sender.limits().series)
          : std::string("the store has as many series as it may");
  return {400, "series",
          fmt::format("{}; refused {} new series, wrote {} samples of the others; existing series "
                      "go on",
                      limit, outcome.series_refused, written)};
}

SenderStatus RemoteWriteHandler::sender_status(std::string_view name) const {
  if (const auto sender = senders_.find(name)) return sender->status();
  SenderStatus status;
  status.name = name;
  status.limits = senders_.limits_of(name);
  return status;
}

base::Result<std::shared_ptr<const Agent>> RemoteWriteHandler::authenticate(
    const net::ServerRequest& request) const {
  const std::string_view header = request.header("authorization");
  if (header.empty()) {
    if (request.peer_is_loopback && options_.loopback_without_token) {
      return std::shared_ptr<const Agent>();
    }
    return base::error(ErrorCode::PermissionDenied,
                       "no token; send 'Authorization: Bearer tca_...' of an enrolled agent");
  }
  if (base::to_lower(header.substr(0, kBearer.size())) != kBearer) {
    return base::error(ErrorCode::PermissionDenied, "only bearer tokens are understood");
  }
  auto agent = registry_.authenticate(base::trim(header.substr(kBearer.size())));
  if (agent == nullptr) {
    return base::error(ErrorCode::PermissionDenied,
                       "unknown token: the agent was removed or never enrolled");
  }
  return agent;
}

std::optional<RemoteWriteHandler::Refused> RemoteWriteHandler::enter(
    net::ServerRequest& head, std::optional<std::size_t> body_bytes) {
  auto agent = authenticate(head);
  if (!agent) return Refused{401, "token", agent.error().message};
  const auto sender = senders_.find_or_make(*agent ? (*agent)->name : kLocalSender);
  const auto known = std::static_pointer_cast<Connection>(head.connection);
  if (known == nullptr || !known->is_of(*sender)) {
    if (const auto over = sender->connect()) return limited(*sender, *over);
    head.connection = std::make_shared<Connection>(sender);
  }
  // A body that does not say how long it is may be as long as it may be.
  const std::uint64_t bytes = body_bytes.value_or(sender->limits().request_bytes);
  if (const auto over = sender->enter(bytes, clock_.monotonic())) return limited(*sender, *over);
  head.pass = std::make_shared<Ticket>(std::move(*agent), sender, bytes);
  return std::nullopt;
}

net::Admission RemoteWriteHandler::admit(net::ServerRequest& head) {
  net::Admission admission;
  const std::string_view length = head.header("content-length");
  std::size_t bytes = 0;
  const auto [end, failure] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  const bool told = !length.empty() && failure == std::errc();
  if (const auto refused = enter(head, told ? std::optional(bytes) : std::nullopt)) {
    admission.refusal = refusal(*refused);
    if (refused->status != 413) admission.delay = options_.refusal_delay;
    return admission;
  }
  const auto ticket = std::static_pointer_cast<Ticket>(head.pass);
  admission.body_bytes_max = ticket->sender().limits().request_bytes;
  admission.too_large = [this, ticket](std::size_t bytes_max) {
    Sender& sender = ticket->sender();
    return refusal(
        limited(sender, {Limited::RequestBytes,
                         fmt::format("body larger than {} bytes, the limit of sender '{}'",
                                     bytes_max, sender.name()),
                         base::Duration{0}}));
  };
  return admission;
}

void RemoteWriteHandler::handle(net::ServerRequest request, net::Respond respond) {
  if (request.method != "POST") {
    refuse(respond, 405, "method", "remote write is POST only");
    return;
  }
  if (request.pass == nullptr) {
    if (const auto refused = enter(request, request.body.size())) {
      respond(refusal(*refused));
      return;
    }
  }
  const auto ticket = std::static_pointer_cast<Ticket>(std::move(request.pass));
  Sender& sender = ticket->sender();
  const auto size = proto::declared_size(request.body);
  const std::size_t decoded = size ? std::min(*size, sender.limits().request_decoded_bytes) : 0;
  const std::size_t cost = std::max(request.body.size(), decoded);
  if (const auto over = sender.charge_bytes(cost, clock_.monotonic())) {
    respond(refusal(limited(sender, *over)));
    return;
  }
  const auto version =
      proto::negotiate(request.header("content-type"), request.header("content-encoding"));
  if (!version) {
    refuse(respond, 415, "content_type", version.error().message);
    return;
  }
  if (!size) {
    refuse(respond, 400, "malformed", size.error().message);
    return;
  }
  const auto body = std::make_shared<const std::string>(std::move(request.body));
  queue_.push(sender.lane(), kRequestCost + cost,
              [this, ticket, version = *version, body, respond = std::move(respond)]() mutable {
                work(std::move(ticket), version, *body, std::move(respond));
              });
  pump_soon();
}

void RemoteWriteHandler::pump_soon() {
  if (decoder_ == nullptr) {
    pump();
  } else {
    decoder_->post([this] { pump(); });
  }
}

void RemoteWriteHandler::pump() {
  while (auto next = queue_.pop()) {
    next->second();
    next->second = nullptr;
    queue_.finished(next->first);
  }
}

void RemoteWriteHandler::work(std::shared_ptr<Ticket> ticket, proto::Version version,
                              const std::string& body, net::Respond respond) {
  Sender& sender = ticket->sender();
  const base::MonotonicTime now = clock_.monotonic();
  if (const auto over = sender.check_samples(now)) {
    respond(refusal(limited(sender, *over)));
    return;
  }
  const SenderLimits limits = sender.limits();
  auto batch = proto::decode(version, body, limits.of_request(options_.limits),
                             sender.memory(ticket->agent(), options_.seed, now));
  if (!batch) {
    const int status = status_of(batch.error().code);
    if (status == 413) sender.count_limited(Limited::Request);
    refuse(respond, status, status == 413 ? "limit" : "malformed", batch.error().message);
    return;
  }
  sender.charge_samples(batch->sample_count());
  batch->owner = sender.owner();
  batch->owner_series_max = limits.series;
  batch->remember = true;
  const IdentityVerdict verdict = check_and_stamp(*batch, ticket->agent().get());
  if (verdict.fault != IdentityFault::None) {
    refusals_.report("writes of " + sender.name() + " refused", verdict.message);
    const int status = verdict.fault == IdentityFault::ReservedName ? 400 : 403;
    refuse(respond, status, to_string(verdict.fault), verdict.message);
    return;
  }
  write({std::move(ticket), verdict.reserved_samples}, std::move(*batch), std::move(respond));
}

void RemoteWriteHandler::note_hosts(const model::WriteBatch& batch, const Agent* agent) {
  const base::WallTime now = clock_.wall();
  if (agent != nullptr) last_seen_.note(agent->name, now);
  std::vector<model::LabelView> scratch;
  for (const auto& series : batch.series()) {
    if (series.known != nullptr && !series.known->heard) continue;
    const auto labels = batch.labels_of(series, scratch);
    const std::string_view metric = find_label(labels, model::kMetricName);
    const auto samples = batch.samples(series);
    if (hear_ && !samples.empty() && (metric == kHeartbeat || metric.starts_with(kTaskPrefix))) {
      hear_(labels, samples.back());
    }
    if (metric != kHeartbeat && metric != kBuildInfo) continue;
    const std::string_view host = find_label(labels, kHostLabel);
    if (host.empty()) continue;
    if (metric == kHeartbeat) {
      last_seen_.note(host, now);
    } else {
      last_seen_.note_version(host, find_label(labels, "version"));
    }
  }
}

void RemoteWriteHandler::count_dropped(const char* kind, std::size_t count) {
  if (count == 0) return;
  metrics_
      .counter("tocsin_alertd_ingest_dropped_total", "Received and not stored, by kind.",
               {{"kind", kind}})
      .increment(static_cast<double>(count));
}

void RemoteWriteHandler::note_native_histograms(const Writer& writer) {
  if (writer.native_histograms == 0) return;
  count_dropped("native_histogram", writer.native_histograms);
  refusals_.report(fmt::format("native histograms from {} dropped", writer.ticket->sender().name()),
                   "they are not supported yet; send classic histograms (in Prometheus: "
                   "always_scrape_classic_histograms = true). Said once, counted in "
                   "tocsin_alertd_ingest_dropped_total");
}

void RemoteWriteHandler::write(Writer writer, model::WriteBatch batch, net::Respond respond) {
  writer.native_histograms = batch.native_histograms;
  note_native_histograms(writer);
  count_dropped("exemplar", batch.exemplars);
  count_dropped("reserved_name", writer.reserved_samples);
  // Known even if the samples are refused: it is about names, and bounded.
  if (metadata_ != nullptr) count_dropped("metadata", metadata_->note(batch.metadata()));
  const auto shared = std::make_shared<const model::WriteBatch>(std::move(batch));
  const FairQueue::LanePtr lane = writer.ticket->sender().lane();
  queue_.opened(lane, shared->sample_count());
  appender_.append(shared,
                   [this, shared, lane, writer = std::move(writer),
                    respond = std::move(respond)](base::Result<model::AppendOutcome> outcome) {
                     if (outcome) {
                       note_hosts(*shared, writer.ticket->agent().get());
                       for (auto& [index, known] : outcome->known) {
                         known.heard = is_heard(known.labels->metric_name());
                       }
                       writer.ticket->sender().learn(*shared, *outcome);
                     }
                     answer(respond, writer, shared->sample_count(), outcome);
                     if (queue_.closed(lane, shared->sample_count())) pump_soon();
                   });
}

void RemoteWriteHandler::answer(const net::Respond& respond, const Writer& writer,
                                std::uint64_t samples_sent,
                                const base::Result<model::AppendOutcome>& outcome) {
  if (!outcome) {
    const int status = status_of(outcome.error().code);
    refuse(respond, status, status == 503 ? "store_unavailable" : "store", outcome.error().message);
    return;
  }
  // A repeated sample is there, so for its sender it is written.
  const std::uint64_t written = outcome->samples_appended + outcome->samples_duplicate;
  Sender& sender = writer.ticket->sender();
  sender.count_written(samples_sent, written, *outcome);
  net::ServerResponse response;
  response.status = 204;
  response.content_type.clear();
  if (outcome->series_refused > 0) response = refusal(over_series(sender, *outcome, written));
  for (auto& header : proto::written_headers({written, 0, 0})) {
    response.headers.push_back(std::move(header));
  }
  std::string refused = refused_text(*outcome);
  const auto left_out = [&](const char* reason, std::size_t count) {
    if (count > 0) refused += fmt::format("{}{}={}", refused.empty() ? "" : ", ", reason, count);
  };
  left_out("reserved_name", writer.reserved_samples);
  left_out("native_histogram", writer.native_histograms);
  if (!refused.empty()) {
    response.headers.emplace_back("X-Tocsin-Refused", std::move(refused));
  }
  respond(std::move(response));
}

}  // namespace tocsin::ingest
