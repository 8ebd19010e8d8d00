// All datasources of a daemon, by name.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "alertd/datasource/datasource.h"
#include "alertd/ruler/rule_evaluator.h"

namespace tocsin::datasource {

/// Thread: any. Outlives the groups that ask it.
class Datasources {
 public:
  /// `engine` and `local` (our store) outlive it: state of alerts is kept here.
  Datasources(const std::vector<DatasourceSettings>& settings, const DatasourceWorld& world,
              const promql::Engine& engine, const model::SeriesSource& local);

  /// Returns null if there is none of that name.
  std::shared_ptr<Datasource> find(std::string_view name) const;
  std::unique_ptr<ruler::RuleEvaluator> make(const ruler::RuleGroup& group) const;

  /// New settings for the same names; others take effect at the next start. Returns whether the
  /// names are the same.
  bool reload(const std::vector<DatasourceSettings>& settings);

 private:
  std::vector<std::shared_ptr<Datasource>> all_;
  const promql::Engine& engine_;
  const model::SeriesSource& local_;
};

/// How many requests these may have in flight at once: as many threads their client needs.
unsigned requests_at_once(const std::vector<DatasourceSettings>& settings);

}  // namespace tocsin::datasource
