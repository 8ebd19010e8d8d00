// Labels of many series in one payload: each pair of name and value once, a series as the numbers
// of its pairs. A payload holds its own pairs, so that damage to another one does not reach it.
// Layout: WAL_FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/tsdb/byte_codec.h"
#include "alertd/tsdb/postings.h"
#include "common/model/labels.h"

namespace tocsin::tsdb {

/// Builds a payload: the pairs, then whatever `body()` got. Thread: one.
class LabelsWriter {
 public:
  /// What comes after the pairs; put() adds labels to it, others may add between.
  std::string& body() { return body_; }
  void put(const model::Labels& labels);
  std::size_t size() const { return pairs_.size() + body_.size(); }
  bool empty() const { return body_.empty(); }
  /// Appends the payload to `out` and starts afresh.
  void finish(std::string& out);

 private:
  struct Pair {
    std::string name;
    std::string value;
    std::uint32_t number = 0;
  };
  std::uint32_t number_of(const model::LabelView& label);

  std::string body_;
  std::string pairs_;
  std::string key_;
  std::uint32_t count_ = 0;
  TextMap<std::uint32_t> numbers_;
  std::vector<Pair> recent_;  // by position of the label: neighbours share most of theirs
};

/// Reads such a payload. Thread: one.
class LabelsReader {
 public:
  /// Reads the pairs; the views are into the reader's bytes. Returns false at damage.
  bool read_pairs(ByteReader& reader);
  /// Reads the labels of one series; nullopt at damage.
  std::optional<model::Labels> read(ByteReader& reader);

 private:
  std::vector<model::LabelView> pairs_;
  std::vector<model::LabelView> views_;
};

}  // namespace tocsin::tsdb
