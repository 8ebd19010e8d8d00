// A disk in memory that loses, tears and refuses: what a store must survive.
//
// Strict where real file systems are strict only on a bad day: bytes are durable after sync() of
// their file, names (creation, rename, removal) after sync_folder(). What a failed sync() left
// unwritten is never written, though the next sync() succeeds and reading shows it until the crash.
// crash() leaves what power loss leaves.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/random.h"

namespace tocsin::sim {

/// What of the unsynced bytes of a file a crash leaves.
enum class Unsynced {
  Lost,      ///< Nothing.
  Torn,      ///< A prefix of random length, whose last bytes may be garbage.
  Shuffled,  ///< Any of its sectors of 512 bytes, in a file of random length; zeros for the others.
  Kept,      ///< Everything, as after kill -9; it is still unsynced.
};

/// What of the unsynced creations, renames and removals a crash leaves.
enum class UnsyncedNames {
  Lost,  ///< Nothing.
  Some,  ///< The first ones, as many as chance will have it: a journal has an order.
  Kept,  ///< Everything.
};

/// How an operation fails.
enum class Fault {
  Io,       ///< EIO
  NoSpace,  ///< ENOSPC
};

/// Thread: one.
class SimFileSystem final : public base::FileSystem {
 public:
  explicit SimFileSystem(std::uint64_t seed = 1) : random_(base::make_seeded_random(seed)) {}

  // --- Faults
  // ---------------------------------------------------------------------------------------

  /// Operations that change something, so far.
  std::uint64_t operations() const { return changes_.count; }
  /// The `n`th further such operation fails (1: the next); an append then writes a part, and what
  /// a sync did not write is lost with the next crash. With `for_ever`, all later ones fail too.
  void fail_at(std::uint64_t n, bool for_ever, Fault fault = Fault::Io);
  /// Likewise for reading: opening, reading, listing.
  void fail_reads_at(std::uint64_t n, bool for_ever);
  std::uint64_t reads() const { return reads_.count; }
  /// Whether fail_at() or fail_reads_at() was called since the last heal().
  bool faulty() const { return changes_.from != 0 || reads_.from != 0; }
  /// Operations work again.
  void heal() { changes_.from = reads_.from = 0; }
  /// Room in bytes for all files; appends beyond it write a part and fail.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  /// Power loss: open files are dead, unsynced bytes and names go as said. Faults are healed.
  void crash(Unsynced unsynced, UnsyncedNames names);
  void crash(Unsynced unsynced, bool names_kept) {
    crash(unsynced, names_kept ? UnsyncedNames::Kept : UnsyncedNames::Lost);
  }

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
  friend class SimReadFile;
  struct File {
    std::string bytes;           // what reading shows
    std::string durable;         // what is on the disk
    std::size_t dirty_from = 0;  // the next sync writes from here on
    mode_t mode = 0600;
    std::int64_t modified_ns = 0;

    void write_back();
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  /// A change of names that is not on the disk: `from` goes, then `to` is `file`; either may be "".
  struct NameChange {
    std::string from;
    std::string to;
    std::shared_ptr<File> file;
  };

  struct FaultPlan {
    std::uint64_t count = 0;
    std::uint64_t from = 0;  // number of the first failing operation; 0: none
    std::uint64_t to = 0;
    bool next();  // counts one operation; whether it fails
  };

  bool fails() { return changes_.next(); }
  base::Error fault(std::string_view what, const std::string& path) const;
  base::Result<void> read_allowed(const std::string& path) const;
  base::Result<void> append(File& file, const std::string& path, std::string_view bytes);
  base::Result<void> sync(File& file, const std::string& path);
  void change_name(NameChange change);
  void write_names(const std::string& folder);
  static void apply(const NameChange& change, Names& names);
  std::string after_power_loss(const File& file, Unsynced unsynced);
  std::string some_sectors(const File& file);

  std::unique_ptr<base::Random> random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::map<std::string, bool> folders_;
  FaultPlan changes_;
  mutable FaultPlan reads_;
  Fault kind_ = Fault::Io;
  std::uint64_t generation_ = 0;  // files opened before the last crash are dead
  std::uint64_t capacity_ = std::numeric_limits<std::uint64_t>::max();
  std::int64_t ticks_ = 0;
};

}  // namespace tocsin::sim
