// Metric families: which sample names belong to which TYPE line, and in which order lines may come.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/collectors/exposition/exposition.h"
#include "common/base/result.h"
#include "common/model/write_batch.h"

namespace tocsin::agent {

/// What is known of one family. Views point into the text or into the arena of FamilyTable.
struct Family {
  std::string_view name;
  model::MetricType type = model::MetricType::Unknown;
  std::string_view help;
  std::string_view unit;
  bool has_type = false;
  bool has_help = false;
  bool has_unit = false;
  bool has_samples = false;
};

/// All families of one text, and the one that is being read.
class FamilyTable {
 public:
  FamilyTable(ExpositionFormat format, const ExpositionLimits& limits)
      : format_(format), limits_(limits) {}

  /// Metadata lines, without their "# TYPE " and so on. Errors carry no line number yet.
  base::Result<void> set_type(std::string_view name, std::string_view type);
  base::Result<void> set_help(std::string_view name, std::string_view escaped_text);
  base::Result<void> set_unit(std::string_view name, std::string_view unit);

  /// Returns the family a sample belongs to, making one of unknown type where none was declared.
  base::Result<const Family*> of_sample(std::string_view name);

  std::size_t size() const { return families_.size(); }

 private:
  base::Result<Family*> of_metadata(std::string_view name, std::string_view what);
  base::Result<Family*> enter(std::string_view name);
  Family* find(std::string_view name);

  ExpositionFormat format_;
  const ExpositionLimits& limits_;
  // The key is the family's name; nodes of a map do not move, so pointers to families stay valid.
  std::unordered_map<std::string_view, Family> families_;
  Family* current_ = nullptr;
  std::string last_sample_;
  model::TextArena text_;
  std::string scratch_;
};

}  // namespace tocsin::agent
