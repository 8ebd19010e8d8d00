#include "common/sim/sim_file_system.h"

#include <fmt/core.h>

#include <algorithm>

namespace tocsin::sim {
namespace {

using base::ErrorCode;

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

base::Error not_found(const std::string& path) {
  return base::error(ErrorCode::NotFound, fmt::format("cannot open '{}': no such file", path));
}

class SimReadFile final : public base::ReadFile {
 public:
  explicit SimReadFile(std::string bytes) : bytes_(std::move(bytes)) {}
  base::Result<std::string> read_at(std::uint64_t offset, std::size_t length) const override {
    if (offset >= bytes_.size()) return std::string();
    return bytes_.substr(static_cast<std::size_t>(offset), length);
  }
  std::uint64_t size() const override { return bytes_.size(); }

 private:
  std::string bytes_;
};

}  // namespace

class SimAppendFile final : public base::AppendFile {
 public:
  SimAppendFile(SimFileSystem& files, std::shared_ptr<SimFileSystem::File> file, std::string path)
      : files_(files), file_(std::move(file)), path_(std::move(path)) {}

  base::Result<void> append(std::string_view bytes) override {
    return files_.append(*file_, path_, bytes);
  }
  base::Result<void> sync() override {
    if (files_.fails() || file_->dead) return files_.fault("sync", path_);
    file_->durable = file_->bytes;
    return base::ok();
  }
  std::uint64_t size() const override { return file_->bytes.size(); }

 private:
  SimFileSystem& files_;
  std::shared_ptr<SimFileSystem::File> file_;
  std::string path_;
};

void SimFileSystem::fail_at(std::uint64_t n, bool for_ever) {
  fail_from_ = operations_ + n;
  fail_to_ = for_ever ? std::numeric_limits<std::uint64_t>::max() : fail_from_;
}

bool SimFileSystem::fails() {
  ++operations_;
  return fail_from_ != 0 && operations_ >= fail_from_ && operations_ <= fail_to_;
}

base::Error SimFileSystem::fault(std::string_view what, const std::string& path) const {
  return base::error(ErrorCode::Io, fmt::format("cannot {} '{}': simulated fault", what, path));
}

base::Result<void> SimFileSystem::append(File& file, const std::string& path,
                                         std::string_view bytes) {
  const bool failing = fails();
  if (file.dead) return fault("write", path);
  file.modified_ns = ++ticks_;
  const std::uint64_t used = used_bytes();
  const std::uint64_t room = capacity_ > used ? capacity_ - used : 0;
  if (failing) {
    file.bytes += bytes.substr(0, random_->below(bytes.size() + 1));
    return fault("write", path);
  }
  if (room < bytes.size()) {
    file.bytes += bytes.substr(0, static_cast<std::size_t>(room));
    return base::error(ErrorCode::Io,
                       fmt::format("cannot write '{}': no space left on device", path));
  }
  file.bytes += bytes;
  return base::ok();
}

void SimFileSystem::crash(Unsynced unsynced, bool names_kept) {
  heal();
  Names survivors = names_kept ? names_ : durable_names_;
  for (auto& [path, file] : survivors) {
    auto after = std::make_shared<File>();
    after->mode = file->mode;
    after->modified_ns = file->modified_ns;
    after->bytes = unsynced == Unsynced::Kept ? file->bytes : file->durable;
    if (unsynced == Unsynced::Torn && file->bytes.size() > file->durable.size()) {
      const std::size_t extra = file->bytes.size() - file->durable.size();
      const auto kept = static_cast<std::size_t>(random_->below(extra + 1));
      after->bytes = file->bytes.substr(0, file->durable.size() + kept);
      // The last sectors may hold anything.
      const auto garbage = static_cast<std::size_t>(random_->below(kept + 1));
      for (std::size_t i = 0; i < std::min<std::size_t>(garbage, 64); ++i) {
        after->bytes[after->bytes.size() - 1 - i] = static_cast<char>(random_->next());
      }
    }
    after->durable = after->bytes;
    file->dead = true;
    file = after;
  }
  for (auto& [path, file] : names_) file->dead = true;
  names_ = survivors;
  durable_names_ = std::move(survivors);
}

std::string SimFileSystem::content(const std::string& path) const {
  const auto at = names_.find(path);
  return at == names_.end() ? "" : at->second->bytes;
}

void SimFileSystem::set_content(const std::string& path, std::string content) {
  auto& file = names_[path];
  if (file == nullptr) file = std::make_shared<File>();
  file->bytes = file->durable = std::move(content);
  file->modified_ns = ++ticks_;
  durable_names_[path] = file;
}

std::uint64_t SimFileSystem::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [path, file] : names_) used += file->bytes.size();
  return used;
}

base::Result<std::string> SimFileSystem::read(const std::string& path,
                                              std::size_t bytes_max) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  if (at->second->bytes.size() > bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("'{}' is larger than the limit of {} bytes", path, bytes_max));
  }
  return at->second->bytes;
}

base::Result<void> SimFileSystem::write_atomic(const std::string& path, std::string_view content,
                                               mode_t file_mode) {
  if (fails()) return fault("write", path);
  if (used_bytes() + content.size() > capacity_) {
    return base::error(ErrorCode::Io,
                       fmt::format("cannot write '{}': no space left on device", path));
  }
  auto file = std::make_shared<File>();
  file->bytes = file->durable = content;
  file->mode = file_mode;
  file->modified_ns = ++ticks_;
  names_[path] = durable_names_[path] = file;
  return base::ok();
}

base::Result<std::unique_ptr<base::AppendFile>> SimFileSystem::open_append(const std::string& path,
                                                                           mode_t file_mode) {
  if (fails()) return fault("open", path);
  auto& file = names_[path];
  if (file == nullptr) {
    file = std::make_shared<File>();
    file->mode = file_mode;
    file->modified_ns = ++ticks_;
  }
  return std::unique_ptr<base::AppendFile>(std::make_unique<SimAppendFile>(*this, file, path));
}

base::Result<std::unique_ptr<base::ReadFile>> SimFileSystem::open_read(
    const std::string& path) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  return std::unique_ptr<base::ReadFile>(std::make_unique<SimReadFile>(at->second->bytes));
}

base::Result<std::vector<std::string>> SimFileSystem::list(const std::string& folder) const {
  std::vector<std::string> names;
  const std::string wanted = without_slash(folder);
  if (!is_folder(wanted)) return not_found(wanted);
  for (const auto& [path, file] : names_) {
    if (folder_of(path) == wanted) names.push_back(path.substr(wanted.size() + 1));
  }
  for (const auto& [path, made] : folders_) {
    if (path != wanted && folder_of(path) == wanted)
      names.push_back(path.substr(wanted.size() + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

base::Result<void> SimFileSystem::create_folders(const std::string& folder) {
  for (std::string path = without_slash(folder); !path.empty() && path != ".";
       path = folder_of(path)) {
    folders_[path] = true;
  }
  return base::ok();
}

base::Result<void> SimFileSystem::remove(const std::string& path) {
  if (fails()) return fault("remove", path);
  if (names_.erase(path) == 0) return not_found(path);
  return base::ok();
}

base::Result<void> SimFileSystem::rename(const std::string& from, const std::string& to) {
  if (fails()) return fault("rename", from);
  const auto at = names_.find(from);
  if (at == names_.end()) return not_found(from);
  names_[to] = at->second;
  names_.erase(from);
  return base::ok();
}

base::Result<void> SimFileSystem::truncate(const std::string& path, std::uint64_t size_bytes) {
  if (fails()) return fault("truncate", path);
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  at->second->bytes.resize(static_cast<std::size_t>(size_bytes));
  at->second->durable = at->second->bytes;
  return base::ok();
}

base::Result<void> SimFileSystem::sync_folder(const std::string& folder) {
  if (fails()) return fault("sync", folder);
  const std::string wanted = without_slash(folder);
  std::erase_if(durable_names_,
                [&](const auto& entry) { return folder_of(entry.first) == wanted; });
  for (const auto& [path, file] : names_) {
    if (folder_of(path) == wanted) durable_names_[path] = file;
  }
  return base::ok();
}

bool SimFileSystem::exists(const std::string& path) const {
  return names_.contains(path) || is_folder(path);
}
bool SimFileSystem::is_folder(const std::string& path) const {
  return folders_.contains(without_slash(path));
}
base::Result<std::uint64_t> SimFileSystem::size(const std::string& path) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  return static_cast<std::uint64_t>(at->second->bytes.size());
}
base::Result<mode_t> SimFileSystem::mode(const std::string& path) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  return at->second->mode;
}
base::Result<std::int64_t> SimFileSystem::modified_ns(const std::string& path) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  return at->second->modified_ns;
}
base::Result<std::string> SimFileSystem::read_link(const std::string& path) const {
  return not_found(path);
}
base::Result<base::DiskSpace> SimFileSystem::space(const std::string&) const {
  const std::uint64_t used = used_bytes();
  return base::DiskSpace{capacity_, capacity_ > used ? capacity_ - used : 0};
}

}  // namespace tocsin::sim
