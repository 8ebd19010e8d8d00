#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/inventory/admin_files.h"
#include "agent/collectors/inventory/scans.h"
#include "agent/collectors/inventory/sudoers.h"
#include "agent/collectors/kept/glob.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{4} << 20U;
constexpr std::size_t kKeyFileBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kWtmpBytesMax = std::size_t{4} << 20U;
constexpr std::size_t kAccountsMax = 20'000;
constexpr std::size_t kSudoersMax = 500;

constexpr MetricInfo kAccounts{"sec_accounts", "Accounts in /etc/passwd."};
constexpr MetricInfo kSuperusers{"sec_superuser_accounts", "Accounts with uid 0; one is root."};
constexpr MetricInfo kPeople{"sec_login_accounts", "Accounts of people that can log in."};
constexpr MetricInfo kServiceShells{"sec_service_accounts_login_shell",
                                    "Service accounts that can log in and need not."};
constexpr MetricInfo kExpired{"sec_accounts_expired", "Accounts whose time is over."};
constexpr MetricInfo kEmpty{"sec_accounts_empty_password",
                            "Accounts that can log in without a password."};
constexpr MetricInfo kDormant{"sec_accounts_dormant",
                              "Accounts of people that were not used for dormant_after."};
constexpr MetricInfo kNever{"sec_accounts_never_logged_in",
                            "Accounts of people that were never used."};
constexpr MetricInfo kMembers{"sec_admin_group_members", "Members of groups with power."};
constexpr MetricInfo kLeavers{"sec_leavers_active", "Accounts of people who left that still work."};
constexpr MetricInfo kLeaversSince{"sec_leavers_active_since_timestamp_seconds",
                                   "When the first of them left, or was seen to have left."};
constexpr MetricInfo kKeys{"sec_authorized_keys", "Keys that open an account."};
constexpr MetricInfo kWeakKeys{"sec_authorized_keys_weak", "Of them DSA, or RSA below 2048 bits."};
constexpr MetricInfo kNopasswd{"sec_sudoers_nopasswd_all",
                               "Grants of every command without a password."};
constexpr MetricInfo kSudoersFiles{"sec_sudoers_files", "Files that grant by sudo."};

double size_of(const std::vector<std::string>& names) {
  return static_cast<double>(names.size());
}

Result<std::vector<Account>> read_passwd(const InventoryScan& scan) {
  TC_TRY(const std::string text, scan.files.read(scan.path("/etc/passwd"), kFileBytesMax));
  std::vector<Account> accounts = parse_passwd(text);
  if (accounts.empty()) {
    return base::error(ErrorCode::InvalidArgument, "no account in '/etc/passwd'");
  }
  if (accounts.size() > kAccountsMax) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("{} accounts in '/etc/passwd', limit "
                                                             "{}",
                                                             accounts.size(), kAccountsMax));
  }
  return accounts;
}

// The newest logins are at the end.
Result<void> read_wtmp(const InventoryScan& scan, const char* name,
                       std::map<std::string, std::int64_t>& logins) {
  TC_TRY(const auto file, scan.files.open_read(scan.path(name)));
  const std::uint64_t whole = file->size() - file->size() % kWtmpBytes;
  const std::uint64_t length =
      std::min<std::uint64_t>(whole, kWtmpBytesMax / kWtmpBytes * kWtmpBytes);
  TC_TRY(const std::string text, file->read_at(whole - length, length));
  parse_wtmp(text, logins);
  return base::ok();
}

Result<void> read_lastlog(const InventoryScan& scan, const std::vector<Account>& accounts,
                          std::map<std::string, std::int64_t>& logins) {
  TC_TRY(const auto file, scan.files.open_read(scan.path("/var/log/lastlog")));
  for (const Account& account : accounts) {
    const std::uint64_t at = std::uint64_t{account.uid} * kLastlogBytes;
    if (at >= file->size()) continue;
    TC_TRY(const std::string record, file->read_at(at, sizeof(std::int32_t)));
    std::int64_t& newest = logins[account.name];
    newest = std::max(newest, parse_lastlog(record));
  }
  return base::ok();
}

Result<std::map<std::string, std::int64_t>> read_logins(const InventoryScan& scan,
                                                        const std::vector<Account>& accounts) {
  std::map<std::string, std::int64_t> logins;
  const Result<void> lastlog = read_lastlog(scan, accounts, logins);
  const Result<void> wtmp = read_wtmp(scan, "/var/log/wtmp", logins);
  (void)read_wtmp(scan, "/var/log/wtmp.1", logins);  // there need be none
  if (!lastlog && !wtmp) return lastlog.error();
  return logins;
}

void add_leavers(InventoryScan& scan, const AccountFacts& facts, const AccountFindings& found) {
  base::WallTime first = scan.now;
  for (const Leaver& leaver : facts.leavers) {
    const auto& active = found.leavers_active;
    const bool is_active = std::find(active.begin(), active.end(), leaver.account) != active.end();
    const base::WallTime seen =
        scan.baseline.since("leaver " + leaver.account, is_active, scan.now);
    if (is_active) first = std::min(first, leaver.left.value_or(seen));
  }
  scan.round.add(kLeavers, size_of(found.leavers_active));
  if (!found.leavers_active.empty()) scan.round.add(kLeaversSince, base::to_seconds(first));
  scan.round.say("accounts of leavers", base::join(found.leavers_active, ", "));
}

void add_accounts(InventoryScan& scan, const AccountFacts& facts, const AccountFindings& found) {
  KeptRound& round = scan.round;
  round.add(kAccounts, static_cast<double>(facts.accounts.size()));
  round.add(kSuperusers, size_of(found.superusers));
  round.add(kPeople, size_of(found.people));
  round.add(kServiceShells, size_of(found.services_with_shell));
  round.say("services with a login shell", base::join(found.services_with_shell, ", "));
  if (facts.shadow) {
    round.add(kExpired, size_of(found.expired));
    round.add(kEmpty, size_of(found.empty_password));
    round.say("accounts without a password", base::join(found.empty_password, ", "));
  }
  if (facts.logins) {
    round.add(kDormant, size_of(found.dormant));
    round.add(kNever, size_of(found.never_logged_in));
    round.say("dormant accounts", base::join(found.dormant, ", "));
  }
  for (const auto& [group, members] : found.group_members) {
    round.add(kMembers, {{"group", group}}, static_cast<double>(members));
  }
}

void remember_accounts(InventoryScan& scan, const AccountFacts& facts,
                       const AccountFindings& found) {
  InventoryFamily& accounts = scan.snapshot["account"];
  for (const Account& one : facts.accounts) {
    accounts.entries[one.name] = fmt::format("{}:{}:{}:{}", one.uid, one.gid, one.home, one.shell);
  }
  InventoryFamily& superusers = scan.snapshot["superuser"];
  for (const std::string& name : found.superusers) superusers.entries[name];
  InventoryFamily& admins = scan.snapshot["admin"];
  for (const std::string& name : found.admins) admins.entries[name];
  if (!facts.logins) return;
  InventoryFamily& logins = scan.snapshot["service_login"];
  for (const std::string& name : found.services) {
    const auto it = facts.logins->find(name);
    logins.entries[name] = std::to_string(it == facts.logins->end() ? 0 : it->second);
  }
}

void read_keys_of(InventoryScan& scan, const Account& account, InventoryFamily& keys,
                  ScanOutcome& outcome, int& weak) {
  for (std::string where : scan.settings.authorized_keys) {
    if (where.starts_with('/')) {
      for (std::size_t at = where.find("%u"); at != where.npos; at = where.find("%u", at)) {
        where.replace(at, 2, account.name);
      }
    } else {
      where = base::join_path(account.home, where);
    }
    const auto text = scan.files.read(scan.path(where), kKeyFileBytesMax);
    if (!text) {
      if (text.error().code == ErrorCode::NotFound) continue;
      outcome.failed(text.error());
      keys.unread.insert(account.name + " ");
      continue;
    }
    for (const AuthorizedKey& key : parse_authorized_keys(*text)) {
      const std::string name = fmt::format("{} {} {}", account.name, key.type, key.fingerprint);
      if (keys.entries.try_emplace(name).second && key.weak) ++weak;
      scan.with_keys.insert(account.name);
    }
  }
}

}  // namespace

void InventoryScan::check(std::string_view name, const Result<void>& outcome) {
  if (outcome || outcome.error().code != ErrorCode::PermissionDenied) {
    round.check(name, outcome);
    return;
  }
  base::Error error = outcome.error();
  error.message +=
      "; the agent needs CAP_DAC_READ_SEARCH, or leave the check out (docs/inventory.md)";
  round.failed(name, error);
}

void scan_keys(InventoryScan& scan) {
  const auto accounts = read_passwd(scan);
  if (!accounts) {
    scan.check("authorized_keys", accounts.error());
    return;
  }
  InventoryFamily& keys = scan.snapshot["authorized_key"];
  ScanOutcome outcome;
  int weak = 0;
  for (const Account& account : *accounts) {
    if (account.home.starts_with('/')) read_keys_of(scan, account, keys, outcome, weak);
  }
  scan.check("authorized_keys", outcome.result());
  scan.round.add(kKeys, static_cast<double>(keys.entries.size()));
  scan.round.add(kWeakKeys, weak);
}

void scan_accounts(InventoryScan& scan) {
  AccountFacts facts;
  facts.with_keys = scan.with_keys;
  auto accounts = read_passwd(scan);
  const auto groups = scan.files.read(scan.path("/etc/group"), kFileBytesMax);
  if (!accounts || !groups) {
    scan.check("accounts", accounts ? groups.error() : accounts.error());
    scan.snapshot["admin"].unread.insert("group ");
    return;
  }
  facts.accounts = std::move(*accounts);
  facts.groups = parse_group(*groups);
  ScanOutcome outcome;
  if (const auto shadow = scan.files.read(scan.path("/etc/shadow"), kFileBytesMax)) {
    facts.shadow = parse_shadow(*shadow);
  } else {
    outcome.failed(shadow.error());
  }
  if (scan.settings.checks.contains("last_logins")) {
    auto logins = read_logins(scan, facts.accounts);
    scan.check("last_logins", logins ? base::ok() : Result<void>(logins.error()));
    if (logins) facts.logins = std::move(*logins);
  }
  const std::string& leavers_file = scan.settings.leavers_file;
  bool leavers_known = false;
  if (!leavers_file.empty()) {
    const auto leavers = scan.files.read(leavers_file, kFileBytesMax);
    scan.check("leavers", leavers ? base::ok() : Result<void>(leavers.error()));
    leavers_known = leavers.has_value();
    if (leavers) facts.leavers = parse_leavers(*leavers);
  }
  scan.check("accounts", outcome.result());
  const AccountFindings found = judge_accounts(facts, scan.settings.accounts, scan.now);
  add_accounts(scan, facts, found);
  if (leavers_known) add_leavers(scan, facts, found);
  remember_accounts(scan, facts, found);
}

namespace {

/// All sudoers files of a host, includes too.
class SudoersScan {
 public:
  explicit SudoersScan(InventoryScan& scan)
      : scan_(scan), sudoers_(scan.snapshot["sudoers"]), host_(short_name(scan)) {}

  void go() {
    add_all({"/etc/sudoers", "/etc/sudoers.d/*"});
    // What is read names further files; the list grows while it is gone through.
    for (std::size_t i = 0; i < paths_.size(); ++i) read(paths_[i]);
    InventoryFamily& admins = scan_.snapshot["admin"];
    const Sudoers grants = judge_sudoers(files_);
    for (const std::string& who : grants.may_all) admins.entries["sudoers " + who];
    scan_.check("sudoers", outcome_.result());
    if (!outcome_.result()) {
      admins.unread.insert("sudoers ");
      return;
    }
    scan_.round.add(kNopasswd, grants.nopasswd_all);
    scan_.round.add(kSudoersFiles, static_cast<double>(sudoers_.entries.size()));
  }

 private:
  static std::string short_name(const InventoryScan& scan) {
    const auto text = scan.files.read(scan.path("/etc/hostname"), kFileBytesMax);
    const std::string name(text ? base::trim(*text) : std::string_view());
    return name.substr(0, name.find('.'));
  }

  void add_all(const std::vector<std::string>& patterns) {
    const Globbed found = glob_all(scan_.files, scan_.settings.root, patterns, kSudoersMax);
    if (found.denied) outcome_.failed(*found.denied);
    sudoers_.unread.insert(found.hidden.begin(), found.hidden.end());
    for (const std::string& path : found.paths) add(path);
  }

  void add(const std::string& path) {
    if (std::find(paths_.begin(), paths_.end(), path) != paths_.end()) return;
    if (paths_.size() < kSudoersMax) {
      paths_.push_back(path);
    } else {
      outcome_.failed({ErrorCode::LimitExceeded, fmt::format("more than {} files", kSudoersMax)});
    }
  }

  void read(const std::string path) {  // a copy: the list grows
    const auto text = scan_.files.read(scan_.path(path), kFileBytesMax);
    if (!text) {
      outcome_.failed(text.error());
      sudoers_.unread.insert(path);
      return;
    }
    sudoers_.entries[path] = content_mark(*text);
    // sudo leaves out what an editor or a package manager left behind in a folder.
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    const bool of_folder = !named_.contains(path) && path != "/etc/sudoers";
    if (of_folder && (name.find('.') != name.npos || name.ends_with('~'))) return;
    files_.push_back(parse_sudoers(*text));
    const std::vector<SudoersInclude> includes = files_.back().includes;
    for (const SudoersInclude& include : includes) {
      const std::string wanted = include_path(include, path, host_);
      if (include.folder) {
        // A folder that is not there grants nothing, to sudo as to us.
        if (scan_.files.exists(scan_.path(wanted))) add_all({wanted + "/*"});
      } else {
        named_.insert(wanted);
        add(wanted);
      }
    }
  }

  InventoryScan& scan_;
  InventoryFamily& sudoers_;
  std::string host_;
  ScanOutcome outcome_;
  std::vector<std::string> paths_;
  std::set<std::string> named_;  ///< By an include of a file.
  std::vector<SudoersFile> files_;
};

}  // namespace

void scan_sudoers(InventoryScan& scan) {
  SudoersScan(scan).go();
}

}  // namespace tocsin::agent
