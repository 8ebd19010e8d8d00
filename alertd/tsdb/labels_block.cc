#include "alertd/tsdb/labels_block.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kPairsOfSeriesMax = 1024;

}  // namespace

std::uint32_t LabelsWriter::number_of(const model::LabelView& label) {
  key_.clear();
  put_text(label.name, key_);
  put_text(label.value, key_);
  const auto found = numbers_.find(key_);
  if (found != numbers_.end()) return found->second;
  pairs_ += key_;
  numbers_.emplace(key_, count_);
  return count_++;
}

void LabelsWriter::put(const model::Labels& labels) {
  put_varint(labels.size(), body_);
  std::size_t position = 0;
  for (const model::LabelView label : labels) {
    if (position == recent_.size()) recent_.emplace_back();
    Pair& recent = recent_[position++];
    if (recent.name != label.name || recent.value != label.value) {
      recent.name = label.name;
      recent.value = label.value;
      recent.number = number_of(label);
    }
    put_varint(recent.number, body_);
  }
}

void LabelsWriter::finish(std::string& out) {
  put_varint(count_, out);
  out += pairs_;
  out += body_;
  body_.clear();
  pairs_.clear();
  numbers_.clear();
  recent_.clear();
  count_ = 0;
}

bool LabelsReader::read_pairs(ByteReader& reader) {
  pairs_.clear();
  const std::uint64_t count = reader.varint();
  if (count > reader.left() / 2) return false;  // two bytes each at the least
  pairs_.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    if (name.empty() || value.empty()) return false;
    pairs_.push_back({name, value});
  }
  return reader.ok();
}

std::optional<model::Labels> LabelsReader::read(ByteReader& reader) {
  const std::uint64_t count = reader.varint();
  if (count == 0 || count > kPairsOfSeriesMax) return std::nullopt;
  views_.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t number = reader.varint();
    if (!reader.ok() || number >= pairs_.size()) return std::nullopt;
    const model::LabelView& label = pairs_[static_cast<std::size_t>(number)];
    if (!views_.empty() && views_.back().name >= label.name) return std::nullopt;
    views_.push_back(label);
  }
  return model::Labels::from_sorted(views_);
}

}  // namespace tocsin::tsdb
