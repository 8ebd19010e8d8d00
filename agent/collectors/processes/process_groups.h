// Groups of processes as sums that only grow: what a member had used stays in its group's counters
// when it ends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "agent/collectors/collector.h"
#include "agent/collectors/processes/proc_files.h"

namespace tocsin::agent {

/// The counters of a process, or of a group.
struct ProcessCounters {
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;

  /// Adds what `now` has more than `before`; a counter that went back adds nothing.
  void add_growth(const ProcessCounters& before, const ProcessCounters& now);
};

/// One process of a group as it was read last.
struct ProcessMember {
  std::string group;
  std::string comm;
  std::uint64_t start_ticks = 0;
  ProcessCounters counters;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t swapped_bytes = 0;
  std::uint64_t threads = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_limit = 0;  ///< 0: unknown or none.
  char state = '?';
  bool files_known = false;  ///< Whether the kernel let us count its descriptors.
  bool io_known = false;
};

/// Whether what a process had used before it was seen counts.
enum class History { Counts, DoesNotCount };

/// The book of all groups. Owner: the process collector.
class ProcessGroups {
 public:
  explicit ProcessGroups(std::size_t groups_max) : groups_max_(groups_max) {}

  /// Makes the group known, so that it is told of with 0 processes too; `min` 0 for no minimum.
  void expect(const std::string& group, std::uint64_t min);

  /// Takes a process in, or what is new of one that is in. Returns the name of its group, which is
  /// "other" when there are too many groups.
  const std::string& update(int pid, ProcessMember now, History history);
  /// The process has ended, or belongs to no group any more.
  void remove(int pid);

  const std::unordered_map<int, ProcessMember>& members() const { return members_; }
  /// Names of groups whose members' descriptors, or input and output, the kernel hides.
  struct Hidden {
    std::string files;
    std::string io;
  };
  /// Writes every group. `boot_seconds` is the time of boot, since 1970.
  Hidden write(MetricSink& sink, std::uint64_t boot_seconds) const;

 private:
  struct Group {
    std::uint64_t min = 0;
    bool expected = false;
    std::size_t size = 0;
    ProcessCounters counters;
  };
  const std::string& admit(const std::string& name);

  std::size_t groups_max_;
  std::map<std::string, Group> groups_;
  std::unordered_map<int, ProcessMember> members_;
};

}  // namespace tocsin::agent
