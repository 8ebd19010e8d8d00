#include "agent/sampler/round_writer.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::string_view kHost = "host";
constexpr std::string_view kExportedHost = "exported_host";

base::Counter dropped(base::Metrics& metrics, const char* reason) {
  return metrics.counter("tocsin_agent_samples_dropped_total",
                         "Samples that will never reach alertd.", {{"reason", reason}});
}

// One text that is none would have the whole batch refused, and everybody's samples with it.
bool are_text(std::span<const model::LabelView> labels) {
  return std::all_of(labels.begin(), labels.end(),
                     [](const model::LabelView& label) { return base::is_utf8(label.value); });
}

bool by_name(const model::LabelView& a, const model::LabelView& b) {
  return a.name < b.name;
}

}  // namespace

RoundWriter::RoundWriter(SeriesTracker& tracker, const Options& options)
    : tracker_(tracker), options_(options) {
  const IdentityLabels& identity = options_.identity;
  for (const model::LabelView label : identity.external) {
    if (label.name != kHost && label.name != "instance") base_.push_back(label);
  }
  if (!identity.instance.empty()) base_.push_back({"instance", identity.instance});
  std::sort(base_.begin(), base_.end(), by_name);
  tracker_.begin_round();
}

void RoundWriter::add(const MetricInfo& metric, std::span<const model::LabelView> labels,
                      double value) {
  write(metric, labels, {base::to_ms(options_.timestamp), value}, Track::Yes);
}

void RoundWriter::add_at(const MetricInfo& metric, std::span<const model::LabelView> labels,
                         double value, std::int64_t timestamp_ms) {
  write(metric, labels, {timestamp_ms, value}, Track::No);
}

void RoundWriter::write(const MetricInfo& metric, std::span<const model::LabelView> labels,
                        model::Sample sample, Track track) {
  if (batch_.sample_count() >= options_.samples_max) return leave_out("round_limit");
  if (!are_text(labels)) return leave_out("not_utf8");
  if (!assemble(metric.name, labels)) return leave_out("repeated_label");
  if (track == Track::Yes) {
    const SeriesTracker::Seen seen = tracker_.see(sorted_);
    if (seen == SeriesTracker::Seen::Repeated) return leave_out("repeated_series");
    if (seen == SeriesTracker::Seen::New) ++series_added_;
  }
  batch_.begin_series();
  for (const model::LabelView label : sorted_) {
    batch_.add_label(batch_.text().copy(label.name), batch_.text().copy(label.value));
  }
  batch_.add_sample(sample);
  if (metric.type != model::MetricType::Unknown || !metric.help.empty()) {
    describe({metric.name, metric.type, metric.help, {}});
  }
}

// Puts name, own and identity labels in order; false if a name comes twice.
bool RoundWriter::assemble(std::string_view name, std::span<const model::LabelView> labels) {
  sorted_.clear();
  sorted_.push_back({model::kMetricName, name});
  for (const model::LabelView label : labels) {
    if (label.value.empty()) continue;
    sorted_.push_back(label.name == kHost ? model::LabelView{kExportedHost, label.value} : label);
  }
  if (!options_.identity.host.empty()) sorted_.push_back({kHost, options_.identity.host});
  std::sort(sorted_.begin(), sorted_.end(), by_name);
  const auto same_name = [](const model::LabelView& a, const model::LabelView& b) {
    return a.name == b.name;
  };
  if (std::adjacent_find(sorted_.begin(), sorted_.end(), same_name) != sorted_.end()) return false;
  for (const model::LabelView label : base_) {
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), label, by_name);
    if (at == sorted_.end() || at->name != label.name) sorted_.insert(at, label);
  }
  return true;
}

void RoundWriter::describe(const model::MetricMetadata& metadata) {
  // The samples of a family come together, so comparing with the latest one is enough.
  if (options_.metadata == Metadata::No || described_ == metadata.metric_name) return;
  model::TextArena& text = batch_.text();
  described_ = text.copy(metadata.metric_name);
  batch_.add_metadata(
      {described_, metadata.type, text.copy(metadata.help), text.copy(metadata.unit)});
}

model::WriteBatch RoundWriter::finish() {
  const model::Sample gone{base::to_ms(options_.timestamp), model::stale_marker()};
  tracker_.end_round([&](const model::Labels& labels) { batch_.add(labels, gone); });
  return std::move(batch_);
}

void RoundWriter::leave_out(const char* reason) {
  dropped(options_.metrics, reason).increment();
}

void RoundWriter::announce_drops(base::Metrics& metrics) {
  for (const char* reason : {"round_limit", "repeated_series", "repeated_label", "not_utf8"}) {
    dropped(metrics, reason);
  }
}

}  // namespace tocsin::agent
