#include "agent/backup/base_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "agent/backup/base_manifest.h"
#include "agent/backup/tar_walk.h"
#include "agent/backup/wal_archive.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kTarFilesMax = 500'000;
constexpr std::size_t kWalNamesMax = 10'000;

Found compare(const ManifestFile& wanted, std::uint64_t size, Digest* digest) {
  if (size != wanted.size) {
    return finding("size_differs", fmt::format("'{}' has {} bytes, {} are in the manifest",
                                               wanted.path, size, wanted.size));
  }
  if (digest != nullptr && digest->hex() != wanted.checksum) {
    return finding("checksum_mismatch", fmt::format("the {} of '{}' is not that of the manifest",
                                                    wanted.algorithm, wanted.path));
  }
  return {};
}

Found check_plain_file(const std::string& folder, const ManifestFile& wanted,
                       CheckContext& context) {
  if (outside_manifest(wanted.path)) return {};
  auto file = PacedFile::open(context.files, base::join_path(folder, wanted.path), context.pace);
  if (!file) {
    if (file.error().code != base::ErrorCode::NotFound) return unreadable(file.error());
    return finding("file_missing", fmt::format("'{}' of the manifest is missing", wanted.path));
  }
  const std::unique_ptr<Digest> digest = make_digest(wanted.algorithm);
  std::uint64_t size = 0;
  for (;;) {
    const auto chunk = file->next();
    if (!chunk) return unreadable(chunk.error());
    if (chunk->empty()) break;
    size += chunk->size();
    if (digest) digest->update(*chunk);
  }
  return compare(wanted, size, digest.get());
}

using Wanted = std::unordered_map<std::string, ManifestFile>;

/// The files of base.tar or of a tablespace, as they stream by.
class TarCompare final : public TarVisitor {
 public:
  TarCompare(Wanted& wanted, std::vector<std::string>& wal, std::string prefix)
      : wanted_(wanted), wal_(wal), prefix_(std::move(prefix)) {}

  void begin(std::string_view name, std::uint64_t size) override {
    const std::string path = fmt::format("{}{}", prefix_, name);
    const std::string_view base = name.substr(name.rfind('/') + 1);
    if (parse_wal_name(base) && wal_.size() < kWalNamesMax) wal_.emplace_back(base);
    size_ = size;
    current_ = wanted_.find(path);
    digest_.reset();
    if (current_ != wanted_.end()) digest_ = make_digest(current_->second.algorithm);
  }
  void content(std::string_view bytes) override {
    if (digest_) digest_->update(bytes);
  }
  Found end() override {
    if (current_ == wanted_.end()) return {};
    const ManifestFile file = std::move(current_->second);
    wanted_.erase(current_);
    if (outside_manifest(file.path)) return {};
    return compare(file, size_, digest_.get());
  }

 private:
  Wanted& wanted_;
  std::vector<std::string>& wal_;
  std::string prefix_;
  Wanted::iterator current_;
  std::unique_ptr<Digest> digest_;
  std::uint64_t size_ = 0;
};

/// "base", "16401" (a tablespace) or "pg_wal" of "base.tar.gz"; empty: no archive of a backup.
std::string tar_name(std::string_view name) {
  const std::size_t dot = name.find(".tar");
  return dot == std::string_view::npos ? std::string() : std::string(name.substr(0, dot));
}

Found check_tars(const std::string& folder, const std::vector<std::string>& names, Wanted& wanted,
                 std::vector<std::string>& wal, CheckContext& context) {
  for (const std::string& name : names) {
    const std::string part = tar_name(name);
    if (part.empty()) continue;
    std::string prefix;
    if (part != "base") prefix = part == "pg_wal" ? "pg_wal/" : fmt::format("pg_tblspc/{}/", part);
    TarCompare compare_files(wanted, wal, prefix);
    TarWalk walk(&compare_files);
    const TakeBytes take = [&walk](std::string_view bytes) { return walk.feed(bytes); };
    Found bad = read_decoded(base::join_path(folder, name), context, take);
    if (!bad) bad = walk.finish();
    if (bad && bad->reason != kCancelled) bad->text = fmt::format("'{}': {}", name, bad->text);
    if (bad) return bad;
  }
  const auto missing = std::find_if(wanted.begin(), wanted.end(),
                                    [](const auto& each) { return !outside_manifest(each.first); });
  if (missing == wanted.end()) return {};
  return finding("file_missing", fmt::format("'{}' of the manifest is missing", missing->first));
}

void add_names(const base::FileSystem& files, const std::string& folder,
               std::vector<std::string>& names) {
  if (folder.empty()) return;
  if (auto more = files.list(folder)) names.insert(names.end(), more->begin(), more->end());
}

Found check_wal(const Manifest& manifest, const std::vector<std::string>& names,
                std::uint64_t segment_bytes) {
  std::set<std::pair<std::uint32_t, std::uint64_t>> have;
  for (const std::string& name : names) {
    const auto parsed = parse_wal_name(name);
    if (!parsed || parsed->kind == WalName::Kind::History) continue;
    if (parsed->kind == WalName::Kind::BackupLabel) continue;
    have.emplace(parsed->timeline, parsed->number(segment_bytes));
  }
  for (const WalRange& range : manifest.wal) {
    const std::uint64_t last = (std::max(range.end, range.start + 1) - 1) / segment_bytes;
    for (std::uint64_t number = range.start / segment_bytes; number <= last; ++number) {
      if (have.contains({range.timeline, number})) continue;
      return finding("wal_missing",
                     fmt::format("segment {} that the backup needs is neither in it nor in the "
                                 "archive",
                                 wal_segment_name(range.timeline, number, segment_bytes)));
    }
  }
  return {};
}

Found check_without_manifest(const std::string& folder, CheckContext& context) {
  for (const char* name : {"backup_label", "global/pg_control"}) {
    if (context.files.exists(base::join_path(folder, name))) continue;
    return finding("incomplete", fmt::format("there is neither backup_manifest nor {}", name));
  }
  context.verdict.level = VerifyLevel::Size;
  context.verdict.note = "there is no backup_manifest: its files cannot be compared";
  context.verdict.what = "base backup without a manifest";
  return {};
}

}  // namespace

bool is_base_backup(const base::FileSystem& files, const std::string& folder) {
  for (const char* name : {"backup_manifest", "PG_VERSION", "base.tar", "base.tar.gz",
                           "base.tar.zst", "base.tar.lz4"}) {
    if (files.exists(base::join_path(folder, name))) return true;
  }
  return false;
}

Found check_base_backup(const std::string& folder, CheckContext& context) {
  BackupVerdict& verdict = context.verdict;
  verdict.level = VerifyLevel::Structure;
  const auto names = context.files.list(folder);
  if (!names) return unreadable(names.error());
  const bool plain = context.files.exists(base::join_path(folder, "PG_VERSION"));
  const std::string path = base::join_path(folder, "backup_manifest");
  if (!context.files.exists(path)) return check_without_manifest(folder, context);
  auto file = PacedFile::open(context.files, path, context.pace);
  if (!file) return unreadable(file.error());
  Manifest manifest;
  Wanted wanted;
  const auto each = [&](ManifestFile one) -> Found {
    if (plain) return check_plain_file(folder, one, context);
    if (wanted.size() >= kTarFilesMax) {
      return finding("unknown_format", fmt::format("more than {} files in archives", kTarFilesMax));
    }
    std::string key = one.path;
    wanted.emplace(std::move(key), std::move(one));
    return {};
  };
  if (Found bad = read_manifest(*file, each, manifest)) return bad;
  std::vector<std::string> wal;
  if (plain) {
    add_names(context.files, base::join_path(folder, "pg_wal"), wal);
  } else if (Found bad = check_tars(folder, *names, wanted, wal, context)) {
    return bad;
  }
  add_names(context.files, context.request.wal_archive, wal);
  verdict.decoded_bytes = manifest.bytes;
  verdict.what = fmt::format("base backup with {} files, {} bytes", manifest.files, manifest.bytes);
  return check_wal(manifest, wal, context.request.wal_segment_bytes);
}

}  // namespace tocsin::agent
