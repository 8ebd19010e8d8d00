#include "agent/snapshot/snapshot_source.h"

#include <algorithm>
#include <map>

#include "agent/collectors/kept/kept_round.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr const char* kKey = "snapshots";
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;

constexpr MetricInfo kKept{"tocsin_agent_snapshots", "Snapshots of the host that are kept."};
constexpr MetricInfo kBytes{"tocsin_agent_snapshots_bytes", "Their size."};
constexpr MetricInfo kTaken{"tocsin_agent_snapshots_taken_total",
                            "Snapshots taken, by what triggered them.", model::MetricType::Counter};
constexpr MetricInfo kPassedOver{"tocsin_agent_snapshots_passed_over_total",
                                 "Triggers that came too soon after a snapshot.",
                                 model::MetricType::Counter};
constexpr MetricInfo kLast{"tocsin_agent_snapshot_last_timestamp_seconds",
                           "When the last one was taken."};

/// The number behind `name` in lines of "name number".
std::optional<double> value_of(std::string_view text, std::string_view name) {
  std::optional<double> value;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split_fields(line);
    if (fields.size() == 2 && fields[0] == name) value = base::parse_double(fields[1]);
  });
  return value;
}

/// avg10 of the line "full" of /proc/pressure/memory.
double stall_percent(std::string_view text) {
  double percent = 0;
  base::for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with("full ")) return;
    for (const std::string_view field : base::split_fields(line)) {
      if (field.starts_with("avg10=")) percent = base::parse_double(field.substr(6)).value_or(0);
    }
  });
  return percent;
}

/// Lives on the source's thread.
class Snapshots {
 public:
  Snapshots(SnapshotSettings settings, const SlowWorld& world)
      : settings_(std::move(settings)),
        clock_(world.executor.clock()),
        files_(world.files),
        failures_(world.failures),
        folder_(world.files, settings_.kept),
        triggers_(settings_) {
    for (const char* trigger : {"oom_kill", "load", "memory_stall"}) taken_[trigger] = 0;
  }

  Fill read() {
    KeptRound round(kKey, failures_);
    round.check("triggers", look(round));
    const SnapshotFolder::Size size = folder_.size();
    round.add(kKept, static_cast<double>(size.files));
    round.add(kBytes, static_cast<double>(size.bytes));
    for (const auto& [trigger, count] : taken_) {
      round.add(kTaken, {{"trigger", std::string(trigger)}}, count);
    }
    round.add(kPassedOver, triggers_.passed_over());
    if (last_) round.add(kLast, base::to_seconds(*last_));
    return std::move(round).fill();
  }

 private:
  base::Result<std::string> proc(const char* name) const {
    return files_.read(settings_.paths.proc + name, kFileBytesMax);
  }

  base::Result<void> look(KeptRound& round) {
    TC_TRY(const std::string vmstat, proc("/vmstat"));
    TC_TRY(const std::string loadavg, proc("/loadavg"));
    const auto pressure = proc("/pressure/memory");
    SnapshotTriggers::Look look{vmstat, loadavg, {}, processors()};
    if (pressure) look.pressure = *pressure;
    const std::string_view trigger = triggers_.step(look, clock_.monotonic());
    if (!trigger.empty() && !settings_.look_only) take(round, trigger);
    return base::ok();
  }

  double processors() const {
    double count = 0;
    if (const auto stat = proc("/stat")) {
      base::for_each_line(*stat, [&](std::string_view line) {
        const bool one = line.starts_with("cpu") && line.size() > 3 && line[3] != ' ';
        count += one ? 1 : 0;
      });
    }
    return std::max(count, 1.0);
  }

  void take(KeptRound& round, std::string_view trigger) {
    SnapshotRequest request;
    request.reason = trigger;
    request.paths = settings_.paths;
    const std::string json = take_snapshot(request, files_, clock_);
    const auto path = folder_.keep(clock_.wall(), trigger, json);
    round.check("keep", path ? base::ok() : base::Result<void>(path.error()));
    if (!path) return;
    taken_[trigger] += 1;
    last_ = clock_.wall();
    round.say("a snapshot of the host", *path);
  }

  SnapshotSettings settings_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  base::FailureLog& failures_;
  SnapshotFolder folder_;
  SnapshotTriggers triggers_;
  std::map<std::string_view, double> taken_;
  std::optional<base::WallTime> last_;
};

}  // namespace

bool SnapshotTriggers::began(bool holds, bool& held) {
  const bool begins = holds && !held;
  held = holds;
  return begins;
}

std::string_view SnapshotTriggers::step(const Look& look, base::MonotonicTime now) {
  std::string_view trigger;
  const double load =
      base::parse_double(look.loadavg.substr(0, look.loadavg.find(' '))).value_or(0) /
      look.processors;
  if (began(settings_.on_load > 0 && load > settings_.on_load, load_held_)) trigger = "load";
  const double stall = stall_percent(look.pressure);
  const bool stalls =
      settings_.on_memory_stall_percent > 0 && stall > settings_.on_memory_stall_percent;
  if (began(stalls, stall_held_)) trigger = "memory_stall";
  const double kills = value_of(look.vmstat, "oom_kill").value_or(0);
  if (settings_.on_oom_kill && oom_kills_ && kills > *oom_kills_) trigger = "oom_kill";
  oom_kills_ = kills;
  if (trigger.empty()) return trigger;
  if (last_ && now - *last_ < settings_.pause) {
    ++passed_over_;
    return {};
  }
  last_ = now;
  return trigger;
}

std::unique_ptr<AsyncSource> make_snapshot_source(const SnapshotSettings& settings,
                                                  const SlowWorld& world) {
  return make_slow_source_of<Snapshots>(kKey, settings, world);
}

}  // namespace tocsin::agent
