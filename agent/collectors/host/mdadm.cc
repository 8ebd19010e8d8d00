#include "agent/collectors/host/mdadm.h"

#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kState{"node_md_state", "1 for the state the array is in, 0 for the others.",
                            MetricType::Gauge};
constexpr MetricInfo kDisks{"node_md_disks", "Disks of the array by state.", MetricType::Gauge};
constexpr MetricInfo kRequired{"node_md_disks_required", "Disks the array needs to be whole.",
                               MetricType::Gauge};
constexpr MetricInfo kBlocks{"node_md_blocks", "Blocks of the array.", MetricType::Gauge};
constexpr MetricInfo kSynced{"node_md_blocks_synced", "Blocks that are in step on all disks.",
                             MetricType::Gauge};
constexpr std::array<std::string_view, 5> kStates{"active", "inactive", "recovering", "resync",
                                                  "check"};

class MdadmCollector final : public Collector {
 public:
  explicit MdadmCollector(const HostPaths& paths) : path_(paths.proc + "/mdstat") {}

  std::string_view name() const override { return "mdadm"; }
  bool present() const override { return path_exists(path_); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const std::vector<RaidArray> arrays, parse_mdstat(text));
    for (const RaidArray& array : arrays) {
      for (const std::string_view state : kStates) {
        sink.add(kState, {{"device", array.device}, {"state", state}},
                 array.state == state ? 1 : 0);
      }
      const auto disks = [&](std::string_view state, std::uint64_t count) {
        sink.add(kDisks, {{"device", array.device}, {"state", state}}, static_cast<double>(count));
      };
      disks("active", array.disks_active);
      disks("failed", array.disks_failed);
      disks("spare", array.disks_spare);
      sink.add(kRequired, {{"device", array.device}}, static_cast<double>(array.disks_required));
      sink.add(kBlocks, {{"device", array.device}}, static_cast<double>(array.blocks));
      sink.add(kSynced, {{"device", array.device}}, static_cast<double>(array.blocks_synced));
    }
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

std::uint64_t count(std::string_view text, std::string_view part) {
  std::uint64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++found;
  }
  return found;
}

// "md0 : active (auto-read-only) raid1 sdb1[1](S) sda1[0]"
bool read_head(std::string_view line, RaidArray& array, bool& redundant) {
  Fields fields(line);
  array.device = fields.next();
  if (fields.next() != ":") return false;
  array.state = fields.next();
  array.disks_failed = count(line, "(F)");
  array.disks_spare = count(line, "(S)");
  redundant = true;
  while (!fields.at_end()) {
    const std::string_view field = fields.next();
    if (field == "raid0" || field == "linear") redundant = false;
    if (field.find('[') != std::string_view::npos) ++array.disks_required;
  }
  if (array.state == "inactive") {
    redundant = false;
    array.disks_required = 0;  // not known before the array runs
  }
  if (!redundant && array.state == "active") array.disks_active = array.disks_required;
  return !array.state.empty();
}

// "1046528 blocks super 1.2 [2/1] [U_]"
bool read_blocks(std::string_view line, RaidArray& array, bool redundant) {
  Fields fields(line);
  const auto blocks = fields.next_number();
  if (!blocks) return false;
  array.blocks = array.blocks_synced = *blocks;
  if (!redundant) return true;
  while (!fields.at_end()) {
    const std::string_view field = fields.next();
    const std::size_t slash = field.find('/');
    if (!field.starts_with('[') || slash == std::string_view::npos) continue;
    const auto required = base::parse_u64(field.substr(1, slash - 1));
    const auto active = base::parse_u64(field.substr(slash + 1, field.find(']') - slash - 1));
    if (!required || !active) continue;
    array.disks_required = *required;
    array.disks_active = *active;
    return true;
  }
  return false;
}

// "[==>......]  recovery = 12.6% (37043392/292945152) finish=..." or "resync=DELAYED"
void read_progress(std::string_view line, RaidArray& array) {
  struct Word {
    std::string_view in_file;
    std::string_view state;
  };
  static constexpr std::array<Word, 4> kWords{{{"recovery", "recovering"},
                                               {"resync", "resync"},
                                               {"check", "check"},
                                               {"reshape", "reshape"}}};
  for (const Word& word : kWords) {
    if (line.find(word.in_file) == std::string_view::npos) continue;
    array.state = word.state;
    array.blocks_synced = 0;
    const std::size_t open = line.find('(');
    const std::size_t slash = line.find('/', open == std::string_view::npos ? line.size() : open);
    if (slash == std::string_view::npos) return;  // DELAYED or PENDING
    array.blocks_synced = base::parse_u64(line.substr(open + 1, slash - open - 1)).value_or(0);
    return;
  }
}

}  // namespace

base::Result<std::vector<RaidArray>> parse_mdstat(std::string_view text) {
  std::vector<RaidArray> arrays;
  std::string_view bad;
  bool redundant = false;
  bool blocks_follow = false;  // the next line belongs to the head before it
  base::for_each_line(text, [&](std::string_view line) {
    if (!bad.empty()) return;
    const bool indented = line.starts_with(' ') || line.starts_with('\t');
    if (!indented && blocks_follow) bad = arrays.back().device;
    if (base::trim(line).empty() || line.starts_with("Personalities") ||
        line.starts_with("unused")) {
      return;
    }
    if (!indented) {
      RaidArray array;
      if (!read_head(line, array, redundant)) bad = line;
      arrays.push_back(array);
      blocks_follow = true;
    } else if (blocks_follow) {
      if (!read_blocks(line, arrays.back(), redundant)) bad = line;
      blocks_follow = false;
    } else if (!arrays.empty()) {
      read_progress(line, arrays.back());
    }
  });
  if (bad.empty() && blocks_follow) bad = arrays.back().device;
  if (!bad.empty()) return malformed("/proc/mdstat", bad);
  return arrays;
}

std::unique_ptr<Collector> make_mdadm_collector(const HostPaths& paths) {
  return std::make_unique<MdadmCollector>(paths);
}

}  // namespace tocsin::agent
