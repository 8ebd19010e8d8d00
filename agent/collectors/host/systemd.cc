#include "agent/collectors/host/systemd.h"

#include <array>

#include "agent/collectors/blocking/hanging_call.h"
#include "agent/collectors/host/pattern.h"
#include "agent/collectors/host/systemd_bus.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using model::MetricType;

constexpr MetricInfo kUnitState{"node_systemd_unit_state",
                                "1 for the state that the unit is in, 0 for the others.",
                                MetricType::Gauge};
constexpr MetricInfo kUnits{"node_systemd_units", "Units by state.", MetricType::Gauge};
constexpr MetricInfo kRunning{"node_systemd_system_running",
                              "1 if the system is up and no unit has failed.", MetricType::Gauge};
constexpr MetricInfo kVersion{"node_systemd_version", "Version of systemd.", MetricType::Gauge};
constexpr MetricInfo kRestarts{"node_systemd_service_restart_total",
                               "Times systemd restarted the service by itself.",
                               MetricType::Counter};
constexpr MetricInfo kTrigger{"node_systemd_timer_last_trigger_seconds",
                              "When the timer last fired, in Unix time.", MetricType::Gauge};
constexpr MetricInfo kAccepted{"node_systemd_socket_accepted_connections_total",
                               "Connections the socket unit accepted.", MetricType::Counter};
constexpr MetricInfo kConnections{"node_systemd_socket_current_connections",
                                  "Connections of the socket unit now.", MetricType::Gauge};
constexpr MetricInfo kRefused{"node_systemd_socket_refused_connections_total",
                              "Connections the socket unit refused.", MetricType::Gauge};

constexpr std::array<std::string_view, 5> kStates{"active", "activating", "deactivating",
                                                  "inactive", "failed"};

class SystemdCollector final : public Collector {
 public:
  SystemdCollector(const HostSettings& settings, HostWorld world)
      : booted_path_(settings.paths.under_root("/run/systemd/system")),
        include_(std::make_shared<Pattern>("^(?:" + settings.systemd_units_include + ")$")),
        exclude_(std::make_shared<Pattern>("^(?:" + settings.systemd_units_exclude + ")$")),
        deadline_(settings.systemd_deadline),
        clock_(world.clock) {}

  std::string_view name() const override { return "systemd"; }
  // sd_booted(3) makes the same check.
  bool present() const override { return path_exists(booted_path_); }

  base::Result<void> collect(MetricSink& sink) override {
    if (!worker_) {
      worker_ = std::make_unique<HangingCallWorker>(clock_, "systemd-bus",
                                                    std::make_shared<CallSignal>());
      call_ = std::make_shared<Call>();
      call_->memory.wanted = wanted();
    }
    if (worker_->busy()) {
      return base::error(ErrorCode::Timeout, "systemd has not answered the last question yet");
    }
    worker_->start([call = call_, deadline = deadline_] {
      call->reading = call->connection.read(call->memory, call->clock, deadline);
    });
    if (!worker_->wait(deadline_ + kGrace)) {
      return base::error(ErrorCode::Timeout,
                         "systemd did not answer within " + base::format_duration(deadline_));
    }
    if (!call_->reading) return call_->reading.error();
    add_systemd(*call_->reading, call_->memory.wanted, sink);
    return base::ok();
  }

 private:
  // The reading keeps the deadline itself, unless connecting hangs; the wait is a little longer so
  // that its own, better error arrives.
  static constexpr base::Duration kGrace{50};

  // Outlives the collector if the bus hangs, so it has a clock of its own; a socket waits in real
  // time anyway.
  struct Call {
    base::RealClock clock;
    SystemdConnection connection;
    SystemdMemory memory;
    base::Result<SystemdReading> reading{base::error(ErrorCode::Unavailable, "not asked yet")};
  };

  std::function<bool(std::string_view)> wanted() const {
    return [include = include_, exclude = exclude_](std::string_view unit) {
      return include->matches(unit) && !exclude->matches(unit);
    };
  }

  std::string booted_path_;
  std::shared_ptr<Pattern> include_;
  std::shared_ptr<Pattern> exclude_;
  base::Duration deadline_;
  const base::Clock& clock_;
  std::shared_ptr<Call> call_;
  std::unique_ptr<HangingCallWorker> worker_;
};

}  // namespace

std::optional<double> systemd_version_number(std::string_view version) {
  std::size_t end = 0;
  bool point = false;
  while (end < version.size()) {
    const char c = version[end];
    const bool digit_follows =
        end + 1 < version.size() && version[end + 1] >= '0' && version[end + 1] <= '9';
    if (c == '.' && !point && end > 0 && digit_follows) {
      point = true;
    } else if (c < '0' || c > '9') {
      break;
    }
    ++end;
  }
  return base::parse_double(version.substr(0, end));
}

void add_systemd(const SystemdReading& reading,
                 const std::function<bool(std::string_view name)>& wanted, MetricSink& sink) {
  std::array<double, kStates.size()> counts{};
  for (const SystemdUnit& unit : reading.units) {
    for (std::size_t i = 0; i < kStates.size(); ++i) {
      if (unit.active_state == kStates[i]) counts[i] += 1;
    }
    if (unit.load_state != "loaded" || !wanted(unit.name)) continue;
    for (const std::string_view state : kStates) {
      sink.add(kUnitState, {{"name", unit.name}, {"state", state}, {"type", unit.type}},
               unit.active_state == state ? 1 : 0);
    }
    const auto number = [&](const MetricInfo& metric, const auto& value) {
      if (value) sink.add(metric, {{"name", unit.name}}, static_cast<double>(*value));
    };
    number(kRestarts, unit.restarts);
    number(kAccepted, unit.accepted);
    number(kConnections, unit.connections);
    number(kRefused, unit.refused);
    if (unit.last_trigger_us) {
      sink.add(kTrigger, {{"name", unit.name}}, static_cast<double>(*unit.last_trigger_us) / 1e6);
    }
  }
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    sink.add(kUnits, {{"state", kStates[i]}}, counts[i]);
  }
  sink.add(kRunning, reading.system_state == "running" ? 1 : 0);
  if (const auto version = systemd_version_number(reading.version)) {
    sink.add(kVersion, {{"version", reading.version}}, *version);
  }
}

std::unique_ptr<Collector> make_systemd_collector(const HostSettings& settings, HostWorld world) {
  return std::make_unique<SystemdCollector>(settings, world);
}

}  // namespace tocsin::agent
