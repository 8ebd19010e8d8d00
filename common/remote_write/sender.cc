#include "common/remote_write/sender.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/remote_write/batches.h"

namespace tocsin::remote_write {
namespace {

constexpr std::size_t kRecordsPerRequestMax = 500;
constexpr base::Duration kRetryAfterMax{600'000};
constexpr base::Duration kTryV2Again{3'600'000};
constexpr std::size_t kPhaseMs = 1'000;
constexpr std::size_t kResponseBytesMax = 64 << 10;

// Our own bodies may be larger than what alertd accepts by default; the spool bounds them.
proto::Limits own_limits() {
  proto::Limits limits;
  limits.body_bytes_max = spool::kRecordPayloadBytesMax;
  limits.decoded_bytes_max = 64 << 20;
  limits.decoded_ratio_max = 1'000;
  limits.series_max = 200'000;
  limits.samples_max = 200'000;
  limits.labels_per_series_max = 1'000;
  limits.label_name_bytes_max = 64 << 10;
  limits.label_value_bytes_max = 1 << 20;
  limits.symbols_max = 1'000'000;
  limits.metadata_max = 200'000;
  limits.metadata_text_bytes_max = 1 << 20;
  return limits;
}

}  // namespace

Sender::Sender(SenderOptions options, World world)
    : options_(std::move(options)),
      world_(world),
      samples_max_(options_.samples_per_request),
      version_(options_.only_v1 ? proto::Version::V1 : proto::Version::V2),
      requests_(world.metrics.counter(options_.names.metric("send_requests_total"),
                                      "Remote-write requests sent, repeats included.",
                                      options_.names.labels)),
      samples_sent_(world.metrics.counter(
          options_.names.metric("samples_sent_total"),
          "Samples that " + options_.names.receiver + " has acknowledged.", options_.names.labels)),
      last_success_(world.metrics.gauge(
          options_.names.metric("send_last_success_timestamp_seconds"),
          "When " + options_.names.receiver + " last acknowledged a request; 0 if never.",
          options_.names.labels)) {
  for (const char* reason : {"refused", "unreadable"}) {
    world.metrics.counter(options_.names.metric("samples_dropped_total"),
                          "Samples that will never reach " + options_.names.receiver + ".",
                          options_.names.with("reason", reason));
  }
}

Sender::~Sender() {
  world_.executor.cancel(timer_);
  world_.executor.cancel(maintenance_);
}

void Sender::configure(SenderOptions options) {
  options_ = std::move(options);
  samples_max_ = options_.samples_per_request;
  version_ = options_.only_v1 ? proto::Version::V1 : proto::Version::V2;
  failures_in_row_ = 0;
  settings_changed_ = in_flight_.has_value();
  if (!stopped_ && !in_flight_) wake_in(base::Duration{0});
}

void Sender::start() {
  keep_maintaining();
  // What is waiting from before goes out a moment later, spread over the fleet: after a power cut
  // every agent of the site starts in the same second.
  const auto phase = base::fnv1a(options_.host) % kPhaseMs;
  if (!world_.spool.empty()) wake_in(base::Duration{static_cast<std::int64_t>(phase)});
}

void Sender::push(model::WriteBatch batch) {
  TC_DCHECK(world_.executor.running_here(), "on the sender's executor only");
  for (model::WriteBatch& part : split_batch(std::move(batch), options_.samples_per_request)) {
    const auto samples = static_cast<std::uint32_t>(part.sample_count());
    const std::uint64_t sequence = world_.spool.append(proto::encode_v2(part), samples);
    keep_fresh(sequence, std::move(part));
  }
  if (stopped_) return;
  if (!in_flight_ && timer_ == 0) wake_in(options_.linger);
  if (maintenance_ == 0) keep_maintaining();
}

void Sender::keep_fresh(std::uint64_t sequence, model::WriteBatch batch) {
  if (fresh_samples_ + batch.sample_count() > options_.samples_per_request) {
    fresh_.clear();
    fresh_samples_ = 0;
  }
  fresh_samples_ += batch.sample_count();
  fresh_.push_back({sequence, std::move(batch)});
}

// Returns the batches of all `records`, or none. What is older than the last of them is forgotten.
std::vector<model::WriteBatch> Sender::take_fresh(std::span<const spool::SpoolRecord> records) {
  std::vector<model::WriteBatch> batches;
  while (!fresh_.empty() && fresh_.front().sequence <= records.back().sequence) {
    Fresh fresh = std::move(fresh_.front());
    fresh_.pop_front();
    fresh_samples_ -= fresh.batch.sample_count();
    const bool next =
        batches.size() < records.size() && fresh.sequence == records[batches.size()].sequence;
    if (next) batches.push_back(std::move(fresh.batch));
  }
  if (batches.size() < records.size()) batches.clear();
  return batches;
}

void Sender::stop(std::function<void()> done) {
  stopped_ = true;
  world_.executor.cancel(timer_);
  world_.executor.cancel(maintenance_);
  timer_ = maintenance_ = 0;
  if (in_flight_) {
    stop_done_ = std::move(done);
    return;
  }
  world_.spool.flush();
  done();
}

void Sender::wake_in(base::Duration delay) {
  world_.executor.cancel(timer_);
  timer_ = world_.executor.post_after(delay, [this] {
    timer_ = 0;
    pump();
  });
}

// While something waits, ages and the sync interval need looking at; an empty queue needs no timer.
void Sender::keep_maintaining() {
  world_.spool.maintain();
  maintenance_ = 0;
  if (world_.spool.empty() && !world_.spool.degraded()) return;
  maintenance_ = world_.executor.post_after(world_.spool.options().sync_interval,
                                            [this] { keep_maintaining(); });
}

void Sender::pump() {
  if (stopped_ || in_flight_) return;
  const bool again = version_ == proto::Version::V1 && now() >= try_v2_again_;
  if (again && !options_.only_v1) version_ = proto::Version::V2;
  for (;;) {
    auto records = world_.spool.peek(samples_max_, kRecordsPerRequestMax);
    if (records.empty()) return;
    if (records.front().sequence <= isolate_until_) records.resize(1);
    if (auto body = body_for(records)) return send(records, std::move(*body));
  }
}

// Returns nullopt after discarding a batch that cannot be read; `records` is then of no use.
std::optional<std::string> Sender::body_for(std::vector<spool::SpoolRecord>& records) {
  std::vector<model::WriteBatch> batches = take_fresh(records);
  if (records.size() == 1 && version_ == proto::Version::V2) {
    return std::move(records.front().payload);
  }
  if (batches.empty() && !read_back(records, batches)) return std::nullopt;
  if (are_of_one_moment(batches)) return proto::encode(version_, batches);
  const model::WriteBatch merged = merge_batches(batches);
  return proto::encode(version_, std::span(&merged, 1));
}

// Returns false after discarding a batch that cannot be read.
bool Sender::read_back(std::vector<spool::SpoolRecord>& records,
                       std::vector<model::WriteBatch>& batches) {
  for (std::size_t index = 0; index < records.size(); ++index) {
    spool::SpoolRecord& record = records[index];
    auto batch = proto::decode_v2(record.payload, own_limits());
    if (!batch) {
      if (index > 0) {  // First what is sound before it.
        records.resize(index);
        return true;
      }
      base::log_error(options_.names.log, "a stored batch cannot be read: {}",
                      batch.error().message);
      world_.spool.discard(record.sequence, record.sequence, "unreadable");
      return false;
    }
    batches.push_back(std::move(*batch));
  }
  return true;
}

void Sender::send(const std::vector<spool::SpoolRecord>& records, std::string body) {
  InFlight request{
      records.front().sequence, records.back().sequence, records.size(), 0, version_, now()};
  for (const spool::SpoolRecord& record : records) request.samples += record.samples;
  in_flight_ = request;
  requests_.increment();

  net::HttpRequest http;
  http.method = "POST";
  http.url = options_.url;
  http.headers = proto::request_headers(version_);
  http.headers.insert(http.headers.end(), options_.headers.begin(), options_.headers.end());
  http.body = std::move(body);
  http.bearer_token = options_.token;
  http.timeout = options_.request_timeout;
  http.response_bytes_max = kResponseBytesMax;
  http.tls = options_.tls;
  world_.http.send(
      std::move(http), world_.executor,
      [this, alive = std::weak_ptr<int>(alive_)](const base::Result<net::HttpResponse>& answer) {
        if (!alive.expired()) answered(answer);
      });
}

void Sender::answered(const base::Result<net::HttpResponse>& answer) {
  const InFlight request = *in_flight_;
  in_flight_.reset();
  const Judgement judgement = judge(answer, request.version, options_.advice);
  if (judgement.verdict != Verdict::Delivered) count_failure(judgement.reason);
  if (world_.heard) world_.heard(judgement.verdict == Verdict::Retry ? judgement.message : "");
  switch (judgement.verdict) {
    case Verdict::Delivered:
      if (!judgement.message.empty()) failures_.report("partial", judgement.message);
      delivered(request);
      break;
    case Verdict::OlderVersion:
      fall_back(judgement);
      break;
    case Verdict::SmallerRequest:
      too_large(request, judgement);
      break;
    case Verdict::Drop:
      refused(request, judgement);
      break;
    case Verdict::AskOperator: {
      const double spread = 1 + world_.random.unit() / 10;
      const double pause_ms = static_cast<double>(options_.operator_retry.count()) * spread;
      failures_.report("send", judgement.message);
      wake_in(base::Duration{static_cast<std::int64_t>(pause_ms)});
      break;
    }
    case Verdict::Retry:
      retry(judgement,
            answer ? net::retry_after(*answer, world_.executor.clock().wall()) : base::Duration{0});
      break;
  }
  if (std::exchange(settings_changed_, false)) wake_in(base::Duration{0});
  if (!stopped_) return;
  world_.executor.cancel(timer_);
  timer_ = 0;
  world_.spool.flush();
  if (stop_done_) std::exchange(stop_done_, nullptr)();
}

void Sender::delivered(const InFlight& request) {
  world_.spool.acknowledge(request.first, request.last);
  samples_sent_.increment(static_cast<double>(request.samples));
  last_success_.set(base::to_seconds(world_.executor.clock().wall()));
  failures_in_row_ = 0;
  failures_.clear("send");
  if (request.version == proto::Version::V2) failures_.clear("version");
  samples_max_ = std::min(options_.samples_per_request, samples_max_ * 2);
  if (world_.spool.empty()) return;
  // More is waiting: not faster than the bound, measured from the start of the request just done.
  const auto spacing = std::chrono::duration<double>(static_cast<double>(request.samples) /
                                                     options_.replay_samples_per_second);
  const auto left = std::chrono::ceil<base::Duration>(spacing - (now() - request.sent));
  wake_in(std::max(left, base::Duration{0}));
}

void Sender::refused(const InFlight& request, const Judgement& judgement) {
  // One by one through what was refused together: each answer is the receiver's last word on its
  // batch, and waiting would not change it.
  const bool isolating = request.records > 1 || request.last <= isolate_until_;
  if (request.records > 1) {
    // One of them is the bad one: one by one from here, so that only that one is lost.
    isolate_until_ = request.last;
  } else {
    failures_.report("refused", judgement.message + "; the batch is dropped");
    world_.spool.discard(request.first, request.last, "refused");
  }
  wake_in(isolating ? base::Duration{0} : pause());
}

void Sender::too_large(const InFlight& request, const Judgement& judgement) {
  if (request.records > 1) {
    samples_max_ = std::max<std::size_t>(1, request.samples / 2);
    wake_in(base::Duration{0});
    return;
  }
  refused(request, judgement);
}

void Sender::fall_back(const Judgement& judgement) {
  failures_.report("version", judgement.message + "; going on with remote write 1.0");
  version_ = proto::Version::V1;
  try_v2_again_ = now() + kTryV2Again;
  wake_in(base::Duration{0});
}

void Sender::retry(const Judgement& judgement, base::Duration at_least) {
  failures_.report("send", judgement.message);
  wake_in(std::max(pause(), std::min(at_least, kRetryAfterMax)));
}

base::Duration Sender::pause() {
  const unsigned doublings = std::min(failures_in_row_, 16U);
  ++failures_in_row_;
  const auto bound = std::min<std::int64_t>(options_.backoff_max.count(),
                                            options_.backoff_min.count() << doublings);
  const auto drawn = static_cast<std::int64_t>(world_.random.unit() * static_cast<double>(bound));
  const auto phase = static_cast<std::int64_t>(base::fnv1a(options_.host) % kPhaseMs);
  return base::Duration{drawn + phase};
}

void Sender::count_failure(const std::string& reason) {
  world_.metrics
      .counter(options_.names.metric("send_failures_total"),
               "Remote-write requests not acknowledged.", options_.names.with("reason", reason))
      .increment();
}

}  // namespace tocsin::remote_write
