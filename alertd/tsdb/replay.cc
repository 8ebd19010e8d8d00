#include "alertd/tsdb/replay.h"

#include <fmt/core.h>

#include <unordered_map>

#include "alertd/tsdb/frame_reader.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kComponent = "alertd/tsdb";
/// Refs below this are looked up in a plain vector (64 MiB at most), others in a map.
constexpr std::uint64_t kDenseRefs = 1 << 24;

/// Puts records into the table.
class Loader final : public RecordVisitor {
 public:
  Loader(SeriesTable& table, std::int64_t window_ms, ReplayReport& report)
      : table_(table), window_ms_(window_ms), report_(report) {}

  void on_series(SeriesRef ref, model::Labels labels) override {
    table_.saw_ref(ref);
    const Slot known = table_.find(labels.packed());
    // The same labels under a new ref: the series was dropped by retention and came back.
    set_slot(ref, known != kNoSlot ? known : adopt(Series(ref, std::move(labels))));
  }

  void on_sample(SeriesRef ref, const model::Sample& sample) override {
    const Slot slot = ref == last_ref_ ? last_slot_ : slot_of(ref);
    if (slot == kNoSlot) {
      ++report_.samples_unknown_series;
      return;
    }
    last_ref_ = ref;
    last_slot_ = slot;
    const Placed placed = table_.at(slot).append(sample, window_ms_);
    if (placed == Placed::Appended || placed == Placed::Late) ++report_.samples;
  }

  void on_state(Series series) override {
    const SeriesRef ref = series.ref();
    table_.saw_ref(ref);
    const Slot known = table_.find(series.labels().packed());
    for (const ChunkPtr& chunk : series.sealed()) report_.samples += chunk->view().count;
    set_slot(ref, known != kNoSlot ? known : adopt(std::move(series)));
  }

  void on_end(std::uint64_t) override { ended_ = true; }
  bool ended() const { return ended_; }

 private:
  // A series keeps the ref it has in the log, so it need not be logged again.
  Slot adopt(Series series) {
    series.logged = true;
    return table_.adopt(std::move(series));
  }
  Slot slot_of(SeriesRef ref) const {
    if (ref.value < dense_.size()) return dense_[ref.value];
    const auto at = sparse_.find(ref.value);
    return at == sparse_.end() ? kNoSlot : at->second;
  }
  void set_slot(SeriesRef ref, Slot slot) {
    last_ref_ = SeriesRef{0};
    last_slot_ = kNoSlot;
    if (ref.value >= kDenseRefs) {
      sparse_[ref.value] = slot;
      return;
    }
    if (ref.value >= dense_.size()) dense_.resize(ref.value + ref.value / 2 + 1024, kNoSlot);
    dense_[ref.value] = slot;
  }

  SeriesTable& table_;
  std::int64_t window_ms_;
  ReplayReport& report_;
  std::vector<Slot> dense_;
  std::unordered_map<std::uint64_t, Slot> sparse_;
  SeriesRef last_ref_{0};
  Slot last_slot_ = kNoSlot;
  bool ended_ = false;
};

/// What was wrong with one file.
struct FileState {
  std::uint64_t good_bytes = 0;
  std::uint64_t size = 0;
  bool torn = false;     // damage up to the end
  bool damaged = false;  // damage elsewhere
};

base::Result<FileState> read_file(const base::FileSystem& files, const std::string& path,
                                  Loader& loader, ReplayReport& report) {
  TC_TRY(const auto file, files.open_read(path));
  FileState state;
  state.size = file->size();
  FrameReader reader(*file);
  for (;;) {
    auto frame = reader.next();
    if (!frame) {
      base::log_error(kComponent, "{}: {}; the rest of it is passed over", path,
                      frame.error().message);
      state.damaged = true;
      report.damaged_bytes += state.size - reader.good_bytes();
      break;
    }
    if (!*frame) break;
    ++report.frames;
    if (const auto parsed = parse_payload((*frame)->type, (*frame)->payload, loader); !parsed) {
      base::log_error(kComponent, "{}: {}", path, parsed.error().message);
      state.damaged = true;
      report.damaged_bytes += (*frame)->payload.size();
    }
  }
  state.good_bytes = reader.good_bytes();
  state.damaged = state.damaged || reader.damaged_in_the_middle();
  state.torn = reader.damaged_bytes() > 0 && !reader.damaged_in_the_middle();
  if (state.damaged) report.damaged_bytes += reader.damaged_bytes();
  return state;
}

struct Found {
  std::vector<std::uint64_t> segments;
  std::vector<std::uint64_t> checkpoints;
};

base::Result<Found> find_files(base::FileSystem& files, const std::string& folder) {
  TC_TRY(files.create_folders(folder));
  TC_TRY(const auto names, files.list(folder));
  Found found;
  for (const std::string& name : names) {
    if (const auto number = segment_number(name)) found.segments.push_back(*number);
    if (const auto number = checkpoint_number(name)) found.checkpoints.push_back(*number);
    if (name.ends_with(kTemporarySuffix)) {
      // An unfinished checkpoint: the segments it was made of are still there.
      if (const auto removed = files.remove(base::join_path(folder, name)); !removed) {
        base::log_warning(kComponent, "{}", removed.error().message);
      }
    }
  }
  std::sort(found.segments.begin(), found.segments.end());
  std::sort(found.checkpoints.begin(), found.checkpoints.end());
  return found;
}

class Replay {
 public:
  Replay(base::FileSystem& files, const std::string& folder, SeriesTable& table,
         std::int64_t window_ms)
      : files_(files), folder_(folder), loader_(table, window_ms, report_) {}

  base::Result<ReplayReport> run() {
    TC_TRY(const Found found, find_files(files_, folder_));
    std::uint64_t first = 0;
    if (!found.checkpoints.empty()) {
      TC_TRY(const bool whole, load_checkpoint(found.checkpoints.back()));
      // Only a whole checkpoint replaces the segments before it.
      if (whole) first = found.checkpoints.back();
      report_.next_number = found.checkpoints.back();
    }
    for (const std::uint64_t number : found.segments) {
      report_.next_number = std::max(report_.next_number, number + 1);
      if (number < first) {
        discard(segment_name(number));
        continue;
      }
      TC_TRY(load_segment(number, number == found.segments.back()));
    }
    for (const std::uint64_t number : found.checkpoints) {
      if (number < first) discard(checkpoint_name(number));
    }
    return std::move(report_);
  }

 private:
  // Superseded by the checkpoint; left over when a crash came before the removal.
  void discard(const std::string& name) {
    if (const auto removed = files_.remove(base::join_path(folder_, name)); !removed) {
      base::log_warning(kComponent, "{}", removed.error().message);
    }
  }

  void damaged(const std::string& name) {
    base::log_error(kComponent, "{} is damaged; what could be read of it is used", name);
    report_.damaged_files.push_back(name);
  }

  base::Result<bool> load_checkpoint(std::uint64_t number) {
    const std::string name = checkpoint_name(number);
    TC_TRY(const FileState state,
           read_file(files_, base::join_path(folder_, name), loader_, report_));
    report_.checkpoint_bytes = state.size;
    if (!state.torn && !state.damaged && loader_.ended()) return true;
    if (state.torn) report_.damaged_bytes += state.size - state.good_bytes;
    damaged(name);
    return false;
  }

  base::Result<void> load_segment(std::uint64_t number, bool last) {
    const std::string name = segment_name(number);
    const std::string path = base::join_path(folder_, name);
    TC_TRY(FileState state, read_file(files_, path, loader_, report_));
    if (state.torn && last && !state.damaged) {
      TC_TRY(files_.truncate(path, state.good_bytes));
      report_.torn_bytes = state.size - state.good_bytes;
      base::log_warning(kComponent, "{}: cut {} bytes of an unfinished write off its end", name,
                        report_.torn_bytes);
      state.size = state.good_bytes;
    } else if (state.torn || state.damaged) {
      if (state.torn) report_.damaged_bytes += state.size - state.good_bytes;
      damaged(name);
    }
    report_.segments[number] = state.size;
    return base::ok();
  }

  base::FileSystem& files_;
  const std::string& folder_;
  ReplayReport report_;
  Loader loader_;
};

}  // namespace

base::Result<ReplayReport> replay(base::FileSystem& files, const std::string& folder,
                                  SeriesTable& table, std::int64_t window_ms) {
  return Replay(files, folder, table, window_ms).run();
}

}  // namespace tocsin::tsdb
