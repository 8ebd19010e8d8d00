#include "alertd/routing/inhibition.h"

#include <algorithm>

namespace tocsin::routing {
namespace {

bool is_source(const InhibitRule& rule, const AlertLabels& labels) {
  return std::any_of(rule.sources.begin(), rule.sources.end(),
                     [&](const auto& matchers) { return labels.match(matchers); });
}

}  // namespace

std::string Inhibition::key_of(const InhibitRule& rule, const AlertLabels& labels) const {
  std::string key;
  for (const std::string& name : rule.equal) {
    key += labels.get(name);
    key += '\xff';  // in no valid UTF-8, so no two combinations give one key
  }
  return key;
}

/// Returns one source of each kind; empty if some kind has none.
std::vector<Fingerprint> Inhibition::active(const Bucket& bucket, bool two_sided) {
  std::vector<Fingerprint> by;
  for (const Kind& kind : bucket.kinds) {
    const auto& sources = two_sided || !kind.one_sided.empty() ? kind.one_sided : kind.two_sided;
    if (sources.empty()) return {};
    by.push_back(*sources.begin());
  }
  std::sort(by.begin(), by.end());
  by.erase(std::unique(by.begin(), by.end()), by.end());
  return by;
}

std::set<Fingerprint> Inhibition::fires(Fingerprint alert, const AlertLabels& labels) {
  std::set<Fingerprint> concerned = ends(alert);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const InhibitRule& rule = rules_[i];
    const bool target = labels.match(rule.target);
    if (!target && !is_source(rule, labels)) continue;
    Place place{i, key_of(rule, labels)};
    Bucket& bucket = buckets_[i][place.key];
    bucket.kinds.resize(rule.sources.size());
    const bool before = !active(bucket, false).empty();
    const bool before_two_sided = !active(bucket, true).empty();
    for (std::size_t kind = 0; kind < rule.sources.size(); ++kind) {
      if (!labels.match(rule.sources[kind])) continue;
      Kind& sources = bucket.kinds[kind];
      (target ? sources.two_sided : sources.one_sided).insert(alert);
    }
    if (target) {
      bucket.targets.insert(alert);
      concerned.insert(alert);
    }
    if (before != !active(bucket, false).empty() ||
        before_two_sided != !active(bucket, true).empty()) {
      concerned.insert(bucket.targets.begin(), bucket.targets.end());
    }
    places_[alert].push_back(std::move(place));
  }
  return concerned;
}

std::set<Fingerprint> Inhibition::ends(Fingerprint alert) {
  std::set<Fingerprint> concerned;
  const auto found = places_.find(alert);
  if (found == places_.end()) return concerned;
  for (const Place& place : found->second) {
    const auto at = buckets_[place.rule].find(place.key);
    Bucket& bucket = at->second;
    const bool before = !active(bucket, false).empty();
    const bool before_two_sided = !active(bucket, true).empty();
    bool none = true;
    for (Kind& kind : bucket.kinds) {
      kind.one_sided.erase(alert);
      kind.two_sided.erase(alert);
      none = none && kind.one_sided.empty() && kind.two_sided.empty();
    }
    bucket.targets.erase(alert);
    if (before != !active(bucket, false).empty() ||
        before_two_sided != !active(bucket, true).empty()) {
      concerned.insert(bucket.targets.begin(), bucket.targets.end());
    }
    if (none && bucket.targets.empty()) buckets_[place.rule].erase(at);
  }
  places_.erase(found);
  return concerned;
}

Inhibition::Found Inhibition::find(const AlertLabels& labels) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].sources.empty() || !labels.match(rules_[i].target)) continue;
    const auto bucket = buckets_[i].find(key_of(rules_[i], labels));
    if (bucket == buckets_[i].end()) continue;
    std::vector<Fingerprint> by = active(bucket->second, is_source(rules_[i], labels));
    if (!by.empty()) return {i, std::move(by)};
  }
  return {};
}

std::vector<Fingerprint> Inhibition::inhibitors(const AlertLabels& labels) const {
  return find(labels).by;
}

std::string Inhibition::inhibiting_rule(const AlertLabels& labels) const {
  const Found found = find(labels);
  if (found.by.empty()) return "";
  const std::string& name = rules_[found.rule].name;
  return name.empty() ? "#" + std::to_string(found.rule + 1) : name;
}

}  // namespace tocsin::routing
