// Files in memory for the tests of this folder: they fail the N-th write, tear it, and lose
// unsynced bytes.
#pragma once

#include <map>

#include "common/base/file_system.h"

namespace tocsin::spool {

/// Only what the queue uses behaves; folders exist when created.
class MemoryFiles final : public base::FileSystem {
 public:
  struct File {
    std::string bytes;
    std::size_t synced = 0;
  };
  std::map<std::string, File> files;
  std::map<std::string, bool> folders;
  long fail_in = -1;  ///< Operations that change something, until they begin to fail; -1: never.
  long fail_count = 1L << 40;  ///< How many fail then.
  long operations = 0;         ///< Changing operations so far.

  /// What a power cut leaves: every file as it was when last synced.
  void power_cut() {
    for (auto& [path, file] : files) file.bytes.resize(file.synced);
  }

  base::Result<std::string> read(const std::string& path, std::size_t bytes_max) const override {
    const auto at = files.find(path);
    if (at == files.end()) return missing(path);
    if (at->second.bytes.size() > bytes_max) {
      return base::error(base::ErrorCode::LimitExceeded, path + " is too large");
    }
    return at->second.bytes;
  }
  base::Result<void> write_atomic(const std::string& path, std::string_view content,
                                  mode_t) override {
    TC_TRY(change(path));
    files[path] = {std::string(content), content.size()};
    return base::ok();
  }
  base::Result<std::unique_ptr<base::AppendFile>> open_append(const std::string& path,
                                                              mode_t) override {
    TC_TRY(change(path));
    files[path];
    return std::unique_ptr<base::AppendFile>(std::make_unique<Appending>(*this, path));
  }
  base::Result<std::unique_ptr<base::ReadFile>> open_read(const std::string& path) const override {
    const auto at = files.find(path);
    if (at == files.end()) return missing(path);
    return std::unique_ptr<base::ReadFile>(std::make_unique<Reading>(at->second.bytes));
  }
  base::Result<std::vector<std::string>> list(const std::string& folder) const override {
    if (!folders.contains(folder)) return missing(folder);
    std::vector<std::string> names;
    for (const auto& [path, file] : files) {
      if (path.starts_with(folder + "/") && path.find('/', folder.size() + 1) == path.npos) {
        names.push_back(path.substr(folder.size() + 1));
      }
    }
    return names;
  }
  base::Result<void> create_folders(const std::string& folder) override {
    TC_TRY(change(folder));
    folders[folder] = true;
    return base::ok();
  }
  base::Result<void> remove(const std::string& path) override {
    TC_TRY(change(path));
    if (files.erase(path) == 0) return missing(path);
    return base::ok();
  }
  base::Result<void> rename(const std::string& from, const std::string& to) override {
    TC_TRY(change(from));
    files[to] = files[from];
    files.erase(from);
    return base::ok();
  }
  base::Result<void> truncate(const std::string& path, std::uint64_t size) override {
    TC_TRY(change(path));
    files[path].bytes.resize(size);
    files[path].synced = size;
    return base::ok();
  }
  base::Result<void> sync_folder(const std::string& folder) override { return change(folder); }
  bool exists(const std::string& path) const override { return files.contains(path); }
  bool is_folder(const std::string& path) const override { return folders.contains(path); }
  base::Result<std::uint64_t> size(const std::string& path) const override {
    const auto at = files.find(path);
    if (at == files.end()) return missing(path);
    return std::uint64_t{at->second.bytes.size()};
  }
  base::Result<mode_t> mode(const std::string&) const override { return mode_t{0600}; }
  base::Result<std::int64_t> modified_ns(const std::string&) const override {
    return std::int64_t{0};
  }
  base::Result<std::string> read_link(const std::string& path) const override {
    return missing(path);
  }
  base::Result<base::DiskSpace> space(const std::string&) const override {
    return base::DiskSpace{};
  }

 private:
  static base::Error missing(const std::string& path) {
    return base::error(base::ErrorCode::NotFound, "'" + path + "' does not exist");
  }
  bool fails_now() {
    ++operations;
    if (fail_in < 0) return false;
    if (fail_in > 0) {
      --fail_in;
      return false;
    }
    if (fail_count <= 0) return false;
    --fail_count;
    return true;
  }
  base::Result<void> change(const std::string& path) {
    if (fails_now()) return base::error(base::ErrorCode::Io, "no space left for '" + path + "'");
    return base::ok();
  }

  class Appending final : public base::AppendFile {
   public:
    Appending(MemoryFiles& owner, std::string path) : owner_(owner), path_(std::move(path)) {}
    base::Result<void> append(std::string_view bytes) override {
      std::string& content = owner_.files[path_].bytes;
      if (owner_.fails_now()) {
        content.append(bytes.substr(0, bytes.size() / 2));
        return base::error(base::ErrorCode::Io, "no space left for '" + path_ + "'");
      }
      content.append(bytes);
      return base::ok();
    }
    base::Result<void> sync() override {
      TC_TRY(owner_.change(path_));
      owner_.files[path_].synced = owner_.files[path_].bytes.size();
      return base::ok();
    }
    std::uint64_t size() const override { return owner_.files[path_].bytes.size(); }

   private:
    MemoryFiles& owner_;
    std::string path_;
  };

  class Reading final : public base::ReadFile {
   public:
    explicit Reading(std::string bytes) : bytes_(std::move(bytes)) {}
    base::Result<std::string> read_at(std::uint64_t offset, std::size_t length) const override {
      return offset >= bytes_.size() ? std::string() : bytes_.substr(offset, length);
    }
    std::uint64_t size() const override { return bytes_.size(); }

   private:
    std::string bytes_;
  };
};

}  // namespace tocsin::spool
