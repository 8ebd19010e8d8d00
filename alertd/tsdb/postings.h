// Postings: which series have a label with a value. The index that makes a selector cheap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/hash.h"
#include "common/model/labels.h"
#include "common/model/matcher.h"

namespace tocsin::tsdb {

/// Place of a series in the table; reused after the series is gone.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xffffffff;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return base::hash64(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// The sorted slots of one label value.
struct PostingList {
  std::vector<Slot> slots;
  std::uint64_t generation = 0;  ///< Changes whenever the slots do; never repeats.
};

/// Label name -> value -> sorted slots. Owner: the store thread, under the head's lock.
class Postings {
 public:
  void add(Slot slot, const model::Labels& labels);

  /// Removes series that are going away; `slots` sorted, `labels_of(slot)` still valid.
  template <class LabelsOf>
  void remove(std::span<const Slot> slots, LabelsOf labels_of) {
    TextMap<TextMap<bool>> touched;
    for (const Slot slot : slots) {
      for (const model::LabelView label : labels_of(slot)) {
        touched[std::string(label.name)].try_emplace(std::string(label.value), true);
      }
    }
    for (const auto& [name, values] : touched) {
      for (const auto& [value, unused] : values) remove_from(name, value, slots);
    }
  }

  /// Returns the list of one label value, or nullptr.
  const PostingList* find(std::string_view name, std::string_view value) const;

  /// Narrows by the matchers that an index can answer.
  ///
  /// Returns sorted slots, a superset of the answer; `exact` tells which matchers need no further
  /// check. Returns false if no matcher narrows anything: then every series is a candidate.
  bool candidates(std::span<const model::Matcher> matchers, std::vector<Slot>& slots,
                  std::vector<bool>& exact) const;

  /// Values of a label in parts: the hash buckets [begin, end) of buckets(name) in all. The number
  /// changes when the order does.
  std::size_t buckets(std::string_view name) const;
  template <class Visit>  // (value, number of series)
  void visit(std::string_view name, std::size_t begin, std::size_t end, Visit visit) const {
    const auto by_name = lists_.find(name);
    if (by_name == lists_.end()) return;
    const auto& values = by_name->second;
    for (std::size_t bucket = begin; bucket < end && bucket < values.bucket_count(); ++bucket) {
      for (auto at = values.begin(bucket); at != values.end(bucket); ++at) {
        visit(std::string_view(at->first), at->second.slots.size());
      }
    }
  }

  std::vector<std::string> names() const;
  std::vector<std::string> values(std::string_view name) const;

 private:
  void remove_from(const std::string& name, const std::string& value, std::span<const Slot> gone);
  std::vector<Slot> matching(const model::Matcher& matcher) const;

  struct Recent {
    std::string_view name;
    std::string_view value;
    PostingList* list = nullptr;
  };

  TextMap<TextMap<PostingList>> lists_;
  std::vector<Recent> recent_;  // by position of the label: neighbours share most of their labels
  std::uint64_t generation_ = 0;
};

}  // namespace tocsin::tsdb
