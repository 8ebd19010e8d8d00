#include "common/model/metadata_table.h"

#include <array>

namespace tocsin::model {
namespace {

std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

}  // namespace

std::size_t MetadataTable::note(std::span<const MetricMetadata> metadata) {
  std::size_t refused = 0;
  const base::MutexLock lock(mutex_);
  for (const MetricMetadata& about : metadata) {
    const bool says_nothing =
        about.type == MetricType::Unknown && about.help.empty() && about.unit.empty();
    if (about.metric_name.empty() || says_nothing) continue;
    auto at = entries_.find(about.metric_name);
    if (at == entries_.end()) {
      if (entries_.size() >= limits_.families_max) {
        ++refused;
        continue;
      }
      at = entries_.emplace(std::string(about.metric_name), Entry{}).first;
    }
    Entry& entry = at->second;
    if (about.type != MetricType::Unknown) entry.type = about.type;
    // Said again in the same words nearly always: compare before copying.
    if (!about.help.empty() && about.help != entry.help) {
      entry.help = cut(about.help, limits_.help_bytes_max);
    }
    if (!about.unit.empty() && about.unit != entry.unit) {
      entry.unit = cut(about.unit, limits_.unit_bytes_max);
    }
  }
  return refused;
}

std::optional<MetadataTable::Entry> MetadataTable::find(std::string_view family) const {
  const base::MutexLock lock(mutex_);
  const auto at = entries_.find(family);
  if (at == entries_.end()) return std::nullopt;
  return at->second;
}

MetadataTable::Entries MetadataTable::entries() const {
  const base::MutexLock lock(mutex_);
  return entries_;
}

std::size_t MetadataTable::size() const {
  const base::MutexLock lock(mutex_);
  return entries_.size();
}

std::optional<MetricType> parse_metric_type(std::string_view text) {
  static constexpr std::array kTypes{
      MetricType::Unknown,        MetricType::Counter, MetricType::Gauge, MetricType::Histogram,
      MetricType::GaugeHistogram, MetricType::Summary, MetricType::Info,  MetricType::StateSet};
  for (const MetricType type : kTypes) {
    if (to_string(type) == text) return type;
  }
  if (text == "untyped") return MetricType::Unknown;
  return std::nullopt;
}

}  // namespace tocsin::model
