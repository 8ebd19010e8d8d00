#include "agent/collectors/application/otlp_server.h"

#include "agent/collectors/application/dropped.h"
#include "agent/collectors/application/inflate.h"
#include "agent/collectors/application/otlp_metrics.h"
#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/strings.h"
#include "common/net/http_server.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kConnectionsMax = 64;

enum class Encoding { Protobuf, Json };

std::optional<Encoding> encoding_of(std::string_view content_type) {
  const std::string type =
      base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
  if (type == "application/x-protobuf") return Encoding::Protobuf;
  if (type == "application/json") return Encoding::Json;
  return std::nullopt;
}

net::ServerResponse refuse(int status, std::string why) {
  return {status, {}, "text/plain; charset=utf-8", std::move(why) + "\n"};
}

class OtlpServer final : public MetricReceiver {
 public:
  OtlpServer(OtlpSettings settings, ReceiverWorld world)
      : settings_(std::move(settings)),
        world_(world),
        points_(world.metrics.counter("tocsin_agent_application_received_total",
                                      "Lines and points that applications handed in.",
                                      {{"receiver", "otlp"}})),
        series_(world.metrics.gauge("tocsin_agent_application_series",
                                    "Series that applications handed in.", {{"receiver", "otlp"}})),
        dropped_(world.metrics, "otlp", {"malformed", "rejected"}),
        store_(settings_.bounds) {}
  ~OtlpServer() override { close(); }

  std::string_view name() const override { return "otlp"; }

  base::Result<void> open() override EXCLUDES(life_) {
    const base::MutexLock lock(life_);
    if (closed_) return base::error(base::ErrorCode::Cancelled, "closed");
    if (server_) return base::ok();
    if (!thread_) thread_ = std::make_unique<base::AsioExecutor>(world_.clock, "otlp", 1);
    net::ServerOptions options;
    options.listen = settings_.listen;
    options.body_bytes_max = settings_.body_bytes_max;
    options.connections_max = kConnectionsMax;
    options.bytes_in_flight_max = 4 * settings_.body_bytes_max;
    auto started = net::HttpServer::start(
        *thread_, options, [this](const net::ServerRequest& request, const net::Respond& respond) {
          respond(answer(request));
        });
    if (!started) return base::with_context(std::move(started).error(), "[otlp]");
    server_ = std::move(*started);
    return base::ok();
  }

  void write(RoundSink& sink) override EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    store_.write(sink, world_.clock.monotonic());
    series_.set(static_cast<double>(store_.size()));
  }

  void close() override EXCLUDES(life_) {
    const base::MutexLock lock(life_);
    closed_ = true;
    if (server_) server_->stop();
    if (thread_) thread_->stop();
    server_.reset();
    thread_.reset();
  }

 private:
  net::ServerResponse answer(const net::ServerRequest& request) EXCLUDES(mutex_) {
    if (request.path != "/v1/metrics") return refuse(404, "only /v1/metrics is here");
    if (request.method != "POST") return refuse(405, "POST it");
    const auto encoding = encoding_of(request.header("content-type"));
    if (!encoding) return refuse(415, "send application/x-protobuf or application/json");
    std::string unpacked;
    std::string_view body = request.body;
    const std::string_view packing = request.header("content-encoding");
    if (packing == "gzip") {
      auto inflated = inflate_gzip(request.body, settings_.body_bytes_max);
      if (!inflated) return malformed(inflated.error());
      unpacked = std::move(*inflated);
      body = unpacked;
    } else if (!packing.empty() && packing != "identity") {
      return refuse(415, "only gzip is understood");
    }
    auto decoded = *encoding == Encoding::Json ? decode_otlp_json(body, OtlpLimits{})
                                               : decode_otlp_protobuf(body, OtlpLimits{});
    if (!decoded) return malformed(decoded.error());
    return take(std::move(*decoded), *encoding);
  }

  net::ServerResponse malformed(const base::Error& error) EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    dropped_.count(Refusal::Malformed);
    return refuse(error.code == base::ErrorCode::LimitExceeded ? 413 : 400, error.message);
  }

  net::ServerResponse take(std::vector<OtlpResource> resources, Encoding encoding)
      EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    for (const OtlpResource& resource : resources) {
      for (const OtlpMetric& metric : resource.metrics) {
        points_.increment(static_cast<double>(metric.points.size() + metric.unsupported_points));
      }
    }
    const OtlpRejected rejected = store_otlp(std::move(resources), settings_.resource_labels,
                                             world_.clock.monotonic(), store_);
    if (rejected.points > 0) {
      dropped_.count("rejected", static_cast<double>(rejected.points));
    }
    if (encoding == Encoding::Json) {
      return {200, {}, "application/json", encode_otlp_answer_json(rejected)};
    }
    return {200, {}, "application/x-protobuf", encode_otlp_answer_protobuf(rejected)};
  }

  const OtlpSettings settings_;
  ReceiverWorld world_;
  base::Counter points_;
  base::Gauge series_;
  base::Mutex life_;  // of opening and closing
  bool closed_ GUARDED_BY(life_) = false;
  std::unique_ptr<base::AsioExecutor> thread_ GUARDED_BY(life_);
  std::unique_ptr<net::HttpServer> server_ GUARDED_BY(life_);
  base::Mutex mutex_;  // of what was received
  DroppedCounters dropped_ GUARDED_BY(mutex_);
  SeriesStore store_ GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<MetricReceiver> make_otlp_server(OtlpSettings settings, ReceiverWorld world) {
  return std::make_shared<OtlpServer>(std::move(settings), world);
}

}  // namespace tocsin::agent
