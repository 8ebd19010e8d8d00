// A disk in memory that loses, tears and refuses: what a store must survive.
//
// Strict where real file systems are strict only on a bad day: bytes are durable after sync() of
// their file, names (creation, rename, removal) after sync_folder(). crash() leaves what power loss
// leaves.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "common/base/file_system.h"
#include "common/base/random.h"

namespace tocsin::sim {

/// What of the unsynced bytes of a file a crash leaves.
enum class Unsynced {
  Lost,  ///< Nothing.
  Torn,  ///< A prefix of random length, whose last bytes may be garbage.
  Kept,  ///< Everything, as after kill -9.
};

/// Thread: one.
class SimFileSystem final : public base::FileSystem {
 public:
  explicit SimFileSystem(std::uint64_t seed = 1) : random_(base::make_seeded_random(seed)) {}

  // --- Faults
  // ---------------------------------------------------------------------------------------

  /// Operations that change something, so far.
  std::uint64_t operations() const { return operations_; }
  /// The `n`th further such operation fails with Io (1: the next); an append then writes a part.
  /// With `for_ever`, all later ones fail too.
  void fail_at(std::uint64_t n, bool for_ever);
  /// Operations work again.
  void heal() { fail_from_ = fail_to_ = 0; }
  /// Room in bytes for all files; appends beyond it write a part and fail.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  /// Power loss: open files are dead, unsynced bytes go as `unsynced` says; unsynced names go too
  /// unless `names_kept`. Faults are healed.
  void crash(Unsynced unsynced, bool names_kept);

  // --- Access for tests
  // -----------------------------------------------------------------------------

  /// Returns the bytes of a file, or "" if there is none.
  std::string content(const std::string& path) const;
  /// Replaces the bytes of a file behind everybody's back, durably.
  void set_content(const std::string& path, std::string content);
  std::uint64_t used_bytes() const;

  // --- FileSystem
  // -----------------------------------------------------------------------------------

  base::Result<std::string> read(const std::string& path, std::size_t bytes_max) const override;
  base::Result<void> write_atomic(const std::string& path, std::string_view content,
                                  mode_t mode) override;
  base::Result<std::unique_ptr<base::AppendFile>> open_append(const std::string& path,
                                                              mode_t mode) override;
  base::Result<std::unique_ptr<base::ReadFile>> open_read(const std::string& path) const override;
  base::Result<std::vector<std::string>> list(const std::string& folder) const override;
  base::Result<void> create_folders(const std::string& folder) override;
  base::Result<void> remove(const std::string& path) override;
  base::Result<void> rename(const std::string& from, const std::string& to) override;
  base::Result<void> truncate(const std::string& path, std::uint64_t size_bytes) override;
  base::Result<void> sync_folder(const std::string& folder) override;
  bool exists(const std::string& path) const override;
  bool is_folder(const std::string& path) const override;
  base::Result<std::uint64_t> size(const std::string& path) const override;
  base::Result<mode_t> mode(const std::string& path) const override;
  base::Result<std::int64_t> modified_ns(const std::string& path) const override;
  base::Result<std::string> read_link(const std::string& path) const override;
  base::Result<base::DiskSpace> space(const std::string& path) const override;

 private:
  friend class SimAppendFile;
  struct File {
    std::string bytes;
    std::string durable;  // what a crash is sure to leave
    mode_t mode = 0600;
    std::int64_t modified_ns = 0;
    bool dead = false;  // opened before a crash
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  bool fails();  // counts one operation
  base::Error fault(std::string_view what, const std::string& path) const;
  base::Result<void> append(File& file, const std::string& path, std::string_view bytes);

  std::unique_ptr<base::Random> random_;
  Names names_;
  Names durable_names_;
  std::map<std::string, bool> folders_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_from_ = 0;  // number of the first failing operation; 0: none
  std::uint64_t fail_to_ = 0;
  std::uint64_t capacity_ = std::numeric_limits<std::uint64_t>::max();
  std::int64_t ticks_ = 0;
};

}  // namespace tocsin::sim
