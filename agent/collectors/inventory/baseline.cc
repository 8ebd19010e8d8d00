#include "agent/collectors/inventory/baseline.h"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/collectors/kept/state_file.h"
#include "common/base/check.h"

namespace tocsin::agent {

namespace json = boost::json;

namespace {

constexpr base::Duration kDay{86'400'000};

const FamilyKind& kind_of(const std::string& family) {
  const auto& kinds = family_kinds();
  const auto it = std::find_if(kinds.begin(), kinds.end(),
                               [&](const FamilyKind& one) { return family == one.family; });
  TC_CHECK(it != kinds.end(), "a family without a row in family_kinds()");
  return *it;
}

std::map<std::string, std::int64_t> integers_of(const json::object& object, std::string_view name) {
  std::map<std::string, std::int64_t> integers;
  if (const json::object* members = object_of(object, name)) {
    for (const auto& member : *members) {
      integers[member.key()] = integer_of(*members, member.key(), 0);
    }
  }
  return integers;
}

json::object object_from(const std::map<std::string, std::int64_t>& integers) {
  json::object object;
  for (const auto& [name, value] : integers) object[name] = value;
  return object;
}

}  // namespace

bool InventoryFamily::hides(std::string_view name) const {
  return std::any_of(unread.begin(), unread.end(),
                     [&](const std::string& prefix) { return name.starts_with(prefix); });
}

const std::vector<FamilyKind>& family_kinds() {
  static const std::vector<FamilyKind> kinds = {
      {"account", "account_added", "account_removed", "account_changed"},
      {"superuser", "superuser_added", "superuser_removed", nullptr},
      {"admin", "admin_added", "admin_removed", nullptr},
      {"sudoers", "sudoers_changed", "sudoers_changed", "sudoers_changed"},
      {"authorized_key", "key_added", "key_removed", nullptr},
      {"cron", "cron_changed", "cron_changed", "cron_changed"},
      {"timer", "timer_changed", "timer_changed", "timer_changed"},
      {"port", "port_opened", "port_closed", "port_process_changed", kDay},
      {"local_port", "local_port_opened", nullptr, "local_port_process_changed", kDay},
      {"file", "file_changed", "file_changed", "file_changed"},
      {"suid", "suid_added", "suid_removed", "suid_changed"},
      {"service_login", nullptr, nullptr, "service_account_login"},
  };
  return kinds;
}

std::vector<std::string> change_kinds() {
  std::set<std::string> kinds;
  for (const FamilyKind& family : family_kinds()) {
    for (const char* kind : {family.added, family.removed, family.changed}) {
      if (kind != nullptr) kinds.insert(kind);
    }
  }
  return {kinds.begin(), kinds.end()};
}

Baseline::Baseline() {
  for (const std::string& kind : change_kinds()) counts_[kind] = 0;
}

std::vector<AccessChange> Baseline::advance(const Snapshot& snapshot, base::WallTime now) {
  std::vector<AccessChange> changes;
  const auto changed = [&](const char* kind, const std::string& name) {
    if (kind == nullptr) return;
    changes.push_back({kind, name});
    ++counts_[kind];
    last_ms_[kind] = base::to_ms(now);
  };
  for (const auto& [family_name, seen] : snapshot) {
    const FamilyKind& kind = kind_of(family_name);
    const auto [it, is_new] = known_.try_emplace(family_name);
    Known& known = it->second;
    if (is_new) known.family.unread.insert("");
    for (const auto& [name, value] : seen.entries) {
      const auto [entry, added] = known.family.entries.try_emplace(name, value);
      known.gone_ms.erase(name);
      if (added) {
        if (!known.family.hides(name)) changed(kind.added, name);
        continue;
      }
      // A value that is not known is no other value.
      if (value.empty() || value == entry->second) continue;
      if (!entry->second.empty()) changed(kind.changed, name);
      entry->second = value;
    }
    std::erase_if(known.family.entries, [&](const auto& entry) {
      const std::string& name = entry.first;
      if (seen.entries.contains(name) || seen.hides(name)) return false;
      const auto [gone, first] = known.gone_ms.try_emplace(name, base::to_ms(now));
      if (kind.linger.count() > 0 && base::to_ms(now) - gone->second < kind.linger.count()) {
        return false;
      }
      known.gone_ms.erase(gone);
      changed(kind.removed, name);
      return true;
    });
    known.family.unread = seen.unread;
  }
  return changes;
}

base::WallTime Baseline::since(const std::string& name, bool is_so, base::WallTime now) {
  if (!is_so) {
    since_ms_.erase(name);
    return now;
  }
  return base::wall_time(since_ms_.try_emplace(name, base::to_ms(now)).first->second);
}

json::object Baseline::to_json() const {
  json::object families;
  for (const auto& [name, known] : known_) {
    json::object entries;
    for (const auto& [entry, value] : known.family.entries) entries[entry] = value;
    json::array unread;
    for (const std::string& prefix : known.family.unread) unread.emplace_back(prefix);
    json::object one;
    one["entries"] = std::move(entries);
    one["unread"] = std::move(unread);
    one["gone_ms"] = object_from(known.gone_ms);
    families[name] = std::move(one);
  }
  json::object object;
  object["families"] = std::move(families);
  object["counts"] = object_from(counts_);
  object["last_ms"] = object_from(last_ms_);
  object["since_ms"] = object_from(since_ms_);
  return object;
}

Baseline Baseline::from_json(const json::object& object) {
  Baseline baseline;
  for (const auto& [kind, count] : integers_of(object, "counts")) baseline.counts_[kind] = count;
  baseline.last_ms_ = integers_of(object, "last_ms");
  baseline.since_ms_ = integers_of(object, "since_ms");
  const json::object* families = object_of(object, "families");
  if (families == nullptr) return baseline;
  for (const auto& member : *families) {
    const json::object* one = member.value().if_object();
    const json::object* entries = one == nullptr ? nullptr : object_of(*one, "entries");
    if (entries == nullptr) continue;
    Known& known = baseline.known_[member.key()];
    for (const auto& entry : *entries) {
      if (const json::string* value = entry.value().if_string()) {
        known.family.entries[entry.key()] = std::string(*value);
      }
    }
    const json::value* unread = one->if_contains("unread");
    if (unread != nullptr && unread->is_array()) {
      for (const json::value& prefix : unread->get_array()) {
        if (prefix.is_string()) known.family.unread.insert(std::string(prefix.get_string()));
      }
    }
    known.gone_ms = integers_of(*one, "gone_ms");
  }
  return baseline;
}

}  // namespace tocsin::agent
