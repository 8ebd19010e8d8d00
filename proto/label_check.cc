#include "proto/label_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::proto {
namespace {

using base::ErrorCode;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

base::Error invalid(std::size_t series, std::string_view what) {
  return base::error(ErrorCode::InvalidArgument, fmt::format("series {}: {}", series, what));
}

// For messages: what the sender wrote, but short and harmless in a log.
std::string shown(std::string_view text) {
  if (!base::is_utf8(text)) return "(not UTF-8)";
  return base::escape_control(text.size() > 64 ? text.substr(0, 64) : text);
}

}  // namespace

bool is_utf8_fast(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) return base::is_utf8(text);
  }
  for (; at < text.size(); ++at) {
    if (static_cast<unsigned char>(text[at]) >= 0x80) return base::is_utf8(text);
  }
  return true;
}

base::Result<void> check_label(const model::LabelView& label, const Limits& limits,
                               std::size_t series) {
  if (label.name.empty()) return invalid(series, "a label has an empty name");
  if (label.name.size() > limits.label_name_bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("series {}: label name is {} bytes, limit {}", series,
                                   label.name.size(), limits.label_name_bytes_max));
  }
  if (!is_utf8_fast(label.name)) return invalid(series, "a label name is not UTF-8");
  if (has_control(label.name)) {
    return invalid(series,
                   fmt::format("label name '{}' has a control character", shown(label.name)));
  }
  if (label.value.size() > limits.label_value_bytes_max) {
    return base::error(
        ErrorCode::LimitExceeded,
        fmt::format("series {}: label value of '{}' is {} bytes, limit {}", series,
                    shown(label.name), label.value.size(), limits.label_value_bytes_max));
  }
  if (!is_utf8_fast(label.value)) {
    return invalid(series, fmt::format("label value of '{}' is not UTF-8", shown(label.name)));
  }
  return base::ok();
}

base::Result<void> sort_and_check(std::span<model::LabelView> labels, std::size_t series) {
  const auto by_name = [](const model::LabelView& a, const model::LabelView& b) {
    return a.name < b.name;
  };
  if (!std::is_sorted(labels.begin(), labels.end(), by_name)) {
    std::sort(labels.begin(), labels.end(), by_name);
  }
  bool named = false;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0 && labels[i].name == labels[i - 1].name) {
      return invalid(series, fmt::format("label '{}' is there twice", shown(labels[i].name)));
    }
    if (labels[i].name == model::kMetricName && !labels[i].value.empty()) {
      named = true;
      if (has_control(labels[i].value)) {
        return invalid(series, fmt::format("metric name '{}' has a control character",
                                           shown(labels[i].value)));
      }
    }
  }
  if (!named) return invalid(series, "has no metric name (label __name__)");
  return base::ok();
}

}  // namespace tocsin::proto
