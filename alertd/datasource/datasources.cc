#include "alertd/datasource/datasources.h"

#include <algorithm>

#include "alertd/datasource/remote_evaluator.h"

namespace tocsin::datasource {
namespace {

constexpr std::size_t kThreadsMax = 64;

}  // namespace

Datasources::Datasources(const std::vector<DatasourceSettings>& settings,
                         const DatasourceWorld& world, const promql::Engine& engine,
                         const model::SeriesSource& local)
    : engine_(engine), local_(local) {
  for (const DatasourceSettings& one : settings) {
    all_.push_back(std::make_shared<Datasource>(one, world));
  }
}

std::shared_ptr<Datasource> Datasources::find(std::string_view name) const {
  const auto found = std::find_if(all_.begin(), all_.end(),
                                  [&](const auto& one) { return one->settings()->name == name; });
  return found != all_.end() ? *found : nullptr;
}

std::unique_ptr<ruler::RuleEvaluator> Datasources::make(const ruler::RuleGroup& group) const {
  auto datasource = find(group.datasource);
  if (!datasource) return nullptr;
  return std::make_unique<RemoteEvaluator>(group, std::move(datasource), engine_, local_);
}

bool Datasources::reload(const std::vector<DatasourceSettings>& settings) {
  std::size_t known = 0;
  for (const DatasourceSettings& one : settings) {
    if (const auto datasource = find(one.name)) {
      datasource->reload(one);
      ++known;
    }
  }
  return known == all_.size() && known == settings.size();
}

unsigned requests_at_once(const std::vector<DatasourceSettings>& settings) {
  std::size_t sum = 0;
  for (const DatasourceSettings& one : settings) sum += one.max_parallel;
  return static_cast<unsigned>(std::clamp<std::size_t>(sum, 1, kThreadsMax));
}

}  // namespace tocsin::datasource
