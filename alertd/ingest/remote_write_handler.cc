#include "alertd/ingest/remote_write_handler.h"

#include <fmt/core.h>

#include <boost/json.hpp>

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
/// How local writers without a token are called in metrics; no agent can have this name.
constexpr const char* kLocal = "(local)";

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

/// Counts the requests being worked on for each writer; tickets give the place back.
class RemoteWriteHandler::InFlight : public std::enable_shared_from_this<InFlight> {
 public:
  explicit InFlight(std::size_t most) : most_(most) {}

  /// Returns a ticket that frees the place when its last copy goes, or null if there is none.
  std::shared_ptr<void> enter(const std::string& writer) EXCLUDES(mutex_) {
    {
      const base::MutexLock lock(mutex_);
      std::size_t& count = counts_[writer];
      if (count >= most_) return nullptr;
      ++count;
    }
    // Any pointer but null: only the deleter matters.
    return {static_cast<void*>(this),
            [self = shared_from_this(), writer](void*) { self->leave(writer); }};
  }

 private:
  void leave(const std::string& writer) EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    const auto at = counts_.find(writer);
    if (at != counts_.end() && --at->second == 0) counts_.erase(at);
  }
  const std::size_t most_;
  base::Mutex mutex_;
  std::unordered_map<std::string, std::size_t> counts_ GUARDED_BY(mutex_);
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
      in_flight_(std::make_shared<InFlight>(options.in_flight_max)) {
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
    if (!now.contains(name)) last_seen_.forget(name);
  }
  enrolled_ = std::move(now);
}

void RemoteWriteHandler::refuse(const net::Respond& respond, int status, std::string_view reason,
                                std::string message) {
  metrics_
      .counter("tocsin_alertd_ingest_refused_total", "Write requests refused, by reason.",
               {{"reason", std::string(reason)}})
      .increment();
  net::ServerResponse response;
  response.status = status;
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 405) response.headers.emplace_back("Allow", "POST");
  if (status == 429 || status == 503) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.retry_after).count();
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  const std::string_view type = error_type(status);
  response.body = boost::json::serialize(
      boost::json::object{{"status", "error"},
                          {"errorType", boost::json::string_view(type.data(), type.size())},
                          {"error", message}});
  respond(std::move(response));
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

void RemoteWriteHandler::handle(net::ServerRequest request, net::Respond respond) {
  if (request.method != "POST") {
    refuse(respond, 405, "method", "remote write is POST only");
    return;
  }
  auto agent = authenticate(request);
  if (!agent) {
    refuse(respond, 401, "token", agent.error().message);
    return;
  }
  const auto version =
      proto::negotiate(request.header("content-type"), request.header("content-encoding"));
  if (!version) {
    refuse(respond, 415, "content_type", version.error().message);
    return;
  }
  auto ticket = in_flight_->enter(*agent ? (*agent)->name : std::string());
  if (ticket == nullptr) {
    refuse(respond, 429, "in_flight",
           fmt::format("{} requests of this sender are being worked on, which is the limit",
                       options_.in_flight_max));
    return;
  }
  auto batch = proto::decode(*version, request.body, options_.limits);
  if (!batch) {
    const int status = status_of(batch.error().code);
    refuse(respond, status, status == 413 ? "limit" : "malformed", batch.error().message);
    return;
  }
  const IdentityVerdict verdict = check_and_stamp(*batch, agent->get());
  if (verdict.fault != IdentityFault::None) {
    refusals_.report("write from " + request.peer_address + " refused", verdict.message);
    const int status = verdict.fault == IdentityFault::ReservedName ? 400 : 403;
    refuse(respond, status, to_string(verdict.fault), verdict.message);
    return;
  }
  // The place is given back when the answer is out, whatever the way.
  write({std::move(*agent), verdict.reserved_samples}, std::move(*batch),
        [ticket = std::move(ticket), respond = std::move(respond)](net::ServerResponse response) {
          respond(std::move(response));
        });
}

void RemoteWriteHandler::note_hosts(const model::WriteBatch& batch, const Agent* agent) {
  const base::WallTime now = clock_.wall();
  if (agent != nullptr) last_seen_.note(agent->name, now);
  for (const auto& series : batch.series()) {
    const auto labels = batch.labels(series);
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
  refusals_.report(
      fmt::format("native histograms from {} dropped", writer.agent ? writer.agent->name : kLocal),
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
  appender_.append(shared, [this, shared, writer = std::move(writer), respond = std::move(respond)](
                               const base::Result<model::AppendOutcome>& outcome) {
    if (outcome) note_hosts(*shared, writer.agent.get());
    answer(respond, writer, shared->sample_count(), outcome);
  });
}

void RemoteWriteHandler::answer(const net::Respond& respond, const Writer& writer,
                                std::uint64_t samples_sent,
                                const base::Result<model::AppendOutcome>& outcome) {
  const std::string host = writer.agent ? writer.agent->name : kLocal;
  if (!outcome) {
    const int status = status_of(outcome.error().code);
    refuse(respond, status, status == 503 ? "store_unavailable" : "store", outcome.error().message);
    return;
  }
  metrics_
      .counter("tocsin_alertd_ingest_samples_total", "Samples received, by sender.",
               {{"sender", host}})
      .increment(static_cast<double>(samples_sent));
  // A repeated sample is there, so for its sender it is written.
  const std::uint64_t written = outcome->samples_appended + outcome->samples_duplicate;
  if (written < samples_sent) {
    metrics_
        .counter("tocsin_alertd_ingest_samples_refused_total",
                 "Samples received and not stored, by sender; the store says why.",
                 {{"sender", host}})
        .increment(static_cast<double>(samples_sent - written));
  }
  net::ServerResponse response;
  response.status = 204;
  response.content_type.clear();
  response.headers = proto::written_headers({written, 0, 0});
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
