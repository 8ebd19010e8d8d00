#include "agent/backup/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/backup/backup_time.h"
#include "agent/backup/base_check.h"
#include "agent/backup/content_check.h"
#include "agent/backup/pg_archive.h"
#include "agent/backup/plain_dump.h"
#include "agent/backup/signature.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr std::size_t kSumsBytesMax = 4 << 20;
constexpr std::size_t kBeginBytes = 4096;
constexpr std::size_t kTailBytes = 4096;

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

/// The line of sha256sum about `name`; a file with one sum and no name is about it as well.
std::string sum_of(std::string_view text, std::string_view name) {
  std::string sum;
  base::for_each_line(text, [&](std::string_view line) {
    const std::vector<std::string_view> fields = base::split_fields(line);
    if (fields.empty() || !is_sha256(fields[0])) return;
    std::string_view about = fields.size() > 1 ? fields.back() : name;
    if (about.starts_with('*')) about.remove_prefix(1);
    if (about.substr(about.rfind('/') + 1) == name) sum = base::to_lower(fields[0]);
  });
  return sum;
}

Result<std::string> sha256_of(PacedFile& file) {
  const std::unique_ptr<Digest> digest = make_digest("SHA256");
  for (;;) {
    TC_TRY(const std::string_view chunk, file.next());
    if (chunk.empty()) return digest->hex();
    digest->update(chunk);
  }
}

/// Checksums beside a file, and copies of it elsewhere (V3).
class ChecksumCheck {
 public:
  ChecksumCheck(const std::string& path, std::string sha256, CheckContext& context)
      : path_(path), sha256_(std::move(sha256)), context_(context) {}

  Found go() {
    const VerifyRequest& request = context_.request;
    if (Found bad = beside()) return bad;
    if (!request.copy_sums.empty()) {
      if (Found bad = listed_copy()) return bad;
    }
    if (!request.copy.empty()) {
      if (Found bad = copy()) return bad;
    }
    if (compared_) {
      // Of what cannot be looked into, the checksum is still known to be right.
      context_.verdict.level = VerifyLevel::Checksum;
    } else if (context_.verdict.note.empty()) {
      context_.verdict.note = "no checksum is beside it, and no copy is configured to compare with";
    }
    return {};
  }

 private:
  Found beside() {
    const std::string name = name_of(path_);
    for (const std::string& candidate :
         {path_ + ".sha256", folder_of(path_) + "SHA256SUMS", folder_of(path_) + "sha256sums"}) {
      if (!context_.files.exists(candidate)) continue;
      const auto text = context_.files.read(candidate, kSumsBytesMax);
      if (!text) return unreadable(text.error());
      const std::string sum = sum_of(*text, name);
      if (sum.empty()) continue;
      compared_ = true;
      if (sum != sha256_) {
        return finding("checksum_mismatch",
                       fmt::format("its SHA-256 is not the one in '{}'", candidate));
      }
    }
    return {};
  }

  Found listed_copy() {
    const auto text = context_.files.read(context_.request.copy_sums, kSumsBytesMax);
    if (!text) return unreadable(text.error());
    const std::string sum = sum_of(*text, name_of(path_));
    compared_ = true;
    if (sum.empty()) return finding("copy_missing", "the list of copies does not have it");
    if (sum != sha256_) return finding("copy_differs", "the copy in the list is another file");
    return {};
  }

  Found copy() {
    const std::string other = base::join_path(context_.request.copy, name_of(path_));
    if (!context_.files.exists(other)) {
      return finding("copy_missing", fmt::format("there is no '{}'", other));
    }
    auto file = PacedFile::open(context_.files, other, context_.pace);
    if (!file) return unreadable(file.error());
    const auto sha256 = sha256_of(*file);
    if (!sha256) return unreadable(sha256.error());
    compared_ = true;
    if (*sha256 != sha256_) {
      return finding("copy_differs", fmt::format("'{}' is not the same file", other));
    }
    return {};
  }

  const std::string& path_;
  std::string sha256_;
  CheckContext& context_;
  bool compared_ = false;
};

Found check_folder(const std::string& path, CheckContext& context) {
  if (context.files.exists(base::join_path(path, "toc.dat"))) {
    return check_dump_folder(path, context);
  }
  if (is_base_backup(context.files, path)) return check_base_backup(path, context);
  if (context.request.must_be_dump) {
    return finding("not_a_dump", fmt::format("'{}' is no dump of pg_dump", path));
  }
  context.verdict.what = "folder";
  context.verdict.note = "it is neither a base backup nor a dump: its files were not looked into";
  return {};
}

/// Of a base backup the manifest is signed, which has the checksums of all files.
Found check_folder_signature(CheckContext& context) {
  const VerifyRequest& request = context.request;
  if (request.signature_key.empty()) return {};
  const std::string manifest = base::join_path(request.path, "backup_manifest");
  if (!context.files.exists(manifest)) {
    return finding("signature_missing",
                   "only files, and base backups with a manifest, can be signed");
  }
  auto file = PacedFile::open(context.files, manifest, context.pace);
  if (!file) return unreadable(file.error());
  const auto sha256 = sha256_of(*file);
  if (!sha256) return unreadable(sha256.error());
  return check_signature(context.files, request.signature_key, manifest, *sha256);
}

Found check_folder_copy(CheckContext& context) {
  const VerifyRequest& request = context.request;
  if (request.copy.empty()) {
    context.verdict.note = "a folder has no checksum beside it; no copy is configured";
    return {};
  }
  const std::string other = base::join_path(request.copy, name_of(request.path));
  if (!context.files.is_folder(other)) {
    return finding("copy_missing", fmt::format("there is no folder '{}'", other));
  }
  BackupVerdict of_copy;
  CheckContext copy_context{request, context.files, context.pace, of_copy};
  if (Found bad = check_folder(other, copy_context)) {
    if (bad->reason != kCancelled) bad->text = fmt::format("the copy: {}", bad->text);
    return bad;
  }
  context.verdict.level = VerifyLevel::Checksum;
  return {};
}

Found run(CheckContext& context) {
  const VerifyRequest& request = context.request;
  BackupVerdict& verdict = context.verdict;
  if (!context.files.exists(request.path)) {
    return finding("missing", fmt::format("there is no '{}'", request.path));
  }
  verdict.level = VerifyLevel::Size;
  if (Found bad = check_quickly(request, context.files)) return bad;
  if (request.level < VerifyLevel::Structure) return {};
  if (context.files.is_folder(request.path)) {
    if (Found bad = check_folder(request.path, context)) return bad;
    if (Found bad = check_folder_signature(context)) return bad;
    if (request.level < VerifyLevel::Checksum) return {};
    return check_folder_copy(context);
  }
  const bool summed = request.level >= VerifyLevel::Checksum;
  const bool hashed = summed || !request.signature_key.empty();
  const std::unique_ptr<Digest> digest = make_digest("SHA256");
  if (Found bad = check_file_structure(request.path, context, hashed ? digest.get() : nullptr)) {
    return bad;
  }
  if (!hashed) return {};
  const std::string sha256 = digest->hex();
  if (!request.signature_key.empty()) {
    if (Found bad = check_signature(context.files, request.signature_key, request.path, sha256)) {
      return bad;
    }
  }
  return summed ? ChecksumCheck(request.path, sha256, context).go() : Found{};
}

/// gzip ends with the length of what is in it, modulo 4 GiB.
Found check_gzip_tail(const std::string& path, std::string_view tail, std::uint64_t size) {
  if (size < 18 || tail.size() < 4) {
    return finding("truncated", fmt::format("{} bytes are no gzip file", size));
  }
  std::uint32_t length = 0;
  for (int i = 1; i <= 4; ++i) {
    length = length << 8U | static_cast<unsigned char>(tail[tail.size() - i]);
  }
  if (length != 0 || size > 1'024) return {};
  return finding("empty", fmt::format("'{}' is a gzip file of nothing", name_of(path)));
}

std::string_view expected_compression(std::string_view name) {
  if (name.ends_with(".gz") || name.ends_with(".tgz")) return "gzip";
  if (name.ends_with(".zst")) return "zstd";
  if (name.ends_with(".lz4")) return "lz4";
  if (name.ends_with(".xz")) return "xz";
  return {};
}

}  // namespace

VerifyRequest verify_request(const BackupSet& set, std::string path, VerifyLevel level) {
  VerifyRequest request;
  request.path = std::move(path);
  request.level = level;
  request.must_be_dump = set.kind == BackupKind::PgDump;
  request.size_min = set.size_min;
  request.read_rate = set.read_rate;
  request.dump = set.dump;
  request.signature_key = set.signature_key;
  request.copy = set.copy;
  request.copy_sums = set.copy_sums;
  request.wal_archive = set.wal_archive;
  request.wal_segment_bytes = set.wal_segment_bytes;
  return request;
}

Result<BackupVerdict> verify_backup(const VerifyRequest& request, const VerifyWorld& world) {
  BackupVerdict verdict;
  Pace pace(world.clock, request.read_rate, world.check);
  CheckContext context{request, world.files, pace, verdict};
  verdict.found = run(context);
  verdict.bytes_read = pace.bytes();
  if (verdict.found && verdict.found->reason == kCancelled) {
    if (world.check) TC_TRY(world.check());
    return base::error(base::ErrorCode::Cancelled, verdict.found->text);
  }
  return verdict;
}

Found check_quickly(const VerifyRequest& request, const base::FileSystem& files) {
  if (files.is_folder(request.path)) return {};
  const auto file = files.open_read(request.path);
  if (!file) return unreadable(file.error());
  const std::uint64_t size = (*file)->size();
  if (size == 0) return finding("empty", "the file has no bytes");
  const auto begin = (*file)->read_at(0, kBeginBytes);
  if (!begin) return unreadable(begin.error());
  const auto tail = (*file)->read_at(size - std::min<std::uint64_t>(size, kTailBytes), kTailBytes);
  if (!tail) return unreadable(tail.error());
  const compression::Format format = compression::format_of(*begin);
  if (format == compression::Format::Gzip) {
    if (Found bad = check_gzip_tail(request.path, *tail, size)) return bad;
  }
  const std::string_view expected = expected_compression(request.path);
  if (!expected.empty() && to_string(format) != expected) {
    return finding("damaged",
                   fmt::format("'{}' does not begin as {} does", name_of(request.path), expected));
  }
  if (size < request.size_min) {
    return finding("too_small",
                   fmt::format("{} bytes, at least {} are expected", size, request.size_min));
  }
  if (PlainDump::looks_like(*begin) && !has_completion_mark(*tail)) {
    return finding("truncated", "the dump does not end with 'dump complete'");
  }
  return {};
}

}  // namespace tocsin::agent
