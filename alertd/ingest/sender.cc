#include "alertd/ingest/sender.h"

#include <fmt/core.h>

#include <algorithm>

namespace tocsin::ingest {
namespace {

constexpr std::chrono::seconds kRetrySoon{1};
constexpr std::chrono::seconds kRetryMost{60};
/// Bodies of one sender in memory at once, in bodies of the largest size.
constexpr std::uint64_t kBodiesInFlight = 4;
/// What is remembered is dropped after this time, so that series the store has dropped go too.
constexpr std::chrono::hours kMemoryLife{1};
constexpr std::size_t kMemorySeriesMax = 4'000'000;
/// Series that were replaced make a memory worth dropping from this number on.
constexpr std::size_t kReplacedMin = 1'000;

TokenBucket bucket(std::uint64_t rate, const SenderLimits& limits) {
  return {static_cast<double>(rate), std::chrono::duration<double>(limits.burst).count()};
}

}  // namespace

const char* to_string(Limited limit) {
  switch (limit) {
    case Limited::InFlight:
      return "requests_in_flight";
    case Limited::Connections:
      return "connections";
    case Limited::RequestBytes:
      return "request_bytes";
    case Limited::Request:
      return "request";
    case Limited::Requests:
      return "requests_per_second";
    case Limited::Bytes:
      return "bytes_per_second";
    case Limited::Samples:
      return "samples_per_second";
  }
  return "requests_in_flight";
}

Sender::Sender(std::string name, std::uint16_t owner, const SenderLimits& limits,
               FairQueue::LanePtr lane, base::Metrics& metrics)
    : name_(std::move(name)),
      owner_(owner),
      lane_(std::move(lane)),
      metrics_(metrics),
      samples_counter_(metrics.counter("tocsin_alertd_ingest_samples_total",
                                       "Samples received, by sender.", {{"sender", name_}})),
      samples_refused_counter_(metrics.counter(
          "tocsin_alertd_ingest_samples_refused_total",
          "Samples received and not stored, by sender; the store says why.", {{"sender", name_}})),
      series_refused_counter_(metrics.counter(
          "tocsin_alertd_ingest_series_refused_total",
          "New series not taken because the sender has as many as it may.", {{"sender", name_}})),
      series_gauge_(metrics.gauge("tocsin_alertd_ingest_series",
                                  "Series the store holds of a sender, as far as it wrote them "
                                  "since the start.",
                                  {{"sender", name_}})),
      series_limit_gauge_(metrics.gauge("tocsin_alertd_ingest_series_limit",
                                        "Series a sender may have; 0 is no limit.",
                                        {{"sender", name_}})),
      limits_(limits),
      requests_(bucket(limits.requests_per_second, limits)),
      bytes_(bucket(limits.bytes_per_second, limits)),
      samples_(bucket(limits.samples_per_second, limits)) {
  status_.name = name_;
  series_limit_gauge_.set(static_cast<double>(limits.series));
}

SenderLimits Sender::limits() const {
  const base::MutexLock lock(mutex_);
  return limits_;
}

void Sender::set_limits(const SenderLimits& limits) {
  const base::MutexLock lock(mutex_);
  if (limits == limits_) return;
  limits_ = limits;
  requests_ = bucket(limits.requests_per_second, limits);
  bytes_ = bucket(limits.bytes_per_second, limits);
  samples_ = bucket(limits.samples_per_second, limits);
  series_limit_gauge_.set(static_cast<double>(limits.series));
  forget();  // labels that were within the limits may not be now
}

std::optional<Sender::Refusal> Sender::closed(TokenBucket& bucket, Limited limit,
                                              base::MonotonicTime now) const {
  if (bucket.open(now)) return std::nullopt;
  const base::Duration wait = std::clamp<base::Duration>(bucket.wait(), kRetrySoon, kRetryMost);
  return Refusal{limit, fmt::format("sender '{}' is over its limit {}", name_, to_string(limit)),
                 wait};
}

std::optional<Sender::Refusal> Sender::enter(std::uint64_t bytes, base::MonotonicTime now) {
  const base::MutexLock lock(mutex_);
  if (bytes > limits_.request_bytes) {
    return Refusal{Limited::RequestBytes,
                   fmt::format("body of {} bytes; the limit of sender '{}' is {}", bytes, name_,
                               limits_.request_bytes),
                   base::Duration{0}};
  }
  if (in_flight_ >= limits_.requests_in_flight) {
    return Refusal{Limited::InFlight,
                   fmt::format("{} requests of sender '{}' are being worked on, which is the limit",
                               in_flight_, name_),
                   kRetrySoon};
  }
  if (bytes_in_flight_ + bytes > kBodiesInFlight * limits_.request_bytes) {
    return Refusal{Limited::InFlight,
                   fmt::format("{} bytes of sender '{}' are being worked on, which is the limit",
                               bytes_in_flight_, name_),
                   kRetrySoon};
  }
  // Before the body is read; charge_bytes() and check_samples() look again before it is decoded.
  for (const auto& [bucket, limit] :
       {std::pair(&requests_, Limited::Requests), std::pair(&bytes_, Limited::Bytes),
        std::pair(&samples_, Limited::Samples)}) {
    if (auto refusal = closed(*bucket, limit, now)) return refusal;
  }
  requests_.charge(1);
  ++in_flight_;
  bytes_in_flight_ += bytes;
  return std::nullopt;
}

void Sender::leave(std::uint64_t bytes) {
  const base::MutexLock lock(mutex_);
  --in_flight_;
  bytes_in_flight_ -= bytes;
}

std::optional<Sender::Refusal> Sender::connect() {
  const base::MutexLock lock(mutex_);
  if (connections_ >= limits_.connections) {
    return Refusal{
        Limited::Connections,
        fmt::format("sender '{}' has {} connections, which is the limit", name_, connections_),
        kRetrySoon};
  }
  ++connections_;
  return std::nullopt;
}

void Sender::disconnect() {
  const base::MutexLock lock(mutex_);
  --connections_;
}

std::optional<Sender::Refusal> Sender::charge_bytes(std::uint64_t decoded,
                                                    base::MonotonicTime now) {
  const base::MutexLock lock(mutex_);
  auto refusal = closed(bytes_, Limited::Bytes, now);
  if (!refusal) bytes_.charge(static_cast<double>(decoded));
  return refusal;
}

std::optional<Sender::Refusal> Sender::check_samples(base::MonotonicTime now) {
  const base::MutexLock lock(mutex_);
  return closed(samples_, Limited::Samples, now);
}

void Sender::charge_samples(std::uint64_t samples) {
  const base::MutexLock lock(mutex_);
  samples_.charge(static_cast<double>(samples));
}

void Sender::forget() {
  table_ = nullptr;
  learned_ = {};
}

proto::Memory Sender::memory(const std::shared_ptr<const void>& identity, std::uint64_t seed,
                             base::MonotonicTime now) {
  std::vector<std::pair<std::uint64_t, model::KnownSeries>> learned;
  std::shared_ptr<model::KnownSeriesTable> table;
  {
    const base::MutexLock lock(mutex_);
    const bool worn =
        table_ != nullptr && (identity != identity_ || now - table_since_ > kMemoryLife ||
                              table_->size() > kMemorySeriesMax ||
                              table_->replaced() > kReplacedMin + table_->size() / 4);
    if (worn) forget();
    if (table_ == nullptr) {
      table_ = std::make_shared<model::KnownSeriesTable>();
      table_since_ = now;
      identity_ = identity;
    }
    learned.swap(learned_);
    table = table_;
  }
  for (auto& [key, series] : learned) table->add(key, std::move(series));
  return {std::move(table), seed};
}

void Sender::learn(const model::WriteBatch& batch, model::AppendOutcome& outcome) {
  if (outcome.known.empty()) return;
  const base::MutexLock lock(mutex_);
  if (batch.known_table() != table_.get()) return;
  for (auto& [index, series] : outcome.known) {
    const std::uint64_t key = batch.series()[index].key;
    if (key != 0) learned_.emplace_back(key, std::move(series));
  }
}

void Sender::count_limited(Limited limit) {
  metrics_
      .counter("tocsin_alertd_ingest_limited_total",
               "Write requests refused because their sender is over a limit.",
               {{"sender", name_}, {"limit", to_string(limit)}})
      .increment();
  const base::MutexLock lock(mutex_);
  ++status_.requests_limited[to_string(limit)];
}

void Sender::count_written(std::uint64_t sent, std::uint64_t written,
                           const model::AppendOutcome& outcome) {
  samples_counter_.increment(static_cast<double>(sent));
  if (written < sent) samples_refused_counter_.increment(static_cast<double>(sent - written));
  if (outcome.series_over_owner > 0) {
    series_refused_counter_.increment(static_cast<double>(outcome.series_over_owner));
  }
  series_gauge_.set(static_cast<double>(outcome.owner_series));
  const base::MutexLock lock(mutex_);
  status_.samples += sent;
  status_.samples_refused += sent - std::min(sent, written);
  status_.series_refused += outcome.series_over_owner;
  status_.series = outcome.owner_series;
}

SenderStatus Sender::status() const {
  const base::MutexLock lock(mutex_);
  SenderStatus status = status_;
  status.limits = limits_;
  return status;
}

}  // namespace tocsin::ingest
