#include "common/model/labels.h"

#include <algorithm>
#include <array>

#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::model {
namespace {

// Lengths are LEB128 varints: one byte for nearly every string. Stored records hold these bytes
// (put_labels() of alertd/incident), so they never change.
constexpr std::size_t kLengthBytesMax = 10;

char* put_length(char* at, std::size_t length) {
  while (length >= 0x80) {
    *at++ = static_cast<char>((length & 0x7fU) | 0x80U);
    length >>= 7U;
  }
  *at++ = static_cast<char>(length);
  return at;
}

void put_string(std::string& out, std::string_view text) {
  if (text.size() < 0x80) {
    out += static_cast<char>(text.size());
  } else {
    std::array<char, kLengthBytesMax> length{};
    out.append(length.data(), put_length(length.data(), text.size()));
  }
  out += text;
}

char* put_string(char* at, std::string_view text) {
  return std::copy(text.begin(), text.end(), put_length(at, text.size()));
}

std::size_t packed_size(std::string_view text) {
  std::size_t bytes = 1 + text.size();
  for (std::size_t length = text.size(); length >= 0x80; length >>= 7U) ++bytes;
  return bytes;
}

std::string_view take_string(const char*& at) {
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    length |= static_cast<std::size_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) break;
  }
  const std::string_view text(at, length);
  at += length;
  return text;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find_first_of("\"\\\n"), text.size());
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    out += '\\';
    out += text[plain] == '\n' ? 'n' : text[plain];
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

/// In debug builds.
void check_sorted([[maybe_unused]] std::span<const LabelView> labels) {
  TC_DCHECK(std::adjacent_find(labels.begin(), labels.end(),
                               [](const LabelView& a, const LabelView& b) {
                                 return a.name >= b.name;
                               }) == labels.end(),
            "labels are not sorted");
}

bool is_name(std::string_view name, bool colons) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

}  // namespace

LabelView Labels::Iterator::operator*() const {
  const char* at = at_;
  const std::string_view name = take_string(at);
  return {name, take_string(at)};
}

Labels::Iterator& Labels::Iterator::operator++() {
  take_string(at_);
  take_string(at_);
  return *this;
}

Labels::Labels(std::initializer_list<LabelView> labels) {
  LabelsBuilder builder;
  for (const LabelView& label : labels) builder.set(label.name, label.value);
  *this = builder.build();
}

Labels Labels::from_sorted(std::span<const LabelView> labels) {
  std::size_t bytes = 0;
  for (const LabelView& label : labels) {
    if (!label.value.empty()) bytes += packed_size(label.name) + packed_size(label.value);
  }
  Labels result;
  result.packed_ = base::SharedText::written(bytes, [labels](char* at) {
    for (const LabelView& label : labels) {
      if (!label.value.empty()) at = put_string(put_string(at, label.name), label.value);
    }
  });
  check_sorted(labels);
  return result;
}

void Labels::pack(std::span<const LabelView> labels, std::string& out) {
  out.clear();
  for (const LabelView& label : labels) {
    if (label.value.empty()) continue;
    put_string(out, label.name);
    put_string(out, label.value);
  }
  check_sorted(labels);
}

Labels Labels::from_packed(std::string_view packed) {
  Labels result;
  result.packed_ = packed;
  return result;
}

std::size_t Labels::size() const {
  return static_cast<std::size_t>(std::distance(begin(), end()));
}

std::string_view Labels::get(std::string_view name) const {
  const char* at = packed().data();
  const char* const end = at + packed_.size();
  while (at != end) {
    const int order = take_string(at).compare(name);
    const std::string_view value = take_string(at);
    if (order >= 0) return order == 0 ? value : std::string_view();
  }
  return {};
}

std::uint64_t Labels::hash() const {
  return base::hash64(packed_);
}

std::uint64_t Labels::fingerprint() const {
  std::uint64_t hash = base::fnv1a("");
  for (const LabelView label : *this) {
    hash = base::fnv1a("\xff", base::fnv1a(label.name, hash));
    hash = base::fnv1a("\xff", base::fnv1a(label.value, hash));
  }
  return hash;
}

std::string Labels::to_string() const {
  const std::string_view metric = metric_name();
  const bool plain_name = is_legacy_metric_name(metric);
  std::string text;
  text.reserve(packed_.size() + 3 * size() + 2);
  if (plain_name) text = metric;
  const std::size_t before = text.size();
  const auto separate = [&] { text += text.size() == before ? "{" : ", "; };
  if (!metric.empty() && !plain_name) {
    separate();
    append_quoted(text, metric);
  }
  for (const LabelView label : *this) {
    if (label.name == kMetricName) continue;
    separate();
    if (is_legacy_label_name(label.name)) {
      text += label.name;
    } else {
      append_quoted(text, label.name);
    }
    text += '=';
    append_quoted(text, label.value);
  }
  if (text.empty()) return "{}";
  if (text.size() > before) text += '}';
  return text;
}

std::strong_ordering Labels::operator<=>(const Labels& other) const {
  auto a = begin();
  auto b = other.begin();
  for (; a != end() && b != other.end(); ++a, ++b) {
    if (const auto order = *a <=> *b; order != 0) return order;
  }
  return (a != end()) <=> (b != other.end());
}

LabelsBuilder::LabelsBuilder(const Labels& base) {
  for (const LabelView label : base) labels_.emplace_back(label.name, label.value);
}

LabelsBuilder& LabelsBuilder::set(std::string_view name, std::string_view value) {
  if (value.empty()) return remove(name);
  const auto at = std::lower_bound(labels_.begin(), labels_.end(), name,
                                   [](const auto& l, std::string_view n) { return l.first < n; });
  if (at != labels_.end() && at->first == name) {
    at->second = value;
  } else {
    labels_.emplace(at, name, value);
  }
  return *this;
}

LabelsBuilder& LabelsBuilder::remove(std::string_view name) {
  std::erase_if(labels_, [&](const auto& label) { return label.first == name; });
  return *this;
}

std::string_view LabelsBuilder::get(std::string_view name) const {
  for (const auto& label : labels_) {
    if (label.first == name) return label.second;
  }
  return {};
}

Labels LabelsBuilder::build() const {
  std::vector<LabelView> views;
  views.reserve(labels_.size());
  for (const auto& [name, value] : labels_) views.push_back({name, value});
  return Labels::from_sorted(views);
}

bool is_legacy_label_name(std::string_view name) {
  return is_name(name, false);
}
bool is_legacy_metric_name(std::string_view name) {
  return is_name(name, true);
}

}  // namespace tocsin::model
