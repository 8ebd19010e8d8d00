// Processes and sockets, out of /proc.
#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/inventory/sockets.h"
#include "agent/collectors/processes/proc_files.h"
#include "agent/snapshot/scrub.h"
#include "agent/snapshot/sections.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kProcessBytesMax = 64 << 10;
constexpr std::size_t kDescriptorsMax = 20'000;
constexpr std::size_t kOpenFilesShown = 50;
constexpr std::uint64_t kTicksASecond = 100;
constexpr std::uint64_t kPageBytes = 4096;

/// "Uid:" of /proc/PID/status: the first number, that of who started it.
std::int64_t uid_of(std::string_view status) {
  std::int64_t uid = -1;
  base::for_each_line(status, [&](std::string_view line) {
    if (!line.starts_with("Uid:")) return;
    const auto fields = base::split_fields(line);
    if (fields.size() > 1) uid = base::parse_i64(fields[1]).value_or(-1);
  });
  return uid;
}

/// Descriptors: how many, the files, and the sockets, whose owner is noted.
void add_descriptors(SnapshotWork& work, int pid, const std::string& folder,
                     boost::json::object& process) {
  const auto names = work.files.list(folder + "/fd");
  if (!names) {
    work.lacks("open files of other users' processes", names.error());
    return;
  }
  process["open_files"] = names->size();
  boost::json::array shown;
  for (std::size_t i = 0; i < std::min(names->size(), kDescriptorsMax); ++i) {
    const auto target = work.files.read_link(folder + "/fd/" + (*names)[i]);
    if (!target) continue;
    if (const std::uint64_t inode = socket_inode(*target); inode > 0) {
      work.process_of_socket.emplace(inode, pid);
    } else if (target->starts_with('/') && shown.size() < kOpenFilesShown) {
      shown.emplace_back(scrub(*target));
    }
  }
  process["files"] = std::move(shown);
}

void add_link(SnapshotWork& work, const std::string& folder, const char* name,
              boost::json::object& process) {
  if (const auto target = work.files.read_link(folder + "/" + name)) {
    process[name] = scrub(*target);
  }
}

/// nullopt: it ended meanwhile.
std::optional<boost::json::object> read_process(SnapshotWork& work, int pid,
                                                std::uint64_t boot_seconds) {
  const std::string folder = work.proc(fmt::format("/{}", pid));
  const auto text = work.files.read(folder + "/stat", kProcessBytesMax);
  if (!text) return std::nullopt;
  const auto stat = parse_proc_stat(*text);
  if (!stat) return std::nullopt;
  boost::json::object process;
  process["pid"] = pid;
  process["parent"] = stat->parent;
  process["name"] = scrub(stat->comm);
  process["state"] = std::string(1, stat->state);
  process["started_timestamp_seconds"] = boot_seconds + stat->start_ticks / kTicksASecond;
  process["cpu_seconds"] =
      static_cast<double>(stat->user_ticks + stat->system_ticks) / double{kTicksASecond};
  process["resident_bytes"] = stat->resident_pages * kPageBytes;
  process["threads"] = stat->threads;
  if (const auto status = work.files.read(folder + "/status", kProcessBytesMax)) {
    process["uid"] = uid_of(*status);
  }
  if (const auto cmdline = work.files.read(folder + "/cmdline", kProcessBytesMax)) {
    process["command"] = scrub_command_line(*cmdline);
  }
  if (const auto cgroup = work.files.read(folder + "/cgroup", kProcessBytesMax)) {
    process["unit"] = scrub(unit_of_cgroup(*cgroup));
  }
  add_link(work, folder, "exe", process);
  add_link(work, folder, "cwd", process);
  add_descriptors(work, pid, folder, process);
  return process;
}

std::string unhex_address(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view address = text.substr(0, colon);
  const auto port =
      static_cast<unsigned>(std::strtoul(std::string(text.substr(colon + 1)).c_str(), nullptr, 16));
  const auto byte = [&](std::size_t at) {
    return static_cast<unsigned>(
        std::strtoul(std::string(address.substr(at * 2, 2)).c_str(), nullptr, 16));
  };
  if (address.size() == 8) {
    return fmt::format("{}.{}.{}.{}:{}", byte(3), byte(2), byte(1), byte(0), port);
  }
  if (address.size() != 32) return {};
  std::string out = "[";
  for (std::size_t word = 0; word < 4; ++word) {  // each of four bytes is in the host's order
    const std::size_t at = word * 4;
    out += fmt::format("{}{:x}:{:x}", word == 0 ? "" : ":", byte(at + 3) << 8 | byte(at + 2),
                       byte(at + 1) << 8 | byte(at));
  }
  return out + fmt::format("]:{}", port);
}

std::string_view state_name(std::string_view hex) {
  constexpr std::string_view kNames[] = {"?",          "established", "syn_sent",  "syn_received",
                                         "fin_wait_1", "fin_wait_2",  "time_wait", "closed",
                                         "close_wait", "last_ack",    "listens",   "closing"};
  const auto number = std::strtoul(std::string(hex).c_str(), nullptr, 16);
  return number < std::size(kNames) ? kNames[number] : "?";
}

}  // namespace

void add_processes(SnapshotWork& work) {
  boost::json::array processes;
  std::size_t left_out = 0;
  const auto names = work.files.list(work.request.paths.proc);
  if (!names) return work.lacks("processes", names.error());
  const auto stat = work.files.read(work.proc("/stat"), std::size_t{1} << 20U);
  const std::uint64_t boot = stat ? parse_boot_time(*stat).value_or(0) : 0;
  for (const std::string& name : *names) {
    const auto pid = base::parse_u64(name);
    if (!pid || *pid > 1U << 30U) continue;
    if (processes.size() >= work.request.limits.processes_max) {
      ++left_out;
      continue;
    }
    if (auto process = read_process(work, static_cast<int>(*pid), boot)) {
      processes.emplace_back(std::move(*process));
    }
  }
  work.document["processes"] = std::move(processes);
  if (left_out > 0) work.document["processes_left_out"] = left_out;
}

void add_sockets(SnapshotWork& work) {
  boost::json::array sockets;
  std::size_t left_out = 0;
  for (const char* protocol : {"tcp", "tcp6", "udp", "udp6"}) {
    // Of the reader's own network namespace: containers have sockets that are not in it.
    const auto text = work.files.read(work.proc(fmt::format("/net/{}", protocol)), 16U << 20U);
    if (!text) {
      work.lacks(fmt::format("sockets of {}", protocol), text.error());
      continue;
    }
    base::for_each_line(*text, [&](std::string_view line) {
      const auto fields = base::split_fields(line);
      if (fields.size() < 10 || !fields[0].ends_with(':')) return;
      if (sockets.size() >= work.request.limits.sockets_max) {
        ++left_out;
        return;
      }
      boost::json::object socket;
      socket["protocol"] = protocol;
      socket["local"] = unhex_address(fields[1]);
      socket["remote"] = unhex_address(fields[2]);
      // A UDP socket that takes from anybody is "closed" to the kernel.
      const bool takes = protocol[0] == 'u' && fields[3] == "07";
      socket["state"] = takes ? "listens" : state_name(fields[3]);
      socket["uid"] = base::parse_i64(fields[7]).value_or(-1);
      const auto owner = work.process_of_socket.find(base::parse_u64(fields[9]).value_or(0));
      if (owner != work.process_of_socket.end()) socket["pid"] = owner->second;
      sockets.emplace_back(std::move(socket));
    });
  }
  work.document["sockets"] = std::move(sockets);
  if (left_out > 0) work.document["sockets_left_out"] = left_out;
}

}  // namespace tocsin::agent
