#include "alertd/incident/dependency.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/scope.h"
#include "alertd/routing/matcher_text.h"

namespace tocsin::incident {

namespace {

constexpr std::size_t kServicesMax = 10'000;

}  // namespace

void Dependencies::add(Dependency dependency) {
  for (const std::string& need : dependency.needs) {
    by_service_.try_emplace(need, Dependency{need, {}, {}});
  }
  Dependency& known = by_service_[dependency.service];
  known.service = dependency.service;
  known.needs.insert(known.needs.end(), dependency.needs.begin(), dependency.needs.end());
  known.matchers.insert(known.matchers.end(), dependency.matchers.begin(),
                        dependency.matchers.end());
}

std::set<std::string> Dependencies::services_of(const model::Labels& labels) const {
  std::set<std::string> services;
  if (by_service_.empty()) return services;
  for (const std::string& name : usual_labels().service) {
    const auto found = by_service_.find(std::string(labels.get(name)));
    if (found != by_service_.end() && found->second.matchers.empty()) services.insert(found->first);
  }
  for (const auto& [name, dependency] : by_service_) {
    if (!dependency.matchers.empty() && model::matches_all(dependency.matchers, labels)) {
      services.insert(name);
    }
  }
  return services;
}

std::map<std::string, int> Dependencies::needs_of(const std::set<std::string>& services) const {
  std::map<std::string, int> needs;
  std::vector<std::string> layer(services.begin(), services.end());
  for (int depth = 1; !layer.empty(); ++depth) {
    std::vector<std::string> next;
    for (const std::string& service : layer) {
      const auto found = by_service_.find(service);
      if (found == by_service_.end()) continue;
      for (const std::string& need : found->second.needs) {
        if (services.contains(need) || !needs.emplace(need, depth).second) continue;
        next.push_back(need);
      }
    }
    layer = std::move(next);
  }
  return needs;
}

std::int64_t probable_root(const Dependencies& dependencies, const std::set<std::string>& services,
                           std::span<const Suspect> suspects) {
  const std::map<std::string, int> needs = dependencies.needs_of(services);
  std::int64_t best = 0;
  int best_depth = 0;
  base::WallTime best_at;
  for (const Suspect& suspect : suspects) {
    int depth = 0;
    for (const std::string& service : suspect.services) {
      const auto need = needs.find(service);
      if (need != needs.end()) depth = std::max(depth, need->second);
    }
    if (depth == 0) continue;
    if (depth > best_depth || (depth == best_depth && suspect.opened_at < best_at)) {
      best = suspect.number;
      best_depth = depth;
      best_at = suspect.opened_at;
    }
  }
  return best;
}

Dependencies read_dependencies(config::Table& root) {
  Dependencies dependencies;
  std::set<std::string> seen;
  std::vector<config::Table> tables = root.tables("dependency");
  if (tables.size() > kServicesMax) {
    root.error("dependency", fmt::format("more than {} dependencies", kServicesMax));
  }
  for (config::Table& table : tables) {
    Dependency dependency;
    dependency.service = table.required_string("service");
    dependency.needs = table.strings("needs");
    for (const std::string& text : table.strings("matchers")) {
      auto matchers = routing::parse_matchers(text);
      if (!matchers) {
        table.error("matchers", fmt::format("matcher '{}': {}", text, matchers.error().message));
        continue;
      }
      dependency.matchers.insert(dependency.matchers.end(), matchers->begin(), matchers->end());
    }
    if (!seen.insert(dependency.service).second) {
      table.error("service", fmt::format("two dependencies are of '{}'", dependency.service));
    }
    if (dependency.needs.empty() && dependency.matchers.empty()) {
      table.error("needs", "the service needs nothing", "needs = [\"postgres\"]");
    }
    // Of a circle the last one written is at fault: it needs what needs it.
    dependencies.add(dependency);
    std::set<std::string> needed(dependency.needs.begin(), dependency.needs.end());
    if (needed.contains(dependency.service) ||
        dependencies.needs_of(needed).contains(dependency.service)) {
      table.error("needs",
                  fmt::format("'{}' needs itself, directly or through others", dependency.service));
    }
    table.finish();
  }
  return dependencies;
}

}  // namespace tocsin::incident
