#include "alertd/incident/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tocsin::incident {

namespace {

ScopePart part_of(const std::set<std::string>& names) {
  ScopePart part;
  part.count = names.size();
  for (const std::string& name : names) {
    if (part.names.size() == ScopePart::kNamed) break;
    part.names.push_back(name);
  }
  return part;
}

std::string place_of(const model::Alert& alert, const ScopeLabels& labels) {
  std::string host = first_label(alert.labels, labels.host);
  return host.empty() ? alert.labels.to_string() : host;
}

/// Returns "web1" for one, "3 hosts" for several, "" for none.
std::string count_text(const ScopePart& part, std::string_view plural) {
  if (part.count == 0) return {};
  return part.count == 1 ? part.names.front() : fmt::format("{} {}", part.count, plural);
}

}  // namespace

const ScopeLabels& usual_labels() {
  static const ScopeLabels labels;
  return labels;
}

std::string first_label(const model::Labels& labels, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (labels.has(name)) return std::string(labels.get(name));
  }
  return {};
}

Scope measure(std::span<const model::Alert> firing, const ScopeLabels& labels,
              std::size_t fleet_hosts, base::WallTime now) {
  Scope scope;
  scope.alerts = firing.size();
  std::set<std::string> hosts, services, environments;
  const model::Alert* first = nullptr;
  const model::Alert* latest = nullptr;
  const auto put = [](std::set<std::string>& into, std::string name) {
    if (!name.empty()) into.insert(std::move(name));
  };
  for (const model::Alert& alert : firing) {
    put(hosts, first_label(alert.labels, labels.host));
    put(services, first_label(alert.labels, labels.service));
    put(environments, first_label(alert.labels, labels.environment));
    if (!first || alert.starts_at < first->starts_at) first = &alert;
    if (!latest || alert.starts_at > latest->starts_at) latest = &alert;
    if (alert.starts_at > now - Scope::kGrowthWindow) ++scope.recent;
  }
  scope.hosts = part_of(hosts);
  scope.services = part_of(services);
  scope.environments = part_of(environments);
  if (fleet_hosts > 0) {
    const auto share = static_cast<double>(hosts.size()) / static_cast<double>(fleet_hosts);
    scope.fleet_share = std::min(share, 1.0);
  }
  if (first) {
    scope.first = place_of(*first, labels);
    scope.first_at = first->starts_at;
    scope.latest = place_of(*latest, labels);
    scope.latest_at = latest->starts_at;
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
