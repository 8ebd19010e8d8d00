// Samples as a page in the Prometheus text format: what `--once` prints.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/model/write_batch.h"

namespace tocsin::agent {

/// Gathers batches and prints them, family by family. Stale markers are left out.
class TextPage {
 public:
  /// Samples with `round_ms` are printed without a timestamp, others with theirs.
  explicit TextPage(std::int64_t round_ms = 0) : round_ms_(round_ms) {}

  void add(const model::WriteBatch& batch);

  /// Returns the page in text format 0.0.4: sorted by family, with HELP and TYPE where known.
  std::string text() const;

 private:
  struct Family {
    std::string help;
    model::MetricType type = model::MetricType::Unknown;
    std::vector<std::string> lines;
  };
  std::string family_of(std::string_view metric) const;

  std::int64_t round_ms_;
  std::map<std::string, Family> families_;
};

}  // namespace tocsin::agent
