#include "alertd/incident/scope.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::incident {

namespace {

/// Counts the names, each once.
ScopePart part_of(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return {names.size(), names.size() == 1 ? std::string(names.front()) : std::string()};
}

/// Returns "web1" for one, "3 hosts" for several, "" for none.
std::string count_text(const ScopePart& part, std::string_view plural) {
  if (part.count == 0) return {};
  return part.count == 1 ? part.only : fmt::format("{} {}", part.count, plural);
}

}  // namespace

const ScopeLabels& usual_labels() {
  static const ScopeLabels labels;
  return labels;
}

std::string_view first_label(const model::Labels& labels, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const std::string_view value = labels.get(name); !value.empty()) return value;
  }
  return {};
}

Scope measure(std::span<const model::Alert> firing, const ScopeLabels& labels,
              std::size_t fleet_hosts, base::WallTime now) {
  Scope scope;
  scope.alerts = firing.size();
  const auto count = [firing](const std::vector<std::string>& label) {
    std::vector<std::string_view> names;
    for (const model::Alert& alert : firing) {
      const std::string_view name = first_label(alert.labels, label);
      if (!name.empty()) names.push_back(name);
    }
    return part_of(std::move(names));
  };
  scope.hosts = count(labels.host);
  scope.services = count(labels.service);
  scope.environments = count(labels.environment);
  for (const model::Alert& alert : firing) {
    if (alert.starts_at > now - Scope::kGrowthWindow) ++scope.recent;
  }
  if (fleet_hosts > 0) {
    const auto share = static_cast<double>(scope.hosts.count) / static_cast<double>(fleet_hosts);
    scope.fleet_share = std::min(share, 1.0);
  }
  return scope;
}

std::string describe(const Scope& scope, std::size_t fleet_hosts) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  };
  std::string hosts = count_text(scope.hosts, "hosts");
  if (scope.fleet_share && scope.hosts.count > 0) {
    hosts += fmt::format(" ({:.0f} % of {})", *scope.fleet_share * 100, fleet_hosts);
  }
  add(hosts);
  add(count_text(scope.services, "services"));
  add(count_text(scope.environments, "environments"));
  if (text.empty()) text = fmt::format("{} alert{}", scope.alerts, scope.alerts == 1 ? "" : "s");
  if (scope.recent > 0 && scope.recent < scope.alerts) {
    text += fmt::format("; {} more within {}", scope.recent,
                        base::format_duration(Scope::kGrowthWindow));
  }
  return text;
}

}  // namespace tocsin::incident
