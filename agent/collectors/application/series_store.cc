#include "agent/collectors/application/series_store.h"

#include <algorithm>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kHelpBytesMax = 200;
constexpr std::size_t kBoundsMax = 100;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string clean(std::string_view text, char also) {
  std::string out;
  for (const char c : text) out.push_back(is_name_character(c) || c == also ? c : '_');
  if (!out.empty() && out.front() >= '0' && out.front() <= '9') out.insert(out.begin(), '_');
  return out;
}

std::size_t bucket_of(std::span<const double> bounds, double value) {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                                  bounds.begin());
}

bool are_bounds(std::span<const double> bounds) {
  if (bounds.size() > kBoundsMax) return false;
  for (std::size_t at = 0; at < bounds.size(); ++at) {
    if (std::isnan(bounds[at]) || (at > 0 && bounds[at] <= bounds[at - 1])) return false;
  }
  return true;
}

// Buckets, +Inf, sum and count.
std::size_t histogram_cost(std::size_t bounds) {
  return bounds + 3;
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::None:
      return "none";
    case Refusal::Malformed:
      return "malformed";
    case Refusal::BadName:
      return "bad_name";
    case Refusal::BadLabel:
      return "bad_label";
    case Refusal::TypeConflict:
      return "type_conflict";
    case Refusal::SeriesLimit:
      return "series_limit";
    case Refusal::Duplicate:
      return "duplicate";
  }
  return "none";
}

std::string metric_name_of(std::string_view text) {
  return clean(text, ':');
}

std::string label_name_of(std::string_view text) {
  std::string name = clean(text, '_');
  while (name.starts_with("__")) name.erase(0, 1);
  return name;
}

Refusal SeriesStore::to_labels(const SeriesName& name, model::Labels& labels) const {
  if (name.name.empty() || name.name.size() > kNameBytesMax ||
      !model::is_legacy_metric_name(name.name)) {
    return Refusal::BadName;
  }
  if (name.labels.size() > bounds_.labels_max) return Refusal::BadLabel;
  model::LabelsBuilder builder;
  for (const auto& [label, value] : name.labels) {
    if (!model::is_legacy_label_name(label) || label == "le" || !base::is_utf8(value) ||
        value.size() > bounds_.label_bytes_max) {
      return Refusal::BadLabel;
    }
    builder.set(label, value);
  }
  labels = builder.build();
  return Refusal::None;
}

std::size_t SeriesStore::cost_of(const Series& series) {
  return series.buckets ? histogram_cost(series.buckets->bounds.size()) : 1;
}

SeriesStore::Found SeriesStore::find(const SeriesName& name, Kind kind, std::size_t cost,
                                     base::MonotonicTime now, SenderTime sent) {
  model::Labels labels;
  if (const Refusal refusal = to_labels(name, labels); refusal != Refusal::None) {
    return {refusal, nullptr};
  }
  const auto family = families_.find(name.name);
  if (family != families_.end() && family->second.kind != kind) {
    return {Refusal::TypeConflict, nullptr};
  }
  if (family != families_.end()) {
    const auto series = family->second.series.find(labels);
    if (series != family->second.series.end()) {
      if (sent != 0 && sent <= series->second.sent) return {Refusal::Duplicate, nullptr};
      series->second.touched = now;
      series->second.sent = sent;
      return {Refusal::None, &series->second};
    }
  }
  if (size_ + cost > bounds_.series_max) return {Refusal::SeriesLimit, nullptr};
  Family& own = family != families_.end() ? family->second : families_[name.name];
  own.kind = kind;
  if (own.help.empty() && base::is_utf8(name.help)) own.help = name.help.substr(0, kHelpBytesMax);
  if (!base::is_utf8(own.help)) own.help.clear();  // cut within a character
  size_ += cost;
  Series& series = own.series[labels];
  series.touched = now;
  series.sent = sent;
  return {Refusal::None, &series};
}

Refusal SeriesStore::add_to_counter(const SeriesName& name, double by, base::MonotonicTime now,
                                    SenderTime sent) {
  if (!std::isfinite(by) || by < 0) return Refusal::Malformed;
  const Found found = find(name, Kind::Counter, 1, now, sent);
  if (found.series != nullptr) found.series->value += by;
  return found.refusal;
}

Refusal SeriesStore::set_counter(const SeriesName& name, double total, base::MonotonicTime now,
                                 SenderTime sent) {
  const Found found = find(name, Kind::Counter, 1, now, sent);
  if (found.series != nullptr) found.series->value = total;
  return found.refusal;
}

Refusal SeriesStore::set_gauge(const SeriesName& name, double value, base::MonotonicTime now,
                               SenderTime sent) {
  const Found found = find(name, Kind::Gauge, 1, now, sent);
  if (found.series != nullptr) found.series->value = value;
  return found.refusal;
}

Refusal SeriesStore::add_to_gauge(const SeriesName& name, double by, base::MonotonicTime now,
                                  SenderTime sent) {
  if (!std::isfinite(by)) return Refusal::Malformed;
  const Found found = find(name, Kind::Gauge, 1, now, sent);
  if (found.series != nullptr) found.series->value += by;
  return found.refusal;
}

Refusal SeriesStore::observe(const SeriesName& name, std::span<const double> bounds, double value,
                             double weight, base::MonotonicTime now) {
  if (!std::isfinite(value) || !std::isfinite(weight) || weight <= 0) return Refusal::Malformed;
  const Found found = find(name, Kind::Histogram, histogram_cost(bounds.size()), now, 0);
  if (found.series == nullptr) return found.refusal;
  auto& buckets = found.series->buckets;
  if (!buckets) {
    buckets = std::make_unique<BucketCounts>();
    buckets->bounds.assign(bounds.begin(), bounds.end());
    buckets->counts.resize(bounds.size() + 1);
  }
  buckets->counts[bucket_of(buckets->bounds, value)] += weight;
  buckets->sum += value * weight;
  return Refusal::None;
}

Refusal SeriesStore::set_histogram(const SeriesName& name, BucketCounts buckets,
                                   base::MonotonicTime now, SenderTime sent) {
  if (!are_bounds(buckets.bounds) || buckets.counts.size() != buckets.bounds.size() + 1) {
    return Refusal::Malformed;
  }
  const std::size_t cost = histogram_cost(buckets.bounds.size());
  const Found found = find(name, Kind::Histogram, cost, now, sent);
  if (found.series == nullptr) return found.refusal;
  if (found.series->buckets) {
    const std::size_t grown = size_ - cost_of(*found.series) + cost;
    if (grown > bounds_.series_max) return Refusal::SeriesLimit;
    size_ = grown;
  }
  found.series->buckets = std::make_unique<BucketCounts>(std::move(buckets));
  return Refusal::None;
}

Refusal SeriesStore::add_histogram(const SeriesName& name, const BucketCounts& buckets,
                                   base::MonotonicTime now, SenderTime sent) {
  BucketCounts total = buckets;
  if (!are_bounds(buckets.bounds) || buckets.counts.size() != buckets.bounds.size() + 1) {
    return Refusal::Malformed;
  }
  const Found found = find(name, Kind::Histogram, histogram_cost(buckets.bounds.size()), now, sent);
  if (found.series == nullptr) return found.refusal;
  if (const auto& known = found.series->buckets; known && known->bounds == buckets.bounds) {
    for (std::size_t at = 0; at < total.counts.size(); ++at) total.counts[at] += known->counts[at];
    total.sum += known->sum;
    total.has_sum = total.has_sum && known->has_sum;
  }
  // Other bounds than before: it begins anew, as a counter that was reset.
  found.series->sent = 0;
  return set_histogram(name, std::move(total), now, sent);
}

Refusal SeriesStore::add_to_set(const SeriesName& name, std::string_view value,
                                base::MonotonicTime now) {
  const Found found = find(name, Kind::Set, 1, now, 0);
  if (found.series == nullptr) return found.refusal;
  auto& set = found.series->set;
  if (!set) {
    set = std::make_unique<SetWindow>();
    set->began = now;
  }
  roll(*set, now);
  if (set->hashes.size() < bounds_.set_values_max) {
    set->hashes.insert(std::hash<std::string_view>{}(value));
  }
  return Refusal::None;
}

void SeriesStore::roll(SetWindow& window, base::MonotonicTime now) const {
  if (now - window.began < bounds_.set_window) return;
  const bool just_over = now - window.began < 2 * bounds_.set_window;
  window.last = just_over ? static_cast<double>(window.hashes.size()) : 0.0;
  window.hashes.clear();
  window.began = now;
}

void SeriesStore::expire(base::MonotonicTime now) {
  for (auto family = families_.begin(); family != families_.end();) {
    std::erase_if(family->second.series, [&](const auto& entry) {
      const bool over = now - entry.second.touched >= bounds_.expire_after;
      if (over) size_ -= cost_of(entry.second);
      return over;
    });
    family = family->second.series.empty() ? families_.erase(family) : std::next(family);
  }
}

void SeriesStore::write(RoundSink& sink, base::MonotonicTime now) {
  expire(now);
  for (auto& [name, family] : families_) {
    const MetricType type = family.kind == Kind::Counter     ? MetricType::Counter
                            : family.kind == Kind::Histogram ? MetricType::Histogram
                                                             : MetricType::Gauge;
    if (family.kind == Kind::Histogram) sink.describe({name, type, family.help, {}});
    for (auto& [packed, series] : family.series) {
      std::vector<model::LabelView> labels;
      for (const model::LabelView label : packed) labels.push_back(label);
      if (series.buckets) {
        write_histogram(sink, name, labels, *series.buckets);
        continue;
      }
      double value = series.value;
      if (series.set) {
        roll(*series.set, now);
        value = series.set->last.value_or(static_cast<double>(series.set->hashes.size()));
      }
      sink.add(MetricInfo{name, family.help, type}, labels, value);
    }
  }
}

void SeriesStore::write_histogram(RoundSink& sink, const std::string& name,
                                  std::vector<model::LabelView> labels,
                                  const BucketCounts& buckets) {
  // The family is described by its own name; the parts have none of their own.
  const auto part = [](const std::string& part_name) {
    return MetricInfo{part_name, {}, MetricType::Unknown};
  };
  const std::string bucket = name + "_bucket";
  double count = 0;
  labels.push_back({"le", {}});
  for (std::size_t at = 0; at < buckets.counts.size(); ++at) {
    count += buckets.counts[at];
    const std::string bound =
        at < buckets.bounds.size() ? base::format_double(buckets.bounds[at]) : "+Inf";
    labels.back().value = bound;
    sink.add(part(bucket), labels, count);
  }
  labels.pop_back();
  const std::string sum = name + "_sum";
  const std::string total = name + "_count";
  if (buckets.has_sum) sink.add(part(sum), labels, buckets.sum);
  sink.add(part(total), labels, count);
}

}  // namespace tocsin::agent
