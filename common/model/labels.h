// Labels: the identity of a series or an alert, sorted by name, packed into one allocation.
//
// A fleet has 10^5..10^6 label sets alive; as vectors of string pairs each would cost over a
// kilobyte. Packed (length, name, length, value, ...) they cost their text plus two bytes a string,
// compare with one memcmp for equality and hash in one pass. Copies share the bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/shared_text.h"

namespace tocsin::model {

inline constexpr std::string_view kMetricName = "__name__";
inline constexpr std::string_view kAlertName = "alertname";

/// One label; the views belong to somebody else.
struct LabelView {
  std::string_view name;
  std::string_view value;
  friend auto operator<=>(const LabelView&, const LabelView&) = default;
};

/// An immutable set of labels: names unique, sorted by bytes; no label has an empty value (an empty
/// value means "not there", as in Prometheus). Thread: any.
class Labels {
 public:
  class Iterator {
   public:
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const char* at) : at_(at) {}
    LabelView operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const char* at_ = nullptr;
  };

  Labels() = default;
  /// For tests and small sets: any order; empty values are left out; the last of a name wins.
  Labels(std::initializer_list<LabelView> labels);

  /// `labels` must be sorted by name without repetition (checked in debug builds).
  static Labels from_sorted(std::span<const LabelView> labels);

  /// Packs as from_sorted does, into `out` (replaced): for look-ups that need no set of their own.
  static void pack(std::span<const LabelView> labels, std::string& out);
  /// Makes a set of bytes that pack() or packed() gave; they must be valid (not checked).
  static Labels from_packed(std::string_view packed);
  /// The packed bytes: equal bytes, equal sets. Stored records hold them: the format is stable.
  std::string_view packed() const { return packed_; }

  Iterator begin() const { return Iterator(packed().data()); }
  Iterator end() const { return Iterator(packed().data() + packed_.size()); }
  bool empty() const { return packed_.empty(); }
  std::size_t size() const;

  /// Returns the value, or "" if there is no such label (the two are the same thing).
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  /// Returns the value of __name__, or "".
  std::string_view metric_name() const { return get(kMetricName); }

  /// Hash for tables in memory; not stable across versions.
  std::uint64_t hash() const;
  /// Stable identity of an alert: FNV-1a over names and values, each followed by byte 0xff.
  /// Source: Prometheus common/model, LabelSet.Fingerprint.
  std::uint64_t fingerprint() const;

  /// Returns `name{a="1",b="2"}` as PromQL prints it; "{}" when empty.
  std::string to_string() const;

  friend bool operator==(const Labels&, const Labels&) = default;
  /// By the first differing name, then value; a prefix sorts first. Source: Prometheus
  /// labels.Compare.
  std::strong_ordering operator<=>(const Labels& other) const;

 private:
  base::SharedText packed_;
};

/// Makes a changed copy of a label set.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(const Labels& base);

  /// Sets the label; an empty value removes it.
  LabelsBuilder& set(std::string_view name, std::string_view value);
  LabelsBuilder& remove(std::string_view name);
  std::string_view get(std::string_view name) const;
  Labels build() const;

 private:
  std::vector<std::pair<std::string, std::string>> labels_;  // sorted by name
};

/// Returns whether `name` matches [a-zA-Z_][a-zA-Z0-9_]*.
bool is_legacy_label_name(std::string_view name);
/// Returns whether `name` matches [a-zA-Z_:][a-zA-Z0-9_:]*.
bool is_legacy_metric_name(std::string_view name);

}  // namespace tocsin::model

template <>
struct std::hash<tocsin::model::Labels> {
  std::size_t operator()(const tocsin::model::Labels& labels) const noexcept {
    return labels.hash();
  }
};
