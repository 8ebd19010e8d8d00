#include "agent/collectors/processes/proc_files.h"

#include "agent/collectors/host/reader.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

/// Returns the number after "key:" at the beginning of a line; 0 if there is none.
std::uint64_t number_after(std::string_view line, std::string_view key) {
  Fields fields(line.substr(key.size()));
  return fields.next_number().value_or(0);
}

}  // namespace

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
  // A command may contain brackets and spaces itself: it ends at the last one.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  ProcStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  Fields fields(text.substr(close + 1));
  const std::string_view state = fields.next();
  const auto parent = fields.next_number();
  if (state.size() != 1 || !parent) return std::nullopt;
  stat.state = state.front();
  stat.parent = static_cast<int>(*parent);
  const auto skip = [&fields](int count) {
    for (int i = 0; i < count; ++i) fields.next();
  };
  skip(5);  // group, session, terminal, its group, flags
  const auto minor = fields.next_number();
  skip(1);
  const auto major = fields.next_number();
  skip(1);
  const auto user = fields.next_number();
  const auto system = fields.next_number();
  skip(4);  // children's times, priority, nice
  const auto threads = fields.next_number();
  skip(1);
  const auto start = fields.next_number();
  const auto bytes = fields.next_number();
  const auto pages = fields.next_number();
  if (!minor || !major || !user || !system || !threads || !start || !bytes || !pages) {
    return std::nullopt;
  }
  stat.minor_faults = *minor;
  stat.major_faults = *major;
  stat.user_ticks = *user;
  stat.system_ticks = *system;
  stat.threads = *threads;
  stat.start_ticks = *start;
  stat.virtual_bytes = *bytes;
  stat.resident_pages = *pages;
  return stat;
}

ProcStatus parse_proc_status(std::string_view text) {
  ProcStatus status;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("VmSwap:")) status.swapped_bytes = number_after(line, "VmSwap:") * 1024;
    if (line.starts_with("voluntary_ctxt_switches:")) {
      status.voluntary_switches = number_after(line, "voluntary_ctxt_switches:");
    }
    if (line.starts_with("nonvoluntary_ctxt_switches:")) {
      status.involuntary_switches = number_after(line, "nonvoluntary_ctxt_switches:");
    }
  });
  return status;
}

std::optional<ProcIo> parse_proc_io(std::string_view text) {
  ProcIo io;
  bool complete = false;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("read_bytes:")) io.read_bytes = number_after(line, "read_bytes:");
    if (line.starts_with("write_bytes:")) {
      io.write_bytes = number_after(line, "write_bytes:");
      complete = true;
    }
  });
  return complete ? std::optional(io) : std::nullopt;
}

std::optional<std::uint64_t> parse_open_files_limit(std::string_view text) {
  constexpr std::string_view kName = "Max open files";
  std::optional<std::uint64_t> limit;
  base::for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with(kName)) return;
    Fields fields(line.substr(kName.size()));
    limit = fields.next_number();  // "unlimited" is none
  });
  return limit;
}

std::string_view unit_of_cgroup(std::string_view text) {
  std::string_view unit;
  base::for_each_line(text, [&](std::string_view line) {
    // "0::/system.slice/nginx.service", or with version 1 "1:name=systemd:/system.slice/..."
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers != "name=systemd") return;
    for (const std::string_view part : base::split(line.substr(second + 1), '/')) {
      if (part.ends_with(".service") || part.ends_with(".scope")) unit = part;
    }
  });
  return unit;
}

std::optional<std::uint64_t> parse_boot_time(std::string_view text) {
  std::optional<std::uint64_t> time;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("btime ")) time = base::parse_u64(base::trim(line.substr(6)));
  });
  return time;
}

}  // namespace tocsin::agent
