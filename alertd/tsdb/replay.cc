#include "alertd/tsdb/replay.h"

#include <fmt/core.h>

#include <unordered_map>

#include "alertd/tsdb/frame_reader.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Refs below this are looked up in a plain vector (64 MiB at most), others in a map.
constexpr std::uint64_t kDenseRefs = 1 << 24;
/// Samples that wait for labels, at most (64 MiB): some hundred KiB of log come between a first
/// copy of labels and the last.
constexpr std::size_t kWaitingMax = 4 << 20;

/// Puts records into the table.
class Loader final : public RecordVisitor {
 public:
  Loader(SeriesTable& table, const AppendRules& rules, ReplayReport& report)
      : table_(table), rules_(rules), report_(report) {}

  void on_series(SeriesRef ref, model::Labels labels) override {
    if (slot_of(ref) != kNoSlot) return;  // again: a ref never names two series
    table_.saw_ref(ref);
    const Slot known = table_.find(labels.packed());
    // The same labels under a new ref: the series was dropped by retention and came back.
    // Not `logged`: its record may be in the part of a file that a failed sync left in memory only.
    set_slot(ref, known != kNoSlot ? known : table_.adopt(Series(ref, std::move(labels))));
    take_waiting(ref);
  }

  void on_sample(SeriesRef ref, const model::Sample& sample) override {
    const Slot slot = ref == last_ref_ ? last_slot_ : slot_of(ref);
    if (slot == kNoSlot) {
      wait(ref, sample);
      return;
    }
    last_ref_ = ref;
    last_slot_ = slot;
    const Placed placed = table_.at(slot).append(sample, rules_);
    if (placed == Placed::Appended || placed == Placed::Late) ++report_.samples;
  }

  void on_state(Series series) override {
    const SeriesRef ref = series.ref();
    table_.saw_ref(ref);
    const Slot known = table_.find(series.labels().packed());
    for (const ChunkPtr& chunk : series.sealed()) report_.samples += chunk->view().count;
    report_.samples += series.open().count();
    series.logged = true;
    set_slot(ref, known != kNoSlot ? known : table_.adopt(std::move(series)));
    take_waiting(ref);
  }
  /// No more labels come: whose samples still wait is not known.
  void give_up_waiting() {
    report_.samples_unknown_series += waiting_samples_;
    waiting_.clear();
    waiting_samples_ = 0;
  }

  void on_disk(SeriesRef ref) {
    const Slot slot = slot_of(ref);
    if (slot != kNoSlot) table_.at(slot).on_disk = true;
  }

  void on_begin(std::uint64_t next_segment) override { next_segment_ = next_segment; }
  void on_end(std::uint64_t) override { ended_ = true; }
  bool ended() const { return ended_; }
  /// That of the checkpoint; 0 if it is of an earlier version.
  std::uint64_t next_segment() const { return next_segment_; }

 private:
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

  // The first copy of the labels was damaged; another one follows. All of the series' samples wait
  // for it, so they stay in order.
  void wait(SeriesRef ref, const model::Sample& sample) {
    if (waiting_samples_ >= kWaitingMax) {
      ++report_.samples_unknown_series;
      return;
    }
    ++waiting_samples_;
    table_.saw_ref(ref);  // a new series must not get it, and these samples with it
    waiting_[ref.value].push_back(sample);
  }
  void take_waiting(SeriesRef ref) {
    if (waiting_.empty()) return;
    const auto node = waiting_.extract(ref.value);
    if (node.empty()) return;
    waiting_samples_ -= node.mapped().size();
    for (const model::Sample& sample : node.mapped()) on_sample(ref, sample);
  }

  SeriesTable& table_;
  AppendRules rules_;
  ReplayReport& report_;
  std::unordered_map<std::uint64_t, std::vector<model::Sample>> waiting_;
  std::size_t waiting_samples_ = 0;
  std::vector<Slot> dense_;
  std::unordered_map<std::uint64_t, Slot> sparse_;
  SeriesRef last_ref_{0};
  Slot last_slot_ = kNoSlot;
  std::uint64_t next_segment_ = 0;
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
  std::vector<std::uint64_t> logs;
  std::vector<std::uint64_t> checkpoints;
};

base::Result<Found> find_files(base::FileSystem& files, const std::string& folder) {
  TC_TRY(const auto names, files.list(folder));
  Found found;
  for (const std::string& name : names) {
    if (const auto number = log_number(name)) found.logs.push_back(*number);
    if (const auto number = checkpoint_number(name)) found.checkpoints.push_back(*number);
    if (name.ends_with(kTemporarySuffix)) {
      // An unfinished checkpoint or segment: what it was made of is still there.
      if (const auto removed = files.remove(base::join_path(folder, name)); !removed) {
        base::log_warning(kComponent, "{}", removed.error().message);
      }
    }
  }
  std::sort(found.logs.begin(), found.logs.end());
  std::sort(found.checkpoints.begin(), found.checkpoints.end());
  return found;
}

/// Tells the series which segments have something of them. `next_segment` is that of a whole
/// checkpoint, which knows about the segments before; 0: nobody knows about any.
void mark_on_disk(const SegmentSet& segments, std::uint64_t next_segment, Loader& loader) {
  for (const SegmentPtr& segment : segments.all()) {
    if (segment->info().number < next_segment) continue;
    const std::uint64_t count = segment->records();
    for (std::uint64_t at = 0; at < count; ++at) loader.on_disk(SeriesRef{segment->entry(at).ref});
  }
}

/// What a crash between a segment and the next checkpoint left to do.
void settle_with(const SegmentSet& segments, SeriesTable& table) {
  for (Slot slot = 0; slot < table.slot_end(); ++slot) {
    if (table.get(slot) == nullptr || !table.at(slot).on_disk) continue;
    Series& series = table.at(slot);
    if (!series.sealed().empty()) series.drop_doubled(segments);
    if (series.last_ms() == std::numeric_limits<std::int64_t>::min()) {
      if (const auto newest = segments.newest(series.ref())) series.restore_newest(*newest);
    }
    series.bound_disk();
  }
}

class Replay {
 public:
  Replay(const ReplaySource& source, SeriesTable& table)
      : files_(source.files),
        folder_(source.folder),
        segments_(source.segments),
        table_(table),
        loader_(table, source.rules, report_) {}

  base::Result<ReplayReport> run() {
    TC_TRY(const Found found, find_files(files_, folder_));
    std::uint64_t first = 0;
    if (!found.checkpoints.empty()) {
      TC_TRY(const bool whole, load_checkpoint(found.checkpoints.back()));
      // Only a whole checkpoint replaces the log files before it.
      if (whole) first = found.checkpoints.back();
      report_.next_number = found.checkpoints.back();
    }
    if (first == 0) {
      for (const SegmentPtr& segment : segments_.all()) {
        segment->visit_series([&](SeriesRef ref, model::Labels labels) {
          loader_.on_series(ref, std::move(labels));
        });
      }
    }
    for (const std::uint64_t number : found.logs) {
      report_.next_number = std::max(report_.next_number, number + 1);
      if (number < first) {
        discard(log_name(number));
        continue;
      }
      TC_TRY(load_log(number, number == found.logs.back()));
    }
    loader_.give_up_waiting();
    for (const std::uint64_t number : found.checkpoints) {
      if (number < first) discard(checkpoint_name(number));
    }
    report_.next_segment = loader_.next_segment();
    mark_on_disk(segments_, first == 0 ? 0 : report_.next_segment, loader_);
    if (!segments_.all().empty()) settle_with(segments_, table_);
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

  base::Result<void> load_log(std::uint64_t number, bool last) {
    const std::string name = log_name(number);
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
    report_.logs[number] = state.size;
    return base::ok();
  }

  base::FileSystem& files_;
  const std::string& folder_;
  const SegmentSet& segments_;
  SeriesTable& table_;
  ReplayReport report_;
  Loader loader_;
};

}  // namespace

base::Result<ReplayReport> replay(const ReplaySource& source, SeriesTable& table) {
  return Replay(source, table).run();
}

}  // namespace tocsin::tsdb
