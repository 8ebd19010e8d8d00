#include "tests/sim/backtest/fleet.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace tocsin::sim {
namespace {

using base::Duration;
using base::WallTime;

struct Incident {
  Trouble trouble = Trouble::CpuBusy;
  WallTime begin;
  Duration length{0};
  double strength = 1;  ///< 0 to 1: how far it goes.
  bool flaps = false;
  std::size_t where = 0;  ///< Which disk, file system, unit, ...
};

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}

/// Rises for a quarter of the time, holds for half, falls for a quarter.
double shape(const Incident& incident, WallTime at) {
  if (at < incident.begin || at >= incident.begin + incident.length) return 0;
  const double part = seconds(at - incident.begin) / seconds(incident.length);
  const double level = std::min({part * 4, 1.0, (1 - part) * 4});
  const bool off = incident.flaps && (at - incident.begin) / std::chrono::minutes(4) % 2 == 1;
  return off ? level * incident.strength * 0.2 : level * incident.strength;
}

constexpr std::size_t kCpus = 4;
constexpr std::size_t kFileSystems = 3;
constexpr std::size_t kUnits = 6;
constexpr double kSize = 500e9;
constexpr double kFiles = 30e6;

}  // namespace

// One server: its values, moved on round by round, and the series it sends.
class Fleet::Host {
 public:
  Host(const FleetOptions& options, std::size_t index, base::Random& random)
      : name_(fmt::format("host{:03}", index)), begin_(options.begin), last_(options.begin) {
    const double days = seconds(options.length) / 86'400;
    const double wanted = options.incidents_per_host_and_day * days + random.unit();
    for (std::size_t i = 0; i + 1 <= static_cast<std::size_t>(wanted); ++i) {
      incidents_.push_back(make_incident(options, random));
    }
    boot_ = base::to_seconds(options.begin) - 86'400 * (1 + 30 * random.unit());
    agent_start_ = boot_ + 30;
    for (double& used : used_) used = 0.2 + 0.4 * random.unit();
    noise_ = random.unit();
    name_series();
  }

  const std::string& name() const { return name_; }
  WallTime last_sent() const { return last_sent_; }
  std::size_t series_count() const { return labels_.size(); }
  std::size_t incident_count() const { return incidents_.size(); }

  void send(WallTime at, model::WriteBatch& batch) {
    const double passed = seconds(at - last_);
    last_ = at;
    move_on(at, passed);
    if (of(Trouble::Dead, at) > 0) return;
    last_sent_ = at;
    next_ = 0;
    fill(at);
    const std::int64_t ms = base::to_ms(at);
    for (std::size_t i = 0; i < labels_.size(); ++i) batch.add(labels_[i], {ms, values_[i]});
  }

 private:
  static Incident make_incident(const FleetOptions& options, base::Random& random) {
    Incident incident;
    incident.trouble =
        static_cast<Trouble>(random.below(static_cast<std::uint64_t>(Trouble::kCount)));
    incident.begin =
        options.begin + Duration{static_cast<std::int64_t>(
                            random.unit() * static_cast<double>(options.length.count()))};
    incident.length = Duration{static_cast<std::int64_t>(60'000 * (6 + 110 * random.unit()))};
    incident.strength = 0.5 + 0.5 * random.unit();
    incident.flaps = random.below(5) == 0;
    incident.where = random.below(3);
    return incident;
  }

  /// The worst of that trouble now; with `where`, only there.
  double of(Trouble trouble, WallTime at, std::size_t where = 99) const {
    double worst = 0;
    for (const Incident& incident : incidents_) {
      if (incident.trouble != trouble || (where != 99 && incident.where != where)) continue;
      worst = std::max(worst, shape(incident, at));
    }
    return worst;
  }

  /// A little movement that differs from host to host and comes back.
  double wobble(WallTime at, double minutes) const {
    return std::sin(2 * M_PI * (seconds(at - begin_) / 60 / minutes + noise_));
  }

  void move_on(WallTime at, double passed) {
    busy_ = 0.25 + 0.1 * wobble(at, 37) + 0.73 * of(Trouble::CpuBusy, at);
    for (double& cpu : idle_) cpu += passed * std::clamp(1 - busy_, 0.0, 1.0);
    stalled_ += passed * 0.6 * of(Trouble::MemoryStalled, at);
    if (of(Trouble::OomKill, at) > 0.45 && at >= next_kill_) {
      ++kills_;
      next_kill_ = at + std::chrono::minutes(7);
    }
    for (std::size_t d = 0; d < 2; ++d) {
      disk_[d] += passed * std::min(0.15 + 0.85 * of(Trouble::DiskBusy, at, d), 1.0);
    }
    const double packets = 900 + 200 * wobble(at, 11);
    packets_ += passed * packets;
    errors_ += passed * packets * 0.09 * of(Trouble::NetworkErrors, at);
    if (of(Trouble::DropsSamples, at) > 0) dropped_ += passed * 3;
    if (of(Trouble::Reboot, at) > 0 && at >= next_boot_) {
      boot_ = base::to_seconds(at);
      next_boot_ = at + std::chrono::hours(3);
      agent_start_ = boot_ + 5;
    }
    if (of(Trouble::AgentRestarts, at) > 0 && at >= next_restart_) {
      agent_start_ = base::to_seconds(at);
      next_restart_ = at + std::chrono::minutes(6);
    }
  }

  void name_series() {
    const auto add = [&](std::string_view metric,
                         std::initializer_list<std::pair<std::string_view, std::string>> more) {
      model::LabelsBuilder builder;
      builder.set(model::kMetricName, metric).set("host", name_).set("instance", name_);
      for (const auto& [label, value] : more) builder.set(label, value);
      labels_.push_back(builder.build());
    };
    for (std::size_t i = 0; i < kCpus; ++i) {
      add("node_cpu_seconds_total", {{"cpu", std::to_string(i)}, {"mode", "idle"}});
    }
    for (const char* metric :
         {"node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
          "node_pressure_memory_stalled_seconds_total", "node_vmstat_oom_kill",
          "node_filefd_allocated", "node_filefd_maximum", "node_nf_conntrack_entries",
          "node_nf_conntrack_entries_limit", "node_timex_offset_seconds", "node_boot_time_seconds",
          "tocsin_agent_heartbeat_timestamp_seconds", "tocsin_agent_spool_degraded",
          "tocsin_agent_start_time_seconds"}) {
      add(metric, {});
    }
    for (const char* device : {"sda", "nvme0n1"}) {
      add("node_disk_io_time_seconds_total", {{"device", device}});
    }
    for (const char* metric :
         {"node_network_receive_errs_total", "node_network_transmit_errs_total",
          "node_network_receive_packets_total", "node_network_transmit_packets_total"}) {
      add(metric, {{"device", "eth0"}});
    }
    for (std::size_t i = 0; i < kUnits; ++i) {
      add("node_systemd_unit_state",
          {{"name", fmt::format("unit{}.service", i)}, {"state", "failed"}});
    }
    for (const char* mount : {"/", "/var", "/srv"}) {
      for (const char* metric :
           {"node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_filesystem_readonly",
            "node_filesystem_files_free", "node_filesystem_files"}) {
        add(metric, {{"mountpoint", mount}, {"fstype", "ext4"}, {"device", "/dev/sda1"}});
      }
    }
    for (const char* collector : {"cpu", "meminfo", "filesystem", "netdev"}) {
      add("tocsin_agent_collector_success", {{"collector", collector}});
    }
    for (const char* reason : {"queue_full", "refused"}) {
      add("tocsin_agent_samples_dropped_total", {{"reason", reason}});
    }
    add("tocsin_agent_mount_stuck", {{"mountpoint", "/srv"}});
    for (const char* job : {"shop", "postgres"}) add("up", {{"job", job}});
    values_.resize(labels_.size());
  }

  void put(double value) { values_[next_++] = value; }

  /// In the order of name_series().
  void fill(WallTime at) {
    for (const double cpu : idle_) put(cpu);
    put(32e9 *
        std::clamp(0.5 + 0.05 * wobble(at, 53) - 0.5 * of(Trouble::MemoryLow, at), 0.01, 1.0));
    put(32e9);
    put(stalled_);
    put(kills_);
    put(20'000 + 980'000 * of(Trouble::FileDescriptors, at));
    put(1'000'000);
    put(8'000 + 254'000 * of(Trouble::Conntrack, at));
    put(262'144);
    put(0.001 * wobble(at, 5) + 40 * std::pow(of(Trouble::ClockOff, at), 4));
    put(boot_);
    put(base::to_seconds(at));
    put(of(Trouble::SpoolFails, at) > 0 ? 1 : 0);
    put(agent_start_);
    for (const double disk : disk_) put(disk);
    put(errors_);
    put(0);
    put(packets_);
    put(packets_ * 0.8);
    for (std::size_t i = 0; i < kUnits; ++i) {
      put(i < 3 && of(Trouble::ServiceFailed, at, i) > 0 ? 1 : 0);
    }
    for (std::size_t i = 0; i < kFileSystems; ++i) {
      const double free = 1 - used_[i] - (1 - used_[i]) * of(Trouble::DiskFills, at, i);
      put(kSize * std::clamp(free + 0.01 * wobble(at, 71), 0.005, 1.0));
      put(kSize);
      put(of(Trouble::ReadOnly, at, i) > 0 ? 1 : 0);
      put(kFiles * std::max(0.7 * (1 - of(Trouble::InodesLow, at, i)), 0.01));
      put(kFiles);
    }
    for (std::size_t i = 0; i < 4; ++i) put(of(Trouble::CollectorFails, at, i) > 0 ? 0 : 1);
    put(dropped_);
    put(0);
    put(of(Trouble::MountStuck, at) > 0 ? 1 : 0);
    for (std::size_t i = 0; i < 2; ++i) put(of(Trouble::TargetDown, at, i) > 0 ? 0 : 1);
  }

  const std::string name_;
  const WallTime begin_;
  WallTime last_;
  WallTime last_sent_;
  std::vector<Incident> incidents_;
  double noise_ = 0;
  double busy_ = 0;
  double idle_[kCpus] = {};
  double stalled_ = 0;
  double kills_ = 0;
  double disk_[2] = {};
  double packets_ = 0;
  double errors_ = 0;
  double dropped_ = 0;
  double boot_ = 0;
  double agent_start_ = 0;
  double used_[kFileSystems] = {};
  WallTime next_kill_;
  WallTime next_boot_;
  WallTime next_restart_;
  std::vector<model::Labels> labels_;
  std::vector<double> values_;
  std::size_t next_ = 0;
};

Fleet::Fleet(const FleetOptions& options) : options_(options) {
  const auto random = base::make_seeded_random(options.seed);
  for (std::size_t i = 0; i < options.hosts; ++i) {
    hosts_.push_back(std::make_unique<Host>(options, i, *random));
  }
}

Fleet::~Fleet() = default;

Duration Fleet::phase(std::size_t turn) const {
  // Odd milliseconds: no slot of a rule group falls on one.
  return options_.spacing * static_cast<std::int64_t>(turn) / static_cast<std::int64_t>(kTurns) +
         Duration{7};
}

void Fleet::send(std::size_t turn, WallTime at, model::WriteBatch& batch) {
  for (std::size_t i = turn; i < hosts_.size(); i += kTurns) hosts_[i]->send(at, batch);
}

void Fleet::send_daemon(WallTime at, model::WriteBatch& batch) {
  const std::int64_t ms = base::to_ms(at);
  const auto add = [&](std::string_view metric, double value,
                       std::initializer_list<std::pair<std::string_view, std::string>> more) {
    model::LabelsBuilder builder;
    builder.set(model::kMetricName, metric).set("instance", "alerts");
    for (const auto& [label, text] : more) builder.set(label, text);
    batch.add(builder.build(), {ms, value});
  };
  add("tocsin_alertd_start_time_seconds", base::to_seconds(options_.begin) - 600, {});
  add("tocsin_alertd_build_info", 1, {{"version", "1"}});
  // The daemon's own troubles, at set hours of the day.
  const auto minute = (at - options_.begin) / std::chrono::minutes(1);
  const auto during = [&](std::int64_t from, std::int64_t to) {
    return minute >= from && minute < to;
  };
  add("tocsin_alertd_rule_reload_successful", during(100, 130) ? 0 : 1, {});
  add("tocsin_alertd_store_read_only", during(300, 312) ? 1 : 0, {});
  add("tocsin_alertd_rule_group_rules_failing", during(200, 260) ? 2 : 0, {{"group", "host"}});
  const double refused = static_cast<double>(std::clamp<std::int64_t>(minute - 150, 0, 60));
  add("tocsin_alertd_ingest_refused_total", refused, {{"reason", "token"}});
  for (const auto& host : hosts_) {
    if (host->last_sent() == WallTime{}) continue;
    add("tocsin_alertd_agent_last_seen_timestamp_seconds", base::to_seconds(host->last_sent()),
        {{"host", host->name()}, {"instance", host->name()}});
  }
}

std::size_t Fleet::series_count() const {
  std::size_t count = 6 + hosts_.size();
  for (const auto& host : hosts_) count += host->series_count();
  return count;
}

std::size_t Fleet::incident_count() const {
  std::size_t count = 0;
  for (const auto& host : hosts_) count += host->incident_count();
  return count;
}

}  // namespace tocsin::sim
