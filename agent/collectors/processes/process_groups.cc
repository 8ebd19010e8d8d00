#include "agent/collectors/processes/process_groups.h"

#include <algorithm>

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr const char* kOther = "other";
constexpr double kTicksPerSecond = 100;  // of /proc, on every architecture we build for

constexpr MetricInfo kProcesses{"namedprocess_namegroup_num_procs", "Processes of the group."};
constexpr MetricInfo kProcessesMin{"namedprocess_namegroup_num_procs_min",
                                   "Processes that the group should have at least."};
constexpr MetricInfo kCpu{"namedprocess_namegroup_cpu_seconds_total",
                          "CPU seconds used by the group.", MetricType::Counter};
constexpr MetricInfo kRead{"namedprocess_namegroup_read_bytes_total",
                           "Bytes the group read from disks.", MetricType::Counter};
constexpr MetricInfo kWritten{"namedprocess_namegroup_write_bytes_total",
                              "Bytes the group wrote to disks.", MetricType::Counter};
constexpr MetricInfo kMajor{"namedprocess_namegroup_major_page_faults_total",
                            "Page faults that needed a disk.", MetricType::Counter};
constexpr MetricInfo kMinor{"namedprocess_namegroup_minor_page_faults_total",
                            "Page faults that needed no disk.", MetricType::Counter};
constexpr MetricInfo kSwitches{"namedprocess_namegroup_context_switches_total",
                               "Context switches of the first threads of the group's processes.",
                               MetricType::Counter};
constexpr MetricInfo kMemory{"namedprocess_namegroup_memory_bytes", "Memory of the group."};
constexpr MetricInfo kFiles{"namedprocess_namegroup_open_filedesc",
                            "Open file descriptors of the group."};
constexpr MetricInfo kFdRatio{"namedprocess_namegroup_worst_fd_ratio",
                              "Open descriptors as a share of the limit, of the worst process."};
constexpr MetricInfo kOldest{"namedprocess_namegroup_oldest_start_time_seconds",
                             "When the oldest process of the group began, in Unix time."};
constexpr MetricInfo kThreads{"namedprocess_namegroup_num_threads", "Threads of the group."};
constexpr MetricInfo kStates{"namedprocess_namegroup_states", "Processes of the group by state."};

struct StateName {
  char letter;
  std::string_view name;
};
constexpr std::array<StateName, 4> kStateNames{
    {{'R', "Running"}, {'S', "Sleeping"}, {'D', "Waiting"}, {'Z', "Zombie"}}};

/// The moment's sums of a group.
struct Sums {
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t swapped_bytes = 0;
  std::uint64_t threads = 0;
  std::uint64_t open_files = 0;
  double fd_ratio = 0;
  std::uint64_t oldest_ticks = 0;
  std::array<std::uint64_t, kStateNames.size() + 1> states{};  // the last: others
  bool any = false;
  bool files_known = false, files_hidden = false;
  bool io_known = false, io_hidden = false;

  void add(const ProcessMember& member) {
    virtual_bytes += member.virtual_bytes;
    resident_bytes += member.resident_bytes;
    swapped_bytes += member.swapped_bytes;
    threads += member.threads;
    open_files += member.open_files;
    if (member.open_files_limit > 0) {
      fd_ratio = std::max(fd_ratio, static_cast<double>(member.open_files) /
                                        static_cast<double>(member.open_files_limit));
    }
    oldest_ticks = any ? std::min(oldest_ticks, member.start_ticks) : member.start_ticks;
    any = true;
    std::size_t at = 0;
    while (at < kStateNames.size() && kStateNames[at].letter != member.state) ++at;
    ++states[at];
    (member.files_known ? files_known : files_hidden) = true;
    (member.io_known ? io_known : io_hidden) = true;
  }
};

void grow(std::uint64_t& sum, std::uint64_t before, std::uint64_t now) {
  if (now > before) sum += now - before;
}

double real(std::uint64_t value) {
  return static_cast<double>(value);
}

void write_sums(MetricSink& sink, const std::string& name, const Sums& sums,
                std::uint64_t boot_seconds) {
  const model::LabelView group{"groupname", name};
  sink.add(kMemory, {group, {"memtype", "virtual"}}, real(sums.virtual_bytes));
  sink.add(kMemory, {group, {"memtype", "resident"}}, real(sums.resident_bytes));
  sink.add(kMemory, {group, {"memtype", "swapped"}}, real(sums.swapped_bytes));
  sink.add(kThreads, {group}, real(sums.threads));
  for (std::size_t at = 0; at < sums.states.size(); ++at) {
    const std::string_view state = at < kStateNames.size() ? kStateNames[at].name : "Other";
    sink.add(kStates, {group, {"state", state}}, real(sums.states[at]));
  }
  if (sums.files_known || !sums.any) {
    sink.add(kFiles, {group}, real(sums.open_files));
    sink.add(kFdRatio, {group}, sums.fd_ratio);
  }
  if (sums.any) {
    sink.add(kOldest, {group}, real(boot_seconds) + real(sums.oldest_ticks) / kTicksPerSecond);
  }
}

void write_counters(MetricSink& sink, const std::string& name, const ProcessCounters& counters) {
  const model::LabelView group{"groupname", name};
  sink.add(kCpu, {group, {"mode", "user"}}, real(counters.user_ticks) / kTicksPerSecond);
  sink.add(kCpu, {group, {"mode", "system"}}, real(counters.system_ticks) / kTicksPerSecond);
  sink.add(kMajor, {group}, real(counters.major_faults));
  sink.add(kMinor, {group}, real(counters.minor_faults));
  sink.add(kSwitches, {group, {"ctxswitchtype", "voluntary"}}, real(counters.voluntary_switches));
  sink.add(kSwitches, {group, {"ctxswitchtype", "nonvoluntary"}},
           real(counters.involuntary_switches));
}

}  // namespace

void ProcessCounters::add_growth(const ProcessCounters& before, const ProcessCounters& now) {
  grow(user_ticks, before.user_ticks, now.user_ticks);
  grow(system_ticks, before.system_ticks, now.system_ticks);
  grow(minor_faults, before.minor_faults, now.minor_faults);
  grow(major_faults, before.major_faults, now.major_faults);
  grow(read_bytes, before.read_bytes, now.read_bytes);
  grow(write_bytes, before.write_bytes, now.write_bytes);
  grow(voluntary_switches, before.voluntary_switches, now.voluntary_switches);
  grow(involuntary_switches, before.involuntary_switches, now.involuntary_switches);
}

void ProcessGroups::expect(const std::string& group, std::uint64_t min) {
  Group& known = groups_[group];
  known.expected = true;
  known.min = std::max(known.min, min);
}

// A group that came of a name with parts goes again when it is empty and the room is needed.
const std::string& ProcessGroups::admit(const std::string& name) {
  const auto found = groups_.find(name);
  if (found != groups_.end()) return found->first;
  if (groups_.size() >= groups_max_) {
    const auto empty = std::find_if(groups_.begin(), groups_.end(), [](const auto& entry) {
      return entry.second.size == 0 && !entry.second.expected;
    });
    if (empty == groups_.end()) return groups_.try_emplace(kOther).first->first;
    groups_.erase(empty);
  }
  return groups_.try_emplace(name).first->first;
}

const std::string& ProcessGroups::update(int pid, ProcessMember now, History history) {
  const std::string& name = admit(now.group);
  now.group = name;
  const auto known = members_.find(pid);
  const bool same = known != members_.end() && known->second.group == name &&
                    known->second.start_ticks == now.start_ticks;
  Group& group = groups_[name];
  if (same) {
    // What was hidden this time has not gone back to zero.
    if (!now.io_known) {
      now.counters.read_bytes = known->second.counters.read_bytes;
      now.counters.write_bytes = known->second.counters.write_bytes;
    }
    group.counters.add_growth(known->second.counters, now.counters);
    known->second = std::move(now);
    return name;
  }
  remove(pid);
  if (history == History::Counts) group.counters.add_growth({}, now.counters);
  ++group.size;
  members_.insert_or_assign(pid, std::move(now));
  return name;
}

void ProcessGroups::remove(int pid) {
  const auto known = members_.find(pid);
  if (known == members_.end()) return;
  --groups_[known->second.group].size;
  members_.erase(known);
}

ProcessGroups::Hidden ProcessGroups::write(MetricSink& sink, std::uint64_t boot_seconds) const {
  std::map<std::string_view, Sums> sums;
  for (const auto& [pid, member] : members_) sums[member.group].add(member);
  Hidden hidden;
  for (const auto& [name, group] : groups_) {
    const Sums& now = sums[name];
    const model::LabelView label{"groupname", name};
    sink.add(kProcesses, {label}, real(group.size));
    if (group.min > 0) sink.add(kProcessesMin, {label}, real(group.min));
    write_counters(sink, name, group.counters);
    if (now.io_known || !now.any) {
      sink.add(kRead, {label}, real(group.counters.read_bytes));
      sink.add(kWritten, {label}, real(group.counters.write_bytes));
    }
    write_sums(sink, name, now, boot_seconds);
    if (now.files_hidden) hidden.files = name;
    if (now.io_hidden) hidden.io = name;
  }
  return hidden;
}

}  // namespace tocsin::agent
