#include "alertd/backup/archive.h"

#include <fmt/core.h>

#include <map>
#include <set>

#include "alertd/backup/tar_format.h"
#include "common/base/hash.h"

namespace tocsin::backup {
namespace {

using base::ErrorCode;

constexpr std::size_t kReadBytes = 4 << 20;
constexpr std::size_t kManifestBytesMax = 64 << 20;
constexpr mode_t kPrivate = 0600;
constexpr std::string_view kUnfinished = ".partial";

bool is_tar(std::string_view path) {
  return path.ends_with(".tar");
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class FolderWriter final : public ArchiveWriter {
 public:
  FolderWriter(base::FileSystem& files, std::string folder, std::string manifest)
      : files_(files), folder_(std::move(folder)), manifest_(std::move(manifest)) {}

  base::Result<void> begin_file(const FileEntry& entry) override {
    const std::string path = base::join_path(folder_, entry.path);
    const std::string parent = folder_of(path);
    if (folders_.insert(parent).second) TC_TRY(files_.create_folders(parent));
    TC_TRY(file_, files_.open_append(path, entry.mode));
    return base::ok();
  }
  base::Result<void> append(std::string_view bytes) override { return file_->append(bytes); }
  base::Result<void> end_file() override {
    TC_TRY(file_->sync());
    file_.reset();
    return base::ok();
  }
  base::Result<void> finish() override {
    for (const std::string& folder : folders_) TC_TRY(files_.sync_folder(folder));
    TC_TRY(files_.sync_folder(folder_));
    return files_.write_atomic(base::join_path(folder_, kManifestName), manifest_, kPrivate);
  }

 private:
  base::FileSystem& files_;
  std::string folder_;
  std::string manifest_;
  std::set<std::string> folders_;
  std::unique_ptr<base::AppendFile> file_;
};

class TarWriter final : public ArchiveWriter {
 public:
  TarWriter(base::FileSystem& files, std::string path, base::WallTime at)
      : files_(files),
        path_(std::move(path)),
        unfinished_(path_ + std::string(kUnfinished)),
        at_(at) {}
  ~TarWriter() override {
    if (file_ == nullptr) return;
    file_.reset();
    static_cast<void>(files_.remove(unfinished_));
  }

  base::Result<void> open() {
    // Of an attempt that was killed.
    if (files_.exists(unfinished_)) TC_TRY(files_.remove(unfinished_));
    TC_TRY(file_, files_.open_append(unfinished_, kPrivate));
    return base::ok();
  }
  base::Result<void> begin_file(const FileEntry& entry) override {
    TC_TRY(const std::string header, tar_header({entry.path, entry.bytes, entry.mode}, at_));
    bytes_ = entry.bytes;
    return file_->append(header);
  }
  base::Result<void> append(std::string_view bytes) override { return file_->append(bytes); }
  base::Result<void> end_file() override {
    return file_->append(std::string(tar_padding(bytes_), '\0'));
  }
  base::Result<void> finish() override {
    TC_TRY(file_->append(std::string(2 * kTarBlockBytes, '\0')));
    TC_TRY(file_->sync());
    TC_TRY(files_.rename(unfinished_, path_));
    file_.reset();
    return files_.sync_folder(folder_of(path_));
  }

 private:
  base::FileSystem& files_;
  std::string path_;
  std::string unfinished_;
  base::WallTime at_;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<base::AppendFile> file_;
};

class FolderReader final : public ArchiveReader {
 public:
  FolderReader(const base::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  base::Result<void> open() {
    if (!files_.exists(base::join_path(folder_, kManifestName))) {
      return base::error(ErrorCode::Corruption,
                         fmt::format("'{}' has no {}: it is no backup, or an unfinished one",
                                     folder_, kManifestName));
    }
    return read_manifest();
  }

 private:
  base::Result<Piece> find(const std::string& path) const override {
    TC_TRY(std::shared_ptr<const base::ReadFile> file,
           files_.open_read(base::join_path(folder_, path)));
    const std::uint64_t bytes = file->size();
    return Piece{std::move(file), 0, bytes};
  }

  const base::FileSystem& files_;
  std::string folder_;
};

class TarReader final : public ArchiveReader {
 public:
  base::Result<void> open(const base::FileSystem& files, const std::string& path) {
    TC_TRY(file_, files.open_read(path));
    for (std::uint64_t at = 0;;) {
      TC_TRY(const std::string block, file_->read_at(at, kTarBlockBytes));
      if (block.size() < kTarBlockBytes) {
        return base::error(ErrorCode::Corruption,
                           fmt::format("'{}' ends early: it is unfinished, or was cut", path));
      }
      TC_TRY(const auto header, parse_tar_header(block));
      if (!header) break;
      at += kTarBlockBytes;
      if (!header->path.empty()) pieces_[header->path] = {file_, at, header->bytes};
      at += header->bytes + tar_padding(header->bytes);
      if (at > file_->size()) {
        return base::error(ErrorCode::Corruption,
                           fmt::format("'{}' ends early: it is unfinished, or was cut", path));
      }
    }
    return read_manifest();
  }

 private:
  base::Result<Piece> find(const std::string& path) const override {
    const auto at = pieces_.find(path);
    if (at != pieces_.end()) return at->second;
    return base::error(ErrorCode::NotFound, fmt::format("'{}' is not in the tar file", path));
  }

  std::shared_ptr<const base::ReadFile> file_;
  std::map<std::string, Piece> pieces_;
};

base::Error occupied(const std::string& what) {
  return base::error(ErrorCode::InvalidArgument, what);
}

}  // namespace

base::Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::make(base::FileSystem& files,
                                                                 const std::string& path,
                                                                 const Manifest& manifest) {
  std::string json = to_json(manifest);
  if (!is_tar(path)) {
    if (files.exists(path)) {
      TC_TRY(const auto names, files.list(path));
      if (!names.empty()) {
        return occupied(fmt::format("'{}' is not empty; name a new folder for each backup", path));
      }
    }
    TC_TRY(files.create_folders(path));
    return std::unique_ptr<ArchiveWriter>(
        std::make_unique<FolderWriter>(files, path, std::move(json)));
  }
  if (files.exists(path)) return occupied(fmt::format("'{}' is there already", path));
  auto tar = std::make_unique<TarWriter>(files, path, manifest.created_at);
  TC_TRY(tar->open());
  TC_TRY(tar->begin_file({std::string(kManifestName), json.size(), "", kPrivate}));
  TC_TRY(tar->append(json));
  TC_TRY(tar->end_file());
  return std::unique_ptr<ArchiveWriter>(std::move(tar));
}

base::Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(const base::FileSystem& files,
                                                                 const std::string& path) {
  if (!files.exists(path)) {
    return base::error(ErrorCode::NotFound, fmt::format("'{}' is not there", path));
  }
  if (files.is_folder(path)) {
    auto reader = std::make_unique<FolderReader>(files, path);
    TC_TRY(reader->open());
    return std::unique_ptr<ArchiveReader>(std::move(reader));
  }
  auto reader = std::make_unique<TarReader>();
  TC_TRY(reader->open(files, path));
  return std::unique_ptr<ArchiveReader>(std::move(reader));
}

base::Result<void> ArchiveReader::read_manifest() {
  TC_TRY(const Piece piece, find(std::string(kManifestName)));
  if (piece.bytes > kManifestBytesMax) {
    return base::error(
        ErrorCode::LimitExceeded,
        fmt::format("{} is {} bytes, limit {}", kManifestName, piece.bytes, kManifestBytesMax));
  }
  TC_TRY(const std::string json,
         piece.file->read_at(piece.begin, static_cast<std::size_t>(piece.bytes)));
  TC_TRY(manifest_, parse_manifest(json));
  return base::ok();
}

base::Result<void> ArchiveReader::read(const FileEntry& entry, const Part& part) const {
  const auto damaged = [&](const std::string& what) {
    return base::error(ErrorCode::Corruption,
                       fmt::format("'{}' of the backup {}", entry.path, what));
  };
  auto piece = find(entry.path);
  if (!piece && piece.error().code == ErrorCode::NotFound) return damaged("is missing");
  if (!piece) return piece.error();
  if (piece->bytes != entry.bytes) {
    return damaged(fmt::format("has {} bytes, it had {}", piece->bytes, entry.bytes));
  }
  base::Sha256 sum;
  for (std::uint64_t done = 0; done < entry.bytes;) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, entry.bytes - done));
    TC_TRY(const std::string bytes, piece->file->read_at(piece->begin + done, wanted));
    if (bytes.size() != wanted) return damaged("ends early");
    sum.add(bytes);
    TC_TRY(part(bytes));
    done += bytes.size();
  }
  if (sum.finish_hex() != entry.sha256) return damaged("is not what it was: its SHA-256 differs");
  return base::ok();
}

base::Result<void> ArchiveReader::verify() const {
  for (const FileEntry& entry : manifest_.files) {
    TC_TRY(read(entry, [](std::string_view) { return base::ok(); }));
  }
  return base::ok();
}

}  // namespace tocsin::backup
