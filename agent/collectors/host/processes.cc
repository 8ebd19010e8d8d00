#include "agent/collectors/host/processes.h"

#include <map>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kState{"node_processes_state", "Processes by state.", MetricType::Gauge};
constexpr MetricInfo kThreads{"node_processes_threads", "Threads of all processes.",
                              MetricType::Gauge};
constexpr MetricInfo kThreadsMax{"node_processes_max_threads", "Most threads the host allows.",
                                 MetricType::Gauge};
constexpr MetricInfo kPids{"node_processes_pids", "Processes.", MetricType::Gauge};
constexpr MetricInfo kPidsMax{"node_processes_max_processes", "Most process ids the host allows.",
                              MetricType::Gauge};

struct Scan {
  std::map<char, std::uint64_t> states;
  std::uint64_t threads = 0;
  std::uint64_t processes = 0;
};

class ProcessesCollector final : public Collector {
 public:
  explicit ProcessesCollector(const HostPaths& paths) : proc_(paths.proc) {}

  std::string_view name() const override { return "processes"; }

  base::Result<void> collect(MetricSink& sink) override {
    if (rounds_to_skip_ == 0) {
      scan_ = scan();
      rounds_to_skip_ = scan_.processes / kScanBudget;
    } else {
      --rounds_to_skip_;
    }
    if (scan_.processes == 0) {
      return base::error(base::ErrorCode::Io, "no process visible in '" + proc_ + "'");
    }
    for (const auto& [state, count] : scan_.states) {
      sink.add(kState, {{"state", std::string_view(&state, 1)}}, static_cast<double>(count));
    }
    sink.add(kThreads, static_cast<double>(scan_.threads));
    sink.add(kPids, static_cast<double>(scan_.processes));
    TC_TRY(add_limit(sink, kThreadsMax, "/sys/kernel/threads-max"));
    return add_limit(sink, kPidsMax, "/sys/kernel/pid_max");
  }

 private:
  Scan scan() {
    Scan scan;
    const Folder folder(proc_);
    for (std::string& entry : names_in(proc_)) {
      if (entry.front() < '0' || entry.front() > '9') continue;
      entry += "/stat";
      // A process that ends meanwhile is no failure.
      const auto text = reader_.attribute(folder, entry.c_str());
      const auto stat = text ? parse_process_stat(*text) : std::nullopt;
      if (!stat) continue;
      ++scan.states[stat->state];
      scan.threads += stat->threads;
      ++scan.processes;
    }
    return scan;
  }

  base::Result<void> add_limit(MetricSink& sink, const MetricInfo& metric, std::string_view file) {
    const std::string path = proc_ + std::string(file);
    TC_TRY(const std::string_view text, reader_.read(path));
    const auto value = base::parse_u64(base::trim(text));
    if (!value) return malformed(path, text);
    sink.add(metric, static_cast<double>(*value));
    return base::ok();
  }

  std::string proc_;
  FileReader reader_;
  Scan scan_;
  std::size_t rounds_to_skip_ = 0;
};

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  constexpr int kFieldsBetween = 16;  // from the parent's id to nice
  const std::size_t end_of_command = text.rfind(')');
  if (end_of_command == std::string_view::npos) return std::nullopt;
  Fields fields(text.substr(end_of_command + 1));
  const std::string_view state = fields.next();
  for (int i = 0; i < kFieldsBetween; ++i) fields.next();
  const auto threads = fields.next_number();
  if (state.size() != 1 || !threads) return std::nullopt;
  return ProcessStat{state.front(), *threads};
}

std::unique_ptr<Collector> make_processes_collector(const HostPaths& paths) {
  return std::make_unique<ProcessesCollector>(paths);
}

}  // namespace tocsin::agent
