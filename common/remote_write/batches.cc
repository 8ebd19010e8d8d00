#include "common/remote_write/batches.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "common/base/hash.h"

namespace tocsin::remote_write {
namespace {

using Series = model::WriteBatch::Series;

// Series of several batches that have the same labels.
struct Joined {
  std::vector<std::pair<const model::WriteBatch*, Series>> parts;
};

std::string key_of(std::span<const model::LabelView> labels) {
  std::string key;
  for (const model::LabelView label : labels) {
    key.append(label.name).push_back('\xff');
    key.append(label.value).push_back('\xff');
  }
  return key;
}

}  // namespace

std::vector<model::WriteBatch> split_batch(model::WriteBatch batch, std::size_t samples_max) {
  std::vector<model::WriteBatch> parts;
  if (batch.sample_count() <= samples_max) {
    parts.push_back(std::move(batch));
    return parts;
  }
  for (const Series& series : batch.series()) {
    if (parts.empty() || parts.back().sample_count() + series.sample_count > samples_max) {
      model::WriteBatch& part = parts.emplace_back();
      for (const model::MetricMetadata& about : batch.metadata()) {
        part.add_metadata({part.text().copy(about.metric_name), about.type,
                           part.text().copy(about.help), part.text().copy(about.unit)});
      }
    }
    model::WriteBatch& part = parts.back();
    part.begin_series();
    for (const model::LabelView label : batch.labels(series)) {
      part.add_label(part.text().copy(label.name), part.text().copy(label.value));
    }
    for (const model::Sample& sample : batch.samples(series)) part.add_sample(sample);
  }
  return parts;
}

bool are_of_one_moment(std::span<const model::WriteBatch> batches) {
  const auto begins = [](const model::WriteBatch& batch) {
    return batch.empty() ? 0 : batch.samples(batch.series().front()).front().timestamp_ms;
  };
  return std::all_of(batches.begin(), batches.end(), [&](const model::WriteBatch& batch) {
    return begins(batch) == begins(batches.front());
  });
}

model::WriteBatch merge_batches(std::span<model::WriteBatch> batches) {
  std::vector<Joined> all;
  std::unordered_map<std::string, std::size_t> known;
  model::WriteBatch merged;
  std::unordered_set<std::string_view> described;
  for (const model::WriteBatch& batch : batches) {
    for (const Series& series : batch.series()) {
      const auto [at, inserted] = known.try_emplace(key_of(batch.labels(series)), all.size());
      if (inserted) all.emplace_back();
      all[at->second].parts.emplace_back(&batch, series);
    }
    for (const model::MetricMetadata& about : batch.metadata()) {
      if (described.insert(about.metric_name).second) merged.add_metadata(about);
    }
  }
  for (const Joined& joined : all) {
    merged.begin_series();
    const auto& [first, first_series] = joined.parts.front();
    for (const model::LabelView label : first->labels(first_series)) {
      merged.add_label(label.name, label.value);
    }
    for (const auto& [batch, series] : joined.parts) {
      for (const model::Sample& sample : batch->samples(series)) merged.add_sample(sample);
    }
  }
  return merged;
}

model::WriteBatch copy_batch(const model::WriteBatch& batch) {
  model::WriteBatch copy;
  std::vector<model::LabelView> scratch;
  for (const model::WriteBatch::Series& series : batch.series()) {
    copy.begin_series();
    for (const model::LabelView& label : batch.labels_of(series, scratch)) {
      copy.add_label(copy.text().copy(label.name), copy.text().copy(label.value));
    }
    for (const model::Sample& sample : batch.samples(series)) copy.add_sample(sample);
  }
  for (const model::MetricMetadata& each : batch.metadata()) {
    copy.add_metadata({copy.text().copy(each.metric_name), each.type, copy.text().copy(each.help),
                       copy.text().copy(each.unit)});
  }
  return copy;
}

}  // namespace tocsin::remote_write
