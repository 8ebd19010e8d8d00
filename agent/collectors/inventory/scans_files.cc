#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/inventory/encryption.h"
#include "agent/collectors/inventory/git_index.h"
#include "agent/collectors/inventory/scans.h"
#include "agent/collectors/kept/glob.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kHashedBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kFilesMax = 2'000;
constexpr std::size_t kSecretsMax = 200;
constexpr std::size_t kTreesMax = 50;
constexpr std::size_t kIndexBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kTrackedMax = 200'000;
constexpr std::size_t kKeyHeadBytes = std::size_t{64} << 10U;
constexpr std::size_t kMountInfoBytesMax = std::size_t{4} << 20U;
constexpr std::size_t kMountsMax = 50;
constexpr std::size_t kNamesMax = 20'000;

constexpr MetricInfo kJobs{"sec_scheduled_job_files", "Files that say what runs by itself."};
constexpr MetricInfo kWatched{"sec_watched_files", "Files whose change is told."};
constexpr MetricInfo kSuid{"sec_suid_files", "Programs that run as somebody else."};
constexpr MetricInfo kExposed{"sec_secret_file_exposed",
                              "1 for a secret that more than its owner may read or change."};
constexpr MetricInfo kKeyTime{"sec_key_timestamp_seconds", "When a key was changed last."};
constexpr MetricInfo kKeysInGit{"sec_private_keys_in_git", "Private keys in the clear in git."};
constexpr MetricInfo kEnvInGit{"sec_env_files_in_git", "Files .env in git."};
constexpr MetricInfo kEncrypted{"fs_encrypted", "1 on dm-crypt, 0 not; unknown: no sample."};
constexpr MetricInfo kUnknown{"fs_encryption_unknown",
                              "1 if this machine cannot see whether a file system is encrypted."};
constexpr MetricInfo kRequired{"fs_encryption_required", "1 for a mount of encrypted_mounts."};

// Adds each file that the patterns name with a mark of its content.
std::size_t scan_contents(InventoryScan& scan, const char* family_name,
                          const std::vector<std::string>& patterns, ScanOutcome& outcome) {
  const Globbed found = glob_all(scan.files, scan.settings.root, patterns, kFilesMax);
  InventoryFamily& family = scan.snapshot[family_name];
  if (found.denied) outcome.failed(*found.denied);
  family.unread.insert(found.hidden.begin(), found.hidden.end());
  for (const std::string& path : found.paths) {
    const std::string full = scan.path(path);
    if (scan.files.is_folder(full)) continue;
    const auto text = scan.files.read(full, kHashedBytesMax);
    if (text) {
      family.entries[path] = content_mark(*text);
      continue;
    }
    if (text.error().code == ErrorCode::NotFound) continue;
    outcome.failed(text.error());
    family.unread.insert(path);
  }
  return family.entries.size();
}

std::optional<std::string> index_path(const InventoryScan& scan, const std::string& tree) {
  const std::string git = scan.path(tree + "/.git");
  if (scan.files.is_folder(git)) return git + "/index";
  // Of a second work tree it is a file: "gitdir: /srv/app/.git/worktrees/two".
  const auto text = scan.files.read(git, kKeyHeadBytes);
  if (!text || !text->starts_with("gitdir: ")) return std::nullopt;
  const std::string folder(base::trim(std::string_view(*text).substr(8)));
  return folder.starts_with('/') ? scan.path(folder + "/index")
                                 : scan.path(tree + "/" + folder + "/index");
}

Result<void> scan_tree(InventoryScan& scan, const std::string& tree, const std::string& index) {
  TC_TRY(const std::string bytes, scan.files.read(index, kIndexBytesMax));
  TC_TRY(const std::vector<std::string> tracked, parse_git_index(bytes, kTrackedMax));
  std::vector<std::string> keys;
  int environments = 0;
  for (const std::string& path : tracked) {
    const SecretName name = secret_name(path);
    if (name == SecretName::Environment) ++environments;
    if (name == SecretName::KeyStore) keys.push_back(path);
    if (name != SecretName::Key) continue;
    const auto file = scan.files.open_read(scan.path(tree + "/" + path));
    if (!file) {
      if (file.error().code == ErrorCode::NotFound) continue;
      return file.error();
    }
    TC_TRY(const std::string head, (*file)->read_at(0, kKeyHeadBytes));
    if (holds_private_key(head)) keys.push_back(path);
  }
  scan.round.add(kKeysInGit, {{"tree", tree}}, static_cast<double>(keys.size()));
  scan.round.add(kEnvInGit, {{"tree", tree}}, environments);
  scan.round.say("private keys in the git of " + tree, base::join(keys, ", "));
  return base::ok();
}

void add_encryption(InventoryScan& scan, const std::string& mount, Encryption encryption) {
  scan.round.add(kUnknown, {{"mount", mount}}, encryption == Encryption::Unknown ? 1 : 0);
  if (encryption != Encryption::Unknown) {
    scan.round.add(kEncrypted, {{"mount", mount}}, encryption == Encryption::Yes ? 1 : 0);
  }
}

}  // namespace

std::string content_mark(std::string_view content) {
  return base::sha256_hex(content).substr(0, 32);
}

void scan_cron(InventoryScan& scan) {
  ScanOutcome outcome;
  std::size_t jobs =
      scan_contents(scan, "cron",
                    {"/etc/crontab", "/etc/anacrontab", "/etc/cron.d/*", "/etc/cron.hourly/*",
                     "/etc/cron.daily/*", "/etc/cron.weekly/*", "/etc/cron.monthly/*",
                     "/var/spool/cron/crontabs/*", "/var/spool/cron/*"},
                    outcome);
  jobs += scan_contents(scan, "timer",
                        {"/etc/systemd/system/*.timer", "/etc/systemd/system/*.service",
                         "/usr/lib/systemd/system/*.timer", "/run/systemd/system/*.timer"},
                        outcome);
  scan.check("cron", outcome.result());
  scan.round.add(kJobs, static_cast<double>(jobs));
}

void scan_watched_files(InventoryScan& scan) {
  ScanOutcome outcome;
  const std::size_t files = scan_contents(scan, "file", scan.settings.watched_files, outcome);
  scan.check("files", outcome.result());
  scan.round.add(kWatched, static_cast<double>(files));
}

void scan_suid(InventoryScan& scan) {
  ScanOutcome outcome;
  InventoryFamily& family = scan.snapshot["suid"];
  std::size_t looked_at = 0;
  for (const std::string& folder : scan.settings.suid_paths) {
    const auto names = scan.files.list(scan.path(folder));
    if (!names) {
      if (names.error().code == ErrorCode::NotFound) continue;
      outcome.failed(names.error());
      family.unread.insert(folder + "/");
      continue;
    }
    for (const std::string& name : *names) {
      if (++looked_at > kNamesMax) {
        outcome.failed(base::error(ErrorCode::LimitExceeded,
                                   fmt::format("more than {} files in suid_paths", kNamesMax)));
        family.unread.insert("");
        break;
      }
      const std::string path = folder + "/" + name;
      const auto mode = scan.files.mode(scan.path(path));
      if (!mode || (*mode & 06000U) == 0 || scan.files.is_folder(scan.path(path))) continue;
      family.entries[path] = fmt::format("{:o}", *mode);
    }
  }
  scan.check("suid", outcome.result());
  scan.round.add(kSuid, static_cast<double>(family.entries.size()));
}

void scan_secrets(InventoryScan& scan) {
  ScanOutcome outcome;
  const InventorySettings& settings = scan.settings;
  const Globbed secrets = glob_all(scan.files, settings.root, settings.secret_files, kSecretsMax);
  const Globbed keys = glob_all(scan.files, settings.root, settings.rotated_keys, kSecretsMax);
  if (secrets.denied) outcome.failed(*secrets.denied);
  if (keys.denied) outcome.failed(*keys.denied);
  for (const std::string& path : secrets.paths) {
    const auto mode = scan.files.mode(scan.path(path));
    if (path.ends_with(".pub") || scan.files.is_folder(scan.path(path))) continue;
    if (!mode) {
      outcome.failed(mode.error());
      continue;
    }
    const bool group = !settings.secrets_group_readable && (*mode & 0070U) != 0;
    scan.round.add(kExposed, {{"path", path}, {"to", "others"}}, (*mode & 0007U) != 0 ? 1 : 0);
    scan.round.add(kExposed, {{"path", path}, {"to", "group"}}, group ? 1 : 0);
  }
  for (const std::string& path : keys.paths) {
    const auto modified = scan.files.modified_ns(scan.path(path));
    if (!modified) {
      outcome.failed(modified.error());
    } else {
      scan.round.add(kKeyTime, {{"path", path}}, static_cast<double>(*modified / 1'000'000'000));
    }
  }
  scan.check("secrets", outcome.result());
}

void scan_git(InventoryScan& scan) {
  if (scan.settings.git_work_trees.empty()) return;
  ScanOutcome outcome;
  const Globbed trees =
      glob_all(scan.files, scan.settings.root, scan.settings.git_work_trees, kTreesMax);
  if (trees.denied) outcome.failed(*trees.denied);
  bool any = false;
  for (const std::string& tree : trees.paths) {
    const auto index = index_path(scan, tree);
    if (!index) continue;
    any = true;
    if (const auto done = scan_tree(scan, tree, *index); !done) outcome.failed(done.error());
  }
  if (!any) {
    outcome.failed(base::error(ErrorCode::NotFound, "git_work_trees name no work tree of git"));
  }
  scan.check("git", outcome.result());
}

void scan_encryption(InventoryScan& scan) {
  const InventorySettings& settings = scan.settings;
  const auto text = scan.files.read(settings.proc + "/self/mountinfo", kMountInfoBytesMax);
  scan.check("encryption", text ? base::ok() : Result<void>(text.error()));
  if (!text) return;
  const std::vector<MountedFrom> mounts = parse_mountinfo(*text);
  const BlockTrees trees{settings.sys, settings.proc, below(settings.root, "/dev")};
  // One device may be mounted in many places (containers): the shortest path stands for all.
  std::map<std::string, const MountedFrom*> by_device;
  for (const MountedFrom& mount : mounts) {
    if (!mount.source.starts_with("/dev/") || mount.type == "squashfs") continue;
    const MountedFrom*& best = by_device[mount.device];
    if (best == nullptr || mount.mount_point.size() < best->mount_point.size()) best = &mount;
  }
  std::map<std::string, const MountedFrom*> told;
  for (const auto& [device, mount] : by_device) {
    if (told.size() < kMountsMax) told[mount->mount_point] = mount;
  }
  for (const std::string& path : settings.encrypted_mounts) {
    told[path] = mount_of(mounts, path);
    scan.round.add(kRequired, {{"mount", path}}, 1);
  }
  for (const auto& [path, mount] : told) {
    add_encryption(
        scan, path,
        mount == nullptr ? Encryption::Unknown : encryption_of(scan.files, trees, *mount));
  }
}

}  // namespace tocsin::agent
