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

/// Sectors reach the disk whole or not at all.
constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kGarbageBytesMax = 64;

}  // namespace

class SimReadFile final : public base::ReadFile {
 public:
  SimReadFile(const SimFileSystem& files, std::string bytes, std::string path)
      : files_(files), bytes_(std::move(bytes)), path_(std::move(path)) {}
  base::Result<std::string> read_at(std::uint64_t offset, std::size_t length) const override {
    TC_TRY(files_.read_allowed(path_));
    if (offset >= bytes_.size()) return std::string();
    return bytes_.substr(static_cast<std::size_t>(offset), length);
  }
  std::uint64_t size() const override { return bytes_.size(); }

 private:
  const SimFileSystem& files_;
  std::string bytes_;
  std::string path_;
};

class SimAppendFile final : public base::AppendFile {
 public:
  SimAppendFile(SimFileSystem& files, std::shared_ptr<SimFileSystem::File> file, std::string path)
      : files_(files),
        file_(std::move(file)),
        path_(std::move(path)),
        generation_(files.generation_) {}

  base::Result<void> append(std::string_view bytes) override {
    if (generation_ != files_.generation_) return files_.fault("write", path_);
    return files_.append(*file_, path_, bytes);
  }
  base::Result<void> sync() override {
    if (generation_ != files_.generation_) return files_.fault("sync", path_);
    return files_.sync(*file_, path_);
  }
  std::uint64_t size() const override { return file_->bytes.size(); }

 private:
  SimFileSystem& files_;
  std::shared_ptr<SimFileSystem::File> file_;
  std::string path_;
  std::uint64_t generation_;
};

// --- Faults
// -----------------------------------------------------------------------------------------

bool SimFileSystem::FaultPlan::next() {
  ++count;
  return from != 0 && count >= from && count <= to;
}

void SimFileSystem::fail_at(std::uint64_t n, bool for_ever, Fault fault) {
  changes_.from = changes_.count + n;
  changes_.to = for_ever ? std::numeric_limits<std::uint64_t>::max() : changes_.from;
  kind_ = fault;
}

void SimFileSystem::fail_reads_at(std::uint64_t n, bool for_ever) {
  reads_.from = reads_.count + n;
  reads_.to = for_ever ? std::numeric_limits<std::uint64_t>::max() : reads_.from;
}

base::Error SimFileSystem::fault(std::string_view what, const std::string& path) const {
  const std::string_view why =
      kind_ == Fault::NoSpace ? "no space left on device" : "simulated fault";
  return base::error(ErrorCode::Io, fmt::format("cannot {} '{}': {}", what, path, why));
}

base::Result<void> SimFileSystem::read_allowed(const std::string& path) const {
  if (!reads_.next()) return base::ok();
  return base::error(ErrorCode::Io, fmt::format("cannot read '{}': simulated fault", path));
}

base::Result<void> SimFileSystem::append(File& file, const std::string& path,
                                         std::string_view bytes) {
  const bool failing = fails();
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

void SimFileSystem::File::write_back() {
  durable.resize(dirty_from, '\0');  // what an earlier sync lost
  durable += std::string_view(bytes).substr(dirty_from);
  dirty_from = bytes.size();
}

base::Result<void> SimFileSystem::sync(File& file, const std::string& path) {
  if (!fails()) {
    file.write_back();
    return base::ok();
  }
  // As Linux does: the pages count as written and are not. Source: "PostgreSQL's fsync() surprise",
  // lwn.net/Articles/752063.
  file.dirty_from = file.bytes.size();
  return fault("sync", path);
}

std::string SimFileSystem::some_sectors(const File& file) {
  const std::size_t extra = file.bytes.size() - file.durable.size();
  std::string after = file.durable;
  after.resize(file.durable.size() + static_cast<std::size_t>(random_->below(extra + 1)), '\0');
  for (std::size_t at = file.dirty_from; at < after.size();) {
    const std::size_t end = std::min((at / kSectorBytes + 1) * kSectorBytes, after.size());
    if (random_->below(2) == 0) file.bytes.copy(after.data() + at, end - at, at);
    at = end;
  }
  return after;
}

std::string SimFileSystem::after_power_loss(const File& file, Unsynced unsynced) {
  if (unsynced == Unsynced::Kept) return file.bytes;
  if (unsynced == Unsynced::Lost || file.bytes.size() <= file.durable.size()) return file.durable;
  if (unsynced == Unsynced::Shuffled) return some_sectors(file);
  const std::size_t extra = file.bytes.size() - file.durable.size();
  const auto kept = static_cast<std::size_t>(random_->below(extra + 1));
  std::string after = file.bytes.substr(0, file.durable.size() + kept);
  file.durable.copy(after.data(), file.durable.size());  // with the holes of failed syncs
  for (std::size_t at = file.durable.size(); at < std::min(file.dirty_from, after.size()); ++at) {
    after[at] = '\0';
  }
  // The last sectors may hold anything.
  const auto garbage = static_cast<std::size_t>(random_->below(kept + 1));
  for (std::size_t i = 0; i < std::min(garbage, kGarbageBytesMax); ++i) {
    after[after.size() - 1 - i] = static_cast<char>(random_->next());
  }
  return after;
}

void SimFileSystem::crash(Unsynced unsynced, UnsyncedNames names) {
  heal();
  ++generation_;
  if (unsynced == Unsynced::Kept && names == UnsyncedNames::Kept) return;
  std::size_t kept = 0;
  if (names == UnsyncedNames::Kept) kept = unsynced_names_.size();
  if (names == UnsyncedNames::Some) {
    kept = static_cast<std::size_t>(random_->below(unsynced_names_.size() + 1));
  }
  for (std::size_t i = 0; i < kept; ++i) apply(unsynced_names_[i], durable_names_);
  unsynced_names_.clear();
  for (auto& [path, file] : durable_names_) {
    auto after = std::make_shared<File>();
    after->mode = file->mode;
    after->modified_ns = file->modified_ns;
    after->bytes = after_power_loss(*file, unsynced);
    after->write_back();
    file = std::move(after);
  }
  names_ = durable_names_;
}

void SimFileSystem::apply(const NameChange& change, Names& names) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.file;
}

void SimFileSystem::change_name(NameChange change) {
  apply(change, names_);
  unsynced_names_.push_back(std::move(change));
}

// --- Access for tests
// -------------------------------------------------------------------------------

std::string SimFileSystem::content(const std::string& path) const {
  const auto at = names_.find(path);
  return at == names_.end() ? "" : at->second->bytes;
}

void SimFileSystem::set_content(const std::string& path, std::string content) {
  auto& file = names_[path];
  if (file == nullptr) file = std::make_shared<File>();
  file->bytes = std::move(content);
  file->durable.clear();
  file->dirty_from = 0;
  file->write_back();
  file->modified_ns = ++ticks_;
  durable_names_[path] = file;
}

std::uint64_t SimFileSystem::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [path, file] : names_) used += file->bytes.size();
  return used;
}

// --- FileSystem
// -------------------------------------------------------------------------------------

base::Result<std::string> SimFileSystem::read(const std::string& path,
                                              std::size_t bytes_max) const {
  TC_TRY(read_allowed(path));
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
  const bool failing = fails();
  if (failing && random_->below(2) == 0) return fault("write", path);
  if (used_bytes() + content.size() > capacity_) {
    return base::error(ErrorCode::Io,
                       fmt::format("cannot write '{}': no space left on device", path));
  }
  auto file = std::make_shared<File>();
  file->bytes = content;
  file->write_back();
  file->mode = file_mode;
  file->modified_ns = ++ticks_;
  change_name({"", path, std::move(file)});
  if (failing) return fault("sync", folder_of(path));
  write_names(folder_of(path));
  return base::ok();
}

base::Result<std::unique_ptr<base::AppendFile>> SimFileSystem::open_append(const std::string& path,
                                                                           mode_t file_mode) {
  if (fails()) return fault("open", path);
  if (!names_.contains(path)) {
    auto file = std::make_shared<File>();
    file->mode = file_mode;
    file->modified_ns = ++ticks_;
    change_name({"", path, std::move(file)});
  }
  return std::unique_ptr<base::AppendFile>(
      std::make_unique<SimAppendFile>(*this, names_[path], path));
}

base::Result<std::unique_ptr<base::ReadFile>> SimFileSystem::open_read(
    const std::string& path) const {
  TC_TRY(read_allowed(path));
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  return std::unique_ptr<base::ReadFile>(
      std::make_unique<SimReadFile>(*this, at->second->bytes, path));
}

base::Result<std::vector<std::string>> SimFileSystem::list(const std::string& folder) const {
  std::vector<std::string> names;
  const std::string wanted = without_slash(folder);
  TC_TRY(read_allowed(wanted));
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
  if (!names_.contains(path)) return not_found(path);
  change_name({path, "", nullptr});
  return base::ok();
}

base::Result<void> SimFileSystem::rename(const std::string& from, const std::string& to) {
  if (fails()) return fault("rename", from);
  const auto at = names_.find(from);
  if (at == names_.end()) return not_found(from);
  change_name({from, to, at->second});
  return base::ok();
}

base::Result<void> SimFileSystem::truncate(const std::string& path, std::uint64_t size_bytes) {
  const bool failing = fails();
  if (failing && random_->below(2) == 0) return fault("truncate", path);
  const auto at = names_.find(path);
  if (at == names_.end()) return not_found(path);
  File& file = *at->second;
  file.bytes.resize(static_cast<std::size_t>(size_bytes));
  file.dirty_from = std::min(file.dirty_from, file.bytes.size());
  if (failing) return fault("sync", path);
  file.durable.resize(std::min(file.durable.size(), file.bytes.size()));
  file.write_back();
  return base::ok();
}

void SimFileSystem::write_names(const std::string& folder) {
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    if (folder_of(change.from) != folder && folder_of(change.to) != folder) return false;
    apply(change, durable_names_);
    return true;
  });
}

base::Result<void> SimFileSystem::sync_folder(const std::string& folder) {
  if (fails()) return fault("sync", folder);
  write_names(without_slash(folder));
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
