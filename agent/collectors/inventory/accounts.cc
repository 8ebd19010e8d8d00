#include "agent/collectors/inventory/accounts.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::uint32_t kNobody = 65'534;
constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int32_t kUserProcess = 7;
constexpr std::size_t kWtmpUser = 44;
constexpr std::size_t kWtmpSeconds = 340;

std::optional<std::uint32_t> id_of(std::string_view text) {
  const auto number = base::parse_u64(text);
  if (!number || *number > 0xffffffffU) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::int32_t int32_at(std::string_view bytes, std::size_t offset) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_expired(const ShadowEntry* shadow, base::WallTime now) {
  return shadow != nullptr && shadow->expires_day &&
         *shadow->expires_day <= base::to_ms(now) / 1000 / kDaySeconds;
}

}  // namespace

std::vector<Account> parse_passwd(std::string_view text) {
  std::vector<Account> accounts;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split(line, ':');
    if (fields.size() < 7 || fields[0].empty() || fields[0][0] == '+' || fields[0][0] == '-') {
      return;
    }
    const auto uid = id_of(fields[2]);
    const auto gid = id_of(fields[3]);
    if (!uid || !gid) return;
    accounts.push_back({std::string(fields[0]), *uid, *gid, std::string(fields[5]),
                        std::string(base::trim(fields[6]))});
  });
  return accounts;
}

std::map<std::string, ShadowEntry> parse_shadow(std::string_view text) {
  std::map<std::string, ShadowEntry> entries;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split(line, ':');
    if (fields.size() < 8 || fields[0].empty()) return;
    ShadowEntry entry;
    entry.empty_password = fields[1].empty();
    entry.locked = fields[1].starts_with('!') || fields[1].starts_with('*');
    entry.expires_day = base::parse_i64(fields[7]);
    entries[std::string(fields[0])] = entry;
  });
  return entries;
}

std::vector<UserGroup> parse_group(std::string_view text) {
  std::vector<UserGroup> groups;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split(line, ':');
    if (fields.size() < 4) return;
    const auto gid = id_of(fields[2]);
    if (!gid) return;
    UserGroup group{std::string(fields[0]), *gid, {}};
    for (const std::string_view member : base::split(fields[3], ',')) {
      const std::string_view name = base::trim(member);
      if (!name.empty()) group.members.emplace_back(name);
    }
    groups.push_back(std::move(group));
  });
  return groups;
}

bool is_login_shell(std::string_view shell) {
  constexpr std::array<std::string_view, 6> kNone = {"nologin", "false",    "sync",
                                                     "halt",    "shutdown", "null"};
  const std::string_view program = shell.substr(shell.rfind('/') + 1);
  return std::find(kNone.begin(), kNone.end(), program) == kNone.end();
}

std::int64_t parse_lastlog(std::string_view record) {
  return record.size() < 4 ? 0 : static_cast<std::uint32_t>(int32_at(record, 0));
}

void parse_wtmp(std::string_view text, std::map<std::string, std::int64_t>& logins) {
  for (; text.size() >= kWtmpBytes; text.remove_prefix(kWtmpBytes)) {
    if ((int32_at(text, 0) & 0xffff) != kUserProcess) continue;
    const std::string_view user = text.substr(kWtmpUser, 32);
    const std::string name(user.substr(0, user.find('\0')));
    if (name.empty()) continue;
    std::int64_t& newest = logins[name];
    const std::int64_t seconds = static_cast<std::uint32_t>(int32_at(text, kWtmpSeconds));
    newest = std::max(newest, seconds);
  }
}

std::vector<Leaver> parse_leavers(std::string_view text) {
  std::vector<Leaver> leavers;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    if (line.empty() || line[0] == '#') return;
    const std::size_t end = line.find_first_of(",;");
    std::string_view account = base::trim(line.substr(0, end));
    if (account.size() >= 2 && account.starts_with('"') && account.ends_with('"')) {
      account = account.substr(1, account.size() - 2);
    }
    const std::string head = base::to_lower(account);
    if (head.empty() || head == "account" || head == "login" || head == "name") return;
    Leaver leaver{std::string(account), {}};
    if (end != std::string_view::npos) {
      const std::string_view rest = line.substr(end + 1);
      const std::string day(base::trim(rest.substr(0, rest.find_first_of(",;"))));
      if (const auto left = base::parse_rfc3339(day + "T00:00:00Z")) leaver.left = *left;
    }
    leavers.push_back(std::move(leaver));
  });
  return leavers;
}

namespace {

// The groups' members, and those whose own group it is.
void judge_groups(const AccountFacts& facts, const AccountPolicy& policy, AccountFindings& found) {
  for (const UserGroup& group : facts.groups) {
    if (!contains(policy.admin_groups, group.name)) continue;
    std::set<std::string> members(group.members.begin(), group.members.end());
    for (const Account& account : facts.accounts) {
      if (account.gid == group.gid && account.uid != 0) members.insert(account.name);
    }
    members.erase("root");
    found.group_members[group.name] = static_cast<std::int64_t>(members.size());
    for (const std::string& name : members) found.admins.insert("group " + group.name + " " + name);
  }
}

bool is_leaver(const AccountFacts& facts, const std::string& name, base::WallTime now) {
  return std::any_of(facts.leavers.begin(), facts.leavers.end(), [&](const Leaver& leaver) {
    return leaver.account == name && (!leaver.left || *leaver.left <= now);
  });
}

void judge_logins(const AccountFacts& facts, const AccountPolicy& policy, base::WallTime now,
                  AccountFindings& found) {
  if (!facts.logins) return;
  for (const std::string& name : found.people) {
    const auto login = facts.logins->find(name);
    if (login == facts.logins->end() || login->second == 0) {
      found.never_logged_in.push_back(name);
    } else if (base::to_ms(now) - login->second * 1000 > policy.dormant_after.count()) {
      found.dormant.push_back(name);
    }
  }
}

}  // namespace

AccountFindings judge_accounts(const AccountFacts& facts, const AccountPolicy& policy,
                               base::WallTime now) {
  AccountFindings found;
  for (const Account& account : facts.accounts) {
    const ShadowEntry* shadow = nullptr;
    if (facts.shadow) {
      const auto it = facts.shadow->find(account.name);
      if (it != facts.shadow->end()) shadow = &it->second;
    }
    const bool shell = is_login_shell(account.shell);
    const bool expired = is_expired(shadow, now);
    const bool service =
        contains(policy.service_accounts, account.name) ||
        (account.uid != 0 && (account.uid < policy.people_from || account.uid == kNobody));
    // A locked password shuts nobody out who has a key.
    const bool shut =
        !shell || expired ||
        (shadow != nullptr && shadow->locked && !facts.with_keys.contains(account.name));
    if (account.uid == 0) found.superusers.push_back(account.name);
    if (expired) found.expired.push_back(account.name);
    if (shell && shadow != nullptr && shadow->empty_password) {
      found.empty_password.push_back(account.name);
    }
    if (service) {
      found.services.push_back(account.name);
      if (!shut && !contains(policy.login_services, account.name)) {
        found.services_with_shell.push_back(account.name);
      }
    } else if (!shut && account.uid != 0) {
      found.people.push_back(account.name);
    }
    if (!shut && is_leaver(facts, account.name, now)) found.leavers_active.push_back(account.name);
  }
  judge_groups(facts, policy, found);
  judge_logins(facts, policy, now, found);
  return found;
}

}  // namespace tocsin::agent
