// Accounts and groups of a host, as their files tell. Pure: text in, values out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace tocsin::agent {

/// A line of /etc/passwd. Source: passwd(5).
struct Account {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string home;
  std::string shell;
};

/// Lines that are none (NIS's "+", too few fields, uid no number) are left out.
std::vector<Account> parse_passwd(std::string_view text);

/// What /etc/shadow says of one account. Source: shadow(5).
struct ShadowEntry {
  bool locked = false;                      ///< No password opens it: "!..." or "*".
  bool empty_password = false;              ///< Any password opens it, or none is asked.
  std::optional<std::int64_t> expires_day;  ///< Days since 1970.
};
std::map<std::string, ShadowEntry> parse_shadow(std::string_view text);

/// A line of /etc/group. Source: group(5).
struct UserGroup {
  std::string name;
  std::uint32_t gid = 0;
  std::vector<std::string> members;
};
std::vector<UserGroup> parse_group(std::string_view text);

/// Returns whether the shell lets somebody in: not nologin, false, sync, halt, shutdown; empty is
/// /bin/sh.
bool is_login_shell(std::string_view shell);

/// Last logins by uid from /var/log/lastlog, and by name from wtmp.
/// Source: lastlog(8), 292 bytes for each uid; utmp(5), 384 bytes for each record.
inline constexpr std::size_t kLastlogBytes = 292;
inline constexpr std::size_t kWtmpBytes = 384;
/// Returns seconds since 1970, 0 for never; `record` is the account's, of kLastlogBytes.
std::int64_t parse_lastlog(std::string_view record);
/// Keeps the newest login of each name; a record that is cut at the end is left out.
void parse_wtmp(std::string_view text, std::map<std::string, std::int64_t>& logins);

/// A line of the list of those who left: `account[,YYYY-MM-DD]`, also with semicolons.
struct Leaver {
  std::string account;
  std::optional<base::WallTime> left;  ///< Begin of that day, UTC.
};
/// Empty lines, `#` lines and a head line are left out.
std::vector<Leaver> parse_leavers(std::string_view text);

/// What is asked of the accounts.
struct AccountPolicy {
  std::uint32_t people_from = 1000;  ///< uid; below are services.
  std::vector<std::string> admin_groups = {"root", "sudo", "wheel", "admin", "docker", "lxd"};
  std::vector<std::string> service_accounts;  ///< Further ones, whatever their uid.
  std::vector<std::string> login_services;    ///< Services that may have a login shell.
  base::Duration dormant_after{90LL * 86'400'000};
};

/// Everything that is known of the accounts; what could not be read is nullopt.
struct AccountFacts {
  std::vector<Account> accounts;
  std::vector<UserGroup> groups;
  std::optional<std::map<std::string, ShadowEntry>> shadow;
  std::optional<std::map<std::string, std::int64_t>> logins;  ///< Name -> seconds; none: never.
  std::set<std::string> with_keys;  ///< Accounts that have an authorised key.
  std::vector<Leaver> leavers;
};

/// Names by what is noteworthy about them.
struct AccountFindings {
  std::vector<std::string> superusers;  ///< uid 0.
  std::vector<std::string> people;      ///< Who can log in.
  std::vector<std::string> services_with_shell;
  std::vector<std::string> services;
  std::vector<std::string> expired;
  std::vector<std::string> empty_password;
  std::vector<std::string> dormant;  ///< Logged in once, but not for `dormant_after`.
  std::vector<std::string> never_logged_in;
  std::set<std::string> admins;                       ///< "group sudo alice"
  std::map<std::string, std::int64_t> group_members;  ///< Of the groups with power.
  std::vector<std::string> leavers_active;
};

AccountFindings judge_accounts(const AccountFacts& facts, const AccountPolicy& policy,
                               base::WallTime now);

}  // namespace tocsin::agent
