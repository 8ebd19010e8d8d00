#include "alertd/forward/forwarder.h"

#include <algorithm>

namespace tocsin::forward {
namespace {

constexpr base::Duration kDescribeAgain{600'000};
constexpr std::size_t kDescribedMax = 100'000;
constexpr base::Duration kSyncInterval{1'000};
constexpr std::uint64_t kSegmentBytes = 16 << 20;
// Rules over there stand still meanwhile, and we are one sender, not a fleet.
constexpr base::Duration kBackoffMax{5'000};
constexpr std::size_t kCacheBytes = 8 << 20;
constexpr std::size_t kMemoryBytesMax = 64 << 20;
constexpr std::size_t kRecordsMax = 5'000'000;

spool::QueueNames names_of(const ForwardSettings& settings) {
  return {.prefix = "tocsin_alertd_forward_",
          .labels = {{"receiver", settings.name}},
          .log = "alertd/forward",
          .receiver = "the receiver"};
}

spool::SpoolOptions spool_options(const ForwardSettings& settings, const std::string& folder) {
  spool::SpoolOptions options;
  options.folder = folder;
  options.bytes_max = settings.queue_bytes;
  options.age_max = settings.queue_age;
  options.segment_bytes = kSegmentBytes;
  options.sync_interval = kSyncInterval;
  options.cache_bytes = kCacheBytes;
  options.memory_bytes_max = kMemoryBytesMax;
  options.records_max = kRecordsMax;
  options.names = names_of(settings);
  return options;
}

remote_write::SenderOptions sender_options(const ForwardSettings& settings) {
  net::HttpRequest request = settings.endpoint.request("POST", "");
  remote_write::SenderOptions options;
  options.url = std::move(request.url);
  options.headers = std::move(request.headers);
  options.token = std::move(request.bearer_token);
  options.tls = std::move(request.tls);
  options.host = settings.name;
  options.samples_per_request = settings.samples_per_request;
  options.backoff_max = kBackoffMax;
  options.replay_samples_per_second = settings.samples_per_second;
  options.request_timeout = settings.endpoint.timeout;
  options.only_v1 = settings.only_v1;
  options.names = names_of(settings);
  options.advice.where = "[[forward]] '" + settings.name + "'";
  options.advice.unauthorized = "see token_file and username of " + options.advice.where;
  options.advice.forbidden = options.advice.unauthorized;
  return options;
}

}  // namespace

Forwarder::Forwarder(ForwardSettings settings, const ForwardWorld& world, const std::string& folder)
    : settings_(std::move(settings)),
      world_(world),
      spool_(spool_options(settings_, folder),
             {world.files, world.executor.clock(), world.metrics}),
      sender_(sender_options(settings_),
              {world.executor, world.http, spool_, world.random, world.metrics}),
      left_out_(world.metrics.counter("tocsin_alertd_forward_samples_left_out_total",
                                      "Samples that match or relabel of the receiver leave out.",
                                      {{"receiver", settings_.name}})) {}

void Forwarder::reload(ForwardSettings settings) {
  settings_ = std::move(settings);
  sender_.configure(sender_options(settings_));
}

void Forwarder::take(const model::WriteBatch& batch, const std::vector<bool>& took) {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (now - described_since_ > kDescribeAgain || described_.size() > kDescribedMax) {
    described_.clear();
    described_since_ = now;
  }
  model::WriteBatch out;
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < batch.series_count(); ++i) {
    if (!took.empty() && !took[i]) continue;
    const model::WriteBatch::Series& series = batch.series()[i];
    if (!add_series(batch, series, out)) left_out += series.sample_count;
  }
  if (left_out > 0) left_out_.increment(static_cast<double>(left_out));
  if (!out.empty()) sender_.push(std::move(out));
}

bool Forwarder::wants(std::span<const model::LabelView> labels) const {
  if (settings_.match.empty()) return true;
  const model::Labels all = model::Labels::from_sorted(labels);
  return std::any_of(settings_.match.begin(), settings_.match.end(),
                     [&](const auto& matchers) { return model::matches_all(matchers, all); });
}

bool Forwarder::add_series(const model::WriteBatch& batch, const model::WriteBatch::Series& series,
                           model::WriteBatch& out) {
  std::vector<model::LabelView> scratch;
  const auto labels = batch.labels_of(series, scratch);  // a known series has them elsewhere
  if (series.sample_count == 0) return true;
  if (!wants(labels)) return false;
  model::LabelsBuilder builder;
  if (settings_.relabel.empty()) {
    for (const model::LabelView label : labels) builder.set(label.name, label.value);
    for (const model::LabelView label : settings_.external_labels) {
      if (builder.get(label.name).empty()) builder.set(label.name, label.value);
    }
  } else {
    relabel::MutableLabels changed;
    for (const model::LabelView label : labels) changed.emplace_back(label.name, label.value);
    for (const model::LabelView label : settings_.external_labels) {
      const bool has = std::any_of(changed.begin(), changed.end(),
                                   [&](const auto& own) { return own.first == label.name; });
      if (!has) changed.emplace_back(label.name, label.value);
    }
    if (!relabel::apply(settings_.relabel, changed)) return false;
    for (const auto& [name, value] : changed) {
      if (name == model::kMetricName || !name.starts_with("__")) builder.set(name, value);
    }
  }
  const model::Labels sent = builder.build();
  const std::string_view metric = sent.get(model::kMetricName);
  if (metric.empty()) return false;
  describe(metric, out);
  out.begin_series();
  for (const model::LabelView label : sent) {
    out.add_label(out.text().copy(label.name), out.text().copy(label.value));
  }
  for (const model::Sample& sample : batch.samples(series)) out.add_sample(sample);
  return true;
}

// What is known of a metric goes with its first series, and again from time to time: receivers
// forget too.
void Forwarder::describe(std::string_view metric, model::WriteBatch& out) {
  if (!described_.emplace(metric).second) return;
  std::string_view family = metric;
  auto about = world_.metadata.find(family);
  for (const std::string_view suffix : {"_bucket", "_sum", "_count", "_total"}) {
    if (about || !metric.ends_with(suffix)) continue;
    family = metric.substr(0, metric.size() - suffix.size());
    about = world_.metadata.find(family);
  }
  if (!about) return;
  if (family != metric && !described_.emplace(family).second) return;
  out.add_metadata({out.text().copy(family), about->type, out.text().copy(about->help),
                    out.text().copy(about->unit)});
}

}  // namespace tocsin::forward
