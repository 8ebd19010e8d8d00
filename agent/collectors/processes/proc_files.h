// The files of one process in /proc, as text in and values out. Source: proc(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::agent {

/// What /proc/PID/stat says. Views are into the text.
struct ProcStat {
  std::string_view comm;  ///< At most 15 bytes; may hold anything, spaces and brackets too.
  char state = '?';       ///< R, S, D, Z, T ...
  int parent = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t user_ticks = 0;    ///< Of all its threads, hundredths of a second.
  std::uint64_t system_ticks = 0;  ///< The same.
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  ///< Since boot.
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};

/// Returns nullopt for a text that is cut or no stat file. Pure.
std::optional<ProcStat> parse_proc_stat(std::string_view text);

/// What is read of /proc/PID/status; the kernel's own threads have no swap line.
struct ProcStatus {
  std::uint64_t swapped_bytes = 0;
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
};
ProcStatus parse_proc_status(std::string_view text);

/// What is read of /proc/PID/io: what reached a disk, in bytes.
struct ProcIo {
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
};
std::optional<ProcIo> parse_proc_io(std::string_view text);

/// Returns the soft limit of open files of /proc/PID/limits; nullopt if there is none.
std::optional<std::uint64_t> parse_open_files_limit(std::string_view text);

/// Returns the systemd unit that /proc/PID/cgroup puts the process in: the innermost part of the
/// path that ends in .service or .scope; empty if there is none.
std::string_view unit_of_cgroup(std::string_view text);

/// Returns the time of boot (btime of /proc/stat) in seconds since 1970.
std::optional<std::uint64_t> parse_boot_time(std::string_view text);

}  // namespace tocsin::agent
