#include "common/base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tocsin::base {
namespace {

Error io_error(std::string_view what, const std::string& path, int number) {
  ErrorCode code = ErrorCode::Io;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::NotFound;
  if (number == EACCES || number == EPERM) code = ErrorCode::PermissionDenied;
  char buffer[128];
  return error(code, fmt::format("cannot {} '{}': {}", what, path,
                                 strerror_r(number, buffer, sizeof buffer)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

class RealAppendFile final : public AppendFile {
 public:
  RealAppendFile(Descriptor fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Result<void> append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return io_error("write", path_, errno);
      }
      size_ += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
  }

  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return io_error("sync", path_, errno);
    return ok();
  }

  std::uint64_t size() const override { return size_; }

 private:
  Descriptor fd_;
  std::string path_;
  std::uint64_t size_;
};

class RealReadFile final : public ReadFile {
 public:
  RealReadFile(Descriptor fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Result<std::string> read_at(std::uint64_t offset, std::size_t length) const override {
    std::string bytes(length, '\0');
    std::size_t done = 0;
    while (done < length) {
      const ssize_t got =
          ::pread(fd_.get(), bytes.data() + done, length - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return io_error("read", path_, errno);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  std::uint64_t size() const override { return size_; }

 private:
  Descriptor fd_;
  std::string path_;
  std::uint64_t size_;
};

class RealMappedFile final : public MappedFile {
 public:
  explicit RealMappedFile(std::string_view bytes) : bytes_(bytes) {}
  ~RealMappedFile() override {
    if (!bytes_.empty()) ::munmap(address(), bytes_.size());
  }
  RealMappedFile(const RealMappedFile&) = delete;
  RealMappedFile& operator=(const RealMappedFile&) = delete;

  std::string_view bytes() const override { return bytes_; }
  // The pages are clean: dropping them loses nothing.
  void release_pages() const override {
    if (!bytes_.empty()) ::madvise(address(), bytes_.size(), MADV_DONTNEED);
  }

 private:
  void* address() const { return const_cast<char*>(bytes_.data()); }
  std::string_view bytes_;
};

/// For file systems that cannot map: simulated ones.
class ReadMappedFile final : public MappedFile {
 public:
  explicit ReadMappedFile(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return bytes_; }

 private:
  std::string bytes_;
};

class RealFileSystem final : public FileSystem {
 public:
  Result<std::string> read(const std::string& path, std::size_t bytes_max) const override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return io_error("open", path, errno);
    std::string content;
    struct stat status {};
    if (::fstat(fd.get(), &status) == 0) {
      if (S_ISDIR(status.st_mode)) return io_error("read", path, EISDIR);
      // /proc says 0; one page is right for nearly all of its files.
      content.reserve(std::min(bytes_max, static_cast<std::size_t>(status.st_size) + 4096));
    }
    char buffer[16384];
    for (;;) {
      const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
      if (got < 0) {
        if (errno == EINTR) continue;
        return io_error("read", path, errno);
      }
      if (got == 0) return content;
      if (content.size() + static_cast<std::size_t>(got) > bytes_max) {
        return error(ErrorCode::LimitExceeded,
                     fmt::format("'{}' is larger than the limit of {} bytes", path, bytes_max));
      }
      content.append(buffer, static_cast<std::size_t>(got));
    }
  }

  Result<void> write_atomic(const std::string& path, std::string_view content,
                            mode_t file_mode) override {
    const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
    {
      Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file_mode));
      if (!fd) return io_error("create", temporary, errno);
      RealAppendFile file(std::move(fd), temporary, 0);
      TC_TRY(file.append(content));
      TC_TRY(file.sync());
    }
    TC_TRY(rename(temporary, path));
    const std::size_t slash = path.rfind('/');
    return sync_folder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
  }

  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path,
                                                  mode_t file_mode) override {
    Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, file_mode));
    if (!fd) return io_error("open", path, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return io_error("stat", path, errno);
    return std::unique_ptr<AppendFile>(std::make_unique<RealAppendFile>(
        std::move(fd), path, static_cast<std::uint64_t>(status.st_size)));
  }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) const override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return io_error("open", path, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return io_error("stat", path, errno);
    return std::unique_ptr<ReadFile>(std::make_unique<RealReadFile>(
        std::move(fd), path, static_cast<std::uint64_t>(status.st_size)));
  }

  Result<std::unique_ptr<MappedFile>> map(const std::string& path) const override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return io_error("open", path, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return io_error("stat", path, errno);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return std::unique_ptr<MappedFile>(std::make_unique<RealMappedFile>(""));
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) return io_error("map", path, errno);
    return std::unique_ptr<MappedFile>(std::make_unique<RealMappedFile>(
        std::string_view(static_cast<const char*>(address), size)));
  }

  Result<std::vector<std::string>> list(const std::string& folder) const override {
    DIR* handle = ::opendir(folder.c_str());
    if (handle == nullptr) return io_error("list", folder, errno);
    std::vector<std::string> names;
    // readdir is safe here: the handle is ours alone (glibc manual, "Reading Directories").
    while (const dirent* entry = ::readdir(handle)) {  // NOLINT(concurrency-mt-unsafe)
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(handle);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> create_folders(const std::string& folder) override {
    for (std::size_t end = folder.find('/', 1);; end = folder.find('/', end + 1)) {
      const std::string part = folder.substr(0, end);
      if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
        return io_error("create folder", part, errno);
      }
      if (end == std::string::npos) break;
    }
    if (!is_folder(folder)) return io_error("create folder", folder, ENOTDIR);
    return ok();
  }

  Result<void> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return io_error("remove", path, errno);
    return ok();
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return io_error("rename", from, errno);
    return ok();
  }

  Result<void> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return ok();
    // Another file system, or one without hard links.
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP) return FileSystem::link(from, to);
    return io_error("link", from, errno);
  }

  Result<void> truncate(const std::string& path, std::uint64_t size_bytes) override {
    Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return io_error("open", path, errno);
    if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0 || ::fsync(fd.get()) != 0) {
      return io_error("truncate", path, errno);
    }
    return ok();
  }

  Result<void> sync_folder(const std::string& folder) override {
    Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return io_error("open", folder, errno);
    if (::fsync(fd.get()) != 0) return io_error("sync", folder, errno);
    return ok();
  }

  bool exists(const std::string& path) const override {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0;
  }

  bool is_folder(const std::string& path) const override {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  }

  Result<std::uint64_t> size(const std::string& path) const override {
    TC_TRY(const auto status, stat_of(path));
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<mode_t> mode(const std::string& path) const override {
    TC_TRY(const auto status, stat_of(path));
    return static_cast<mode_t>(status.st_mode & 07777U);
  }

  Result<std::int64_t> modified_ns(const std::string& path) const override {
    TC_TRY(const auto status, stat_of(path));
    return static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1000000000 + status.st_mtim.tv_nsec;
  }

  Result<std::string> read_link(const std::string& path) const override {
    char target[4096];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return io_error("read link", path, errno);
    return std::string(target, static_cast<std::size_t>(length));
  }

  Result<DiskSpace> space(const std::string& path) const override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) return io_error("statvfs", path, errno);
    return DiskSpace{status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize};
  }

 private:
  static Result<struct stat> stat_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return io_error("stat", path, errno);
    return status;
  }
};

}  // namespace

Result<std::unique_ptr<MappedFile>> FileSystem::map(const std::string& path) const {
  TC_TRY(const auto file, open_read(path));
  TC_TRY(std::string bytes, file->read_at(0, static_cast<std::size_t>(file->size())));
  return std::unique_ptr<MappedFile>(std::make_unique<ReadMappedFile>(std::move(bytes)));
}

Result<void> FileSystem::link(const std::string& from, const std::string& to) {
  constexpr std::size_t kPiece = 1 << 20;
  TC_TRY(const auto source, open_read(from));
  TC_TRY(const mode_t file_mode, mode(from));
  TC_TRY(const auto copy, open_append(to, file_mode));
  for (std::uint64_t done = 0; done < source->size();) {
    TC_TRY(const std::string piece, source->read_at(done, kPiece));
    if (piece.empty()) {
      return error(ErrorCode::Io, fmt::format("'{}' became shorter while it was copied", from));
    }
    TC_TRY(copy->append(piece));
    done += piece.size();
  }
  return copy->sync();
}

std::unique_ptr<FileSystem> make_real_file_system() {
  return std::make_unique<RealFileSystem>();
}

std::string join_path(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name.substr(name.starts_with('/') ? 1 : 0));
}

}  // namespace tocsin::base
