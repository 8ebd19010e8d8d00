#include "agent/collectors/processes/process_collector.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/processes/process_groups.h"
#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kCommandLineBytes = 4096;
constexpr std::size_t kFileBytesMax = 64 << 10;
// A process that is in no group is read again every so many rounds.
constexpr std::uint64_t kLookAgainRounds = 4;
constexpr std::uint64_t kLimitRounds = 16;  // limits seldom change
constexpr base::Duration kBudget{150};      // of a round, for what is no member
constexpr std::size_t kClockEvery = 64;
constexpr const char* kFilesWhy =
    "the kernel shows descriptors and input and output of other users' processes only with "
    "CAP_SYS_PTRACE: AmbientCapabilities=CAP_SYS_PTRACE and CapabilityBoundingSet=CAP_SYS_PTRACE "
    "in the unit of the agent, or leave them out";

/// A process that belongs to no group.
struct Stranger {
  std::uint64_t start_ticks = 0;
  std::uint64_t sweep = 0;
  std::uint64_t round = 0;
  std::uint64_t looks = 0;
};

/// Names of users by number, of /etc/passwd.
std::map<std::string, std::string> read_users(const std::string& path) {
  std::map<std::string, std::string> names;
  FileReader reader(4 << 20);
  const auto text = reader.read(path);
  if (!text) return names;
  base::for_each_line(*text, [&](std::string_view line) {
    const auto fields = base::split(line, ':');
    if (fields.size() > 3) names.emplace(fields[2], fields[0]);
  });
  return names;
}

/// Counts the descriptors of a process; nullopt if the kernel does not let us. Since Linux 6.2 the
/// folder's size says it.
std::optional<std::uint64_t> count_descriptors(int proc, bool kernels, const char* path) {
  struct stat status {};
  if (kernels && ::fstatat(proc, path, &status, 0) == 0 && status.st_size > 0) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  const int fd = ::openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) {
    ::close(fd);
    return std::nullopt;
  }
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(stream);
  return count;
}

class ProcessCollector final : public Collector {
 public:
  ProcessCollector(const ProcessSettings& settings, const HostPaths& paths, ProcessNamer namer,
                   ProcessWorld world)
      : settings_(settings),
        paths_(paths),
        namer_(std::move(namer)),
        world_(world),
        groups_(settings.groups_max),
        reader_(kFileBytesMax),
        page_bytes_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {
    for (const ProcessGroupSettings& group : settings_.groups) {
      if (is_plain_group_name(group.name)) groups_.expect(group.name, group.min);
    }
  }

  std::string_view name() const override { return "process_groups"; }

  base::Result<void> collect(MetricSink& sink) override {
    ++round_;
    proc_ = std::make_unique<Folder>(paths_.proc);
    kernels_ = is_procfs(proc_->fd());
    if (round_ % kLimitRounds == 1) users_ = read_users(paths_.under_root("/etc/passwd"));
    const auto stat = reader_.attribute(*proc_, "stat");
    if (const auto boot = parse_boot_time(stat.value_or(""))) boot_seconds_ = *boot;
    refresh_members();
    sweep();
    proc_.reset();
    if (boot_seconds_ == 0 || processes_ == 0) {
      return base::error(base::ErrorCode::Io,
                         fmt::format("no processes, or no time of boot, in '{}'", paths_.proc));
    }
    // Before the first sweep is over nobody knows whether a group is empty.
    if (sweeps_done_ > 0) tell(sink);
    return base::ok();
  }

 private:
  void tell(MetricSink& sink) {
    const ProcessGroups::Hidden hidden = groups_.write(sink, boot_seconds_);
    tell_hidden(sink, "descriptors", hidden.files);
    tell_hidden(sink, "io", hidden.io);
  }

  void tell_hidden(MetricSink& sink, const std::string& check, const std::string& group) {
    const std::string subject = "process groups, " + check;
    if (group.empty()) {
      world_.failures.clear(subject);
      return;
    }
    const base::Error error =
        base::error(base::ErrorCode::PermissionDenied,
                    fmt::format("not known for processes of group '{}' and maybe others: {}",
                                base::escape_control(group), kFilesWhy));
    world_.failures.report(subject, error.message);
    add_check_failed(sink, "processes", check, error);
  }

  void refresh_members() {
    if (members_pending_.empty()) {
      for (const auto& [pid, member] : groups_.members()) members_pending_.push_back(pid);
    }
    for (std::size_t reads = 0; !members_pending_.empty(); ++reads) {
      if (reads == settings_.members_per_round) return;  // the others next round
      const int pid = members_pending_.back();
      members_pending_.pop_back();
      if (groups_.members().contains(pid)) look_at(pid, false);
    }
  }

  void sweep() {
    if (pending_.empty()) {
      // Listing very many costs something by itself.
      if (++rounds_since_sweep_ <= processes_ / settings_.reads_per_round) return;
      rounds_since_sweep_ = 0;
      begin_sweep();
    }
    const base::MonotonicTime until = world_.clock.monotonic() + kBudget;
    std::size_t looked = 0;
    std::size_t reads = 0;
    while (!pending_.empty() && reads < settings_.reads_per_round) {
      if (++looked % kClockEvery == 0 && world_.clock.monotonic() >= until) break;
      const int pid = pending_.back();
      pending_.pop_back();
      if (groups_.members().contains(pid)) continue;  // read already
      const auto known = strangers_.find(pid);
      if (known != strangers_.end()) {
        known->second.sweep = sweep_;
        // One that is new may not have become the program yet that it is going to be.
        const std::uint64_t wait = known->second.looks < 2 ? 1 : kLookAgainRounds;
        if (round_ - known->second.round < wait) continue;
      }
      ++reads;
      look_at(pid, known == strangers_.end());
    }
    if (!pending_.empty()) return;
    ++sweeps_done_;
    std::erase_if(strangers_, [this](const auto& entry) { return entry.second.sweep != sweep_; });
  }

  void begin_sweep() {
    ++sweep_;
    for (const std::string& name : names_in(paths_.proc)) {
      const auto pid = base::parse_u64(name);
      if (pid && *pid <= std::numeric_limits<int>::max())
        pending_.push_back(static_cast<int>(*pid));
    }
    processes_ = pending_.size();
    // Parents have smaller numbers mostly, and the last is looked at first.
    std::sort(pending_.begin(), pending_.end(), std::greater<>());
  }

  std::string path(int pid, const char* file) const { return fmt::format("{}/{}", pid, file); }

  void look_at(int pid, bool is_new) {
    const auto text = reader_.attribute(*proc_, path(pid, "stat").c_str());
    const auto stat = text ? parse_proc_stat(*text) : std::nullopt;
    if (!stat) {  // it has ended
      groups_.remove(pid);
      return;
    }
    ProcessMember now;
    now.start_ticks = stat->start_ticks;
    now.state = stat->state;
    now.threads = stat->threads;
    now.virtual_bytes = stat->virtual_bytes;
    now.resident_bytes = stat->resident_pages * page_bytes_;
    now.counters.user_ticks = stat->user_ticks;
    now.counters.system_ticks = stat->system_ticks;
    now.counters.minor_faults = stat->minor_faults;
    now.counters.major_faults = stat->major_faults;
    now.comm = stat->comm;
    const int parent = stat->parent;

    const auto known = groups_.members().find(pid);
    const bool same =
        known != groups_.members().end() && known->second.start_ticks == now.start_ticks;
    if (same && known->second.comm == now.comm) {
      now.group = known->second.group;
    } else if (auto group = group_of(pid, now.comm, parent)) {
      now.group = std::move(*group);
    } else {
      leave(pid, now.start_ticks);
      return;
    }
    // A process that was there and in no group, and is another program now, brings no past along.
    const auto stranger = strangers_.find(pid);
    const bool past = is_new || same || stranger == strangers_.end() ||
                      stranger->second.start_ticks != now.start_ticks;
    if (stranger != strangers_.end()) strangers_.erase(stranger);
    read_details(pid, same ? &known->second : nullptr, now);
    const bool renamed = same && known->second.group != now.group;
    groups_.update(pid, std::move(now), past && !renamed ? History::Counts : History::DoesNotCount);
  }

  void leave(int pid, std::uint64_t start_ticks) {
    groups_.remove(pid);
    Stranger& stranger = strangers_[pid];
    const bool same = stranger.start_ticks == start_ticks;
    stranger = {start_ticks, sweep_, round_, same ? stranger.looks + 1 : 1};
  }

  void read_details(int pid, const ProcessMember* before, ProcessMember& now) {
    if (const auto text = reader_.attribute(*proc_, path(pid, "status").c_str())) {
      const ProcStatus status = parse_proc_status(*text);
      now.swapped_bytes = status.swapped_bytes;
      now.counters.voluntary_switches = status.voluntary_switches;
      now.counters.involuntary_switches = status.involuntary_switches;
    }
    const auto io_text = reader_.attribute(*proc_, path(pid, "io").c_str());
    if (const auto io = io_text ? parse_proc_io(*io_text) : std::nullopt) {
      now.counters.read_bytes = io->read_bytes;
      now.counters.write_bytes = io->write_bytes;
      now.io_known = true;
    }
    if (const auto count = count_descriptors(proc_->fd(), kernels_, path(pid, "fd").c_str())) {
      now.open_files = *count;
      now.files_known = true;
    }
    if (before != nullptr && (round_ + static_cast<std::uint64_t>(pid)) % kLimitRounds != 0) {
      now.open_files_limit = before->open_files_limit;
    } else if (const auto text = reader_.attribute(*proc_, path(pid, "limits").c_str())) {
      now.open_files_limit = parse_open_files_limit(*text).value_or(0);
    }
  }

  std::optional<std::string> group_of(int pid, const std::string& comm, int parent) {
    ProcessFacts facts;
    facts.comm = comm;
    facts.cmdline = [&] {
      // Not trimmed: arguments may end in spaces, and are ended by NUL bytes.
      const auto text = reader_.attribute(*proc_, path(pid, "cmdline").c_str());
      return std::string(text.value_or("").substr(0, kCommandLineBytes));
    };
    facts.unit = [&] {
      const auto text = reader_.attribute(*proc_, path(pid, "cgroup").c_str());
      return std::string(unit_of_cgroup(text.value_or("")));
    };
    facts.user_number = [&] { return owner_of(pid); };
    facts.user = [&] {
      const std::string number = owner_of(pid);
      const auto found = users_.find(number);
      return found == users_.end() ? number : found->second;
    };
    auto group = namer_.group_of(facts);
    if (group || !settings_.children) return group;
    const auto at = groups_.members().find(parent);
    if (at == groups_.members().end()) return std::nullopt;
    return at->second.group;
  }

  std::string owner_of(int pid) const {
    struct stat status {};
    if (::fstatat(proc_->fd(), std::to_string(pid).c_str(), &status, 0) != 0) return {};
    return std::to_string(status.st_uid);
  }

  ProcessSettings settings_;
  HostPaths paths_;
  ProcessNamer namer_;
  ProcessWorld world_;
  ProcessGroups groups_;
  FileReader reader_;
  std::uint64_t page_bytes_;
  std::unique_ptr<Folder> proc_;  // open during collect() only
  bool kernels_ = false;
  std::map<std::string, std::string> users_;
  std::unordered_map<int, Stranger> strangers_;
  std::vector<int> pending_;          // of the sweep, the next last
  std::vector<int> members_pending_;  // of those to be read again
  std::size_t rounds_since_sweep_ = 0;
  std::uint64_t sweep_ = 0;
  std::uint64_t sweeps_done_ = 0;
  std::uint64_t round_ = 0;
  std::size_t processes_ = 0;
  std::uint64_t boot_seconds_ = 0;
};

}  // namespace

std::unique_ptr<Collector> make_process_collector(const ProcessSettings& settings,
                                                  const HostPaths& paths, ProcessWorld world) {
  auto namer = ProcessNamer::make(settings.groups);
  TC_CHECK(namer, "the groups were checked when the configuration was read");
  return std::make_unique<ProcessCollector>(settings, paths, std::move(*namer), world);
}

}  // namespace tocsin::agent
