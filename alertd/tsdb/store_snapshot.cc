// A copy of the store while it runs: segments as they are, a checkpoint of now, the log since.
#include <algorithm>
#include <set>

#include "alertd/tsdb/checkpoint.h"
#include "alertd/tsdb/store_core.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kSums = "SHA256SUMS";
constexpr std::size_t kSumsBytesMax = 64 << 20;
/// Hashed between two groups of batches: a few milliseconds.
constexpr std::size_t kHashSlice = 1 << 20;

/// Makes one snapshot. Segments stay while it runs: there is one job at a time, and they go between
/// jobs.
class SnapshotJob final : public Job {
 public:
  struct Source {
    base::FileSystem& files;
    std::string folder;
    std::vector<SegmentPtr> segments;
    std::uint64_t next_segment = 0;
    const Head& head;
    Wal& wal;
    std::uint64_t log = 0;  ///< The first log file that the checkpoint may not have.
  };
  SnapshotJob(Source source, std::string folder)
      : source_(std::move(source)), folder_(std::move(folder)) {}
  ~SnapshotJob() override {
    if (finished_) return;
    checkpoint_.reset();
    for (const std::string& name : names_) {
      if (const auto removed = source_.files.remove(base::join_path(folder_, name)); !removed) {
        base::log_warning(kComponent, "{}", removed.error().message);
      }
    }
  }
  SnapshotJob(const SnapshotJob&) = delete;
  SnapshotJob& operator=(const SnapshotJob&) = delete;

  base::Result<bool> step() override {
    if (linked_ < source_.segments.size()) {
      TC_TRY(link(segment_name(source_.segments[linked_++]->info().number)));
      return false;
    }
    if (!checkpointed_) {
      TC_TRY(write_checkpoint());
      return false;
    }
    if (hashed_ < names_.size()) {
      TC_TRY(hash());
      return false;
    }
    names_.emplace_back(kSums);
    TC_TRY(source_.files.write_atomic(base::join_path(folder_, kSums), sums_, 0640));
    finished_ = true;
    return true;
  }
  const SnapshotReport& report() const { return report_; }

 private:
  base::Result<void> link(const std::string& name) {
    names_.push_back(name);
    return source_.files.link(base::join_path(source_.folder, name),
                              base::join_path(folder_, name));
  }

  base::Result<void> write_checkpoint() {
    if (checkpoint_ == nullptr) {
      TC_TRY(checkpoint_, CheckpointJob::begin(source_.files, folder_, source_.log,
                                               source_.next_segment, source_.head));
    }
    TC_TRY(const bool done, checkpoint_->step());
    if (!done) return base::ok();
    checkpointed_ = true;
    names_.push_back(checkpoint_name(source_.log));
    // What came while the checkpoint was written, so that batches are whole.
    TC_TRY(const std::uint64_t end, source_.wal.rotate());
    for (const std::uint64_t number : source_.wal.numbers()) {
      if (number >= source_.log && number < end) TC_TRY(link(log_name(number)));
    }
    return base::ok();
  }

  base::Result<void> hash() {
    const std::string path = base::join_path(folder_, names_[hashed_]);
    if (file_ == nullptr) {
      TC_TRY(file_, source_.files.open_read(path));
      at_ = 0;
    }
    TC_TRY(const std::string bytes, file_->read_at(at_, kHashSlice));
    sha_.add(bytes);
    at_ += bytes.size();
    if (at_ < file_->size() && !bytes.empty()) return base::ok();
    sums_ += sha_.finish_hex() + "  " + names_[hashed_++] + "\n";
    ++report_.files;
    report_.bytes += at_;
    file_.reset();
    return base::ok();
  }

  Source source_;
  std::string folder_;
  std::vector<std::string> names_;  // of the files made
  std::size_t linked_ = 0;
  std::unique_ptr<CheckpointJob> checkpoint_;
  bool checkpointed_ = false;
  std::size_t hashed_ = 0;
  std::unique_ptr<base::ReadFile> file_;
  std::uint64_t at_ = 0;
  base::Sha256 sha_;
  std::string sums_;
  SnapshotReport report_;
  bool finished_ = false;
};

base::Error changed(const std::string& folder, std::string_view name, std::string_view how) {
  return base::error(base::ErrorCode::Corruption,
                     fmt::format("snapshot '{}': '{}' {}", folder, name, how));
}

base::Result<void> make_empty_folder(base::FileSystem& files, const std::string& folder) {
  if (files.exists(folder)) {
    TC_TRY(const auto names, files.list(folder));
    if (!names.empty()) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("'{}' is not empty: it holds '{}'", folder, names.front()));
    }
  }
  return files.create_folders(folder);
}

}  // namespace

void Store::Core::snapshot_to(std::string folder, SnapshotDone done) {
  executor_.post([weak = weak_from_this(), folder = std::move(folder), done = std::move(done)] {
    const auto self = weak.lock();
    if (!self) {
      done(base::error(base::ErrorCode::Unavailable, "the store is shutting down"));
    } else if (self->snapshot_) {
      done(base::error(base::ErrorCode::Unavailable, "another snapshot is being made"));
    } else {
      self->snapshot_ = SnapshotRequest{folder, done};
      self->start_work();
    }
  });
}

void Store::Core::end_snapshot(base::Result<SnapshotReport> result) {
  const SnapshotDone done = std::move(snapshot_->done);
  snapshot_.reset();
  done(std::move(result));
}

void Store::Core::start_snapshot() {
  const std::string& folder = snapshot_->folder;
  if (wal_->poisoned()) {
    return end_snapshot(base::error(base::ErrorCode::Unavailable, "the disk refuses writes"));
  }
  if (auto made = make_empty_folder(files_, folder); !made) {
    return end_snapshot(std::move(made).error());
  }
  const auto number = wal_->rotate();
  if (!number) {
    disk_failed(number.error());
    return end_snapshot(number.error());
  }
  unsynced_ = false;
  auto job = std::make_unique<SnapshotJob>(
      SnapshotJob::Source{files_, options_.folder, segments_.set()->all(), segments_.next_number(),
                          head_, *wal_, *number},
      folder);
  SnapshotJob& work = *job;
  run(std::move(job), [this, &work](const base::Result<void>& done) {
    if (!done && wal_->poisoned()) disk_failed(done.error());
    end_snapshot(done ? base::Result<SnapshotReport>(work.report())
                      : base::Result<SnapshotReport>(done.error()));
  });
}

base::Result<SnapshotReport> Store::verify_snapshot(const base::FileSystem& files,
                                                    const std::string& folder) {
  const std::string path = base::join_path(folder, kSums);
  if (!files.exists(path)) {
    return base::error(base::ErrorCode::NotFound,
                       fmt::format("'{}' is no snapshot: {} is not there", folder, kSums));
  }
  TC_TRY(const std::string sums, files.read(path, kSumsBytesMax));
  TC_TRY(const auto names, files.list(folder));
  std::set<std::string> left(names.begin(), names.end());
  left.erase(std::string(kSums));
  SnapshotReport report;
  for (std::string_view rest = sums; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    constexpr std::size_t kNameAt = 64 + 2;
    if (line.size() <= kNameAt) return changed(folder, kSums, "has a line that is none");
    const std::string name(line.substr(kNameAt));
    if (left.erase(name) == 0) return changed(folder, name, "is missing");
    TC_TRY(const auto file, files.open_read(base::join_path(folder, name)));
    base::Sha256 sha;
    std::uint64_t at = 0;
    while (at < file->size()) {
      TC_TRY(const std::string bytes, file->read_at(at, kHashSlice));
      if (bytes.empty()) break;
      sha.add(bytes);
      at += bytes.size();
    }
    if (sha.finish_hex() != line.substr(0, 64)) {
      return changed(folder, name, "is not what was copied: its SHA-256 differs");
    }
    ++report.files;
    report.bytes += at;
  }
  if (!left.empty()) return changed(folder, *left.begin(), "does not belong to it");
  return report;
}

}  // namespace tocsin::tsdb
