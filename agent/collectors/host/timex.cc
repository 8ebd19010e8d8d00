#include "agent/collectors/host/timex.h"

#include <sys/timex.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace tocsin::agent {
namespace {

using model::MetricType;

// Frequencies come as parts per million scaled by 2^16.
constexpr double kPpmScale = 65536.0 * 1'000'000.0;
constexpr double kMicrosecond = 1e6;
constexpr double kNanosecond = 1e9;

constexpr MetricInfo kOffset{"node_timex_offset_seconds",
                             "How far the local clock is from its reference.", MetricType::Gauge};
constexpr MetricInfo kFrequency{"node_timex_frequency_adjustment_ratio",
                                "Speed given to the local clock; 1 is its own speed.",
                                MetricType::Gauge};
constexpr MetricInfo kMaxError{"node_timex_maxerror_seconds", "Largest possible clock error.",
                               MetricType::Gauge};
constexpr MetricInfo kEstimatedError{"node_timex_estimated_error_seconds", "Estimated clock error.",
                                     MetricType::Gauge};
constexpr MetricInfo kStatus{"node_timex_status", "Status bits of the kernel's clock.",
                             MetricType::Gauge};
constexpr MetricInfo kLoopConstant{"node_timex_loop_time_constant",
                                   "Time constant of the phase-locked loop.", MetricType::Gauge};
constexpr MetricInfo kTick{"node_timex_tick_seconds", "Seconds between two ticks of the clock.",
                           MetricType::Gauge};
constexpr MetricInfo kPpsFrequency{"node_timex_pps_frequency_hertz",
                                   "Frequency of the pulse-per-second signal.", MetricType::Gauge};
constexpr MetricInfo kPpsJitter{"node_timex_pps_jitter_seconds",
                                "Jitter of the pulse-per-second signal.", MetricType::Gauge};
constexpr MetricInfo kPpsShift{"node_timex_pps_shift_seconds",
                               "Length of the pulse-per-second calibration interval.",
                               MetricType::Gauge};
constexpr MetricInfo kPpsStability{"node_timex_pps_stability_hertz",
                                   "Average of recent changes of the pulse-per-second frequency.",
                                   MetricType::Gauge};
constexpr MetricInfo kPpsJitterTotal{"node_timex_pps_jitter_total",
                                     "Times the pulse-per-second jitter passed its limit.",
                                     MetricType::Counter};
constexpr MetricInfo kPpsCalibrationTotal{"node_timex_pps_calibration_total",
                                          "Pulse-per-second calibration intervals.",
                                          MetricType::Counter};
constexpr MetricInfo kPpsErrorTotal{"node_timex_pps_error_total",
                                    "Pulse-per-second calibration errors.", MetricType::Counter};
constexpr MetricInfo kPpsStabilityTotal{"node_timex_pps_stability_exceeded_total",
                                        "Times the pulse-per-second stability passed its limit.",
                                        MetricType::Counter};
constexpr MetricInfo kTaiOffset{"node_timex_tai_offset_seconds",
                                "Seconds that International Atomic Time is ahead of UTC.",
                                MetricType::Gauge};
constexpr MetricInfo kSync{"node_timex_sync_status",
                           "1 if the clock is synchronized to a reliable source.",
                           MetricType::Gauge};

class TimexCollector final : public Collector {
 public:
  explicit TimexCollector(AskTimex ask) : ask_(std::move(ask)) {}

  std::string_view name() const override { return "timex"; }

  base::Result<void> collect(MetricSink& sink) override {
    struct timex clock {};
    const int state = ask_(clock);
    if (state < 0) {
      const int number = errno;
      char text[128];
      return base::error(number == EPERM ? base::ErrorCode::PermissionDenied : base::ErrorCode::Io,
                         std::string("adjtimex: ") + strerror_r(number, text, sizeof text));
    }
    const auto number = [](long value) { return static_cast<double>(value); };
    const double unit = (clock.status & STA_NANO) != 0 ? kNanosecond : kMicrosecond;
    sink.add(kSync, state == TIME_ERROR ? 0 : 1);
    sink.add(kOffset, number(clock.offset) / unit);
    sink.add(kFrequency, 1 + number(clock.freq) / kPpmScale);
    sink.add(kMaxError, number(clock.maxerror) / kMicrosecond);
    sink.add(kEstimatedError, number(clock.esterror) / kMicrosecond);
    sink.add(kStatus, number(clock.status));
    sink.add(kLoopConstant, number(clock.constant));
    sink.add(kTick, number(clock.tick) / kMicrosecond);
    sink.add(kPpsFrequency, number(clock.ppsfreq) / kPpmScale);
    sink.add(kPpsJitter, number(clock.jitter) / unit);
    sink.add(kPpsShift, number(clock.shift));
    sink.add(kPpsStability, number(clock.stabil) / kPpmScale);
    sink.add(kPpsJitterTotal, number(clock.jitcnt));
    sink.add(kPpsCalibrationTotal, number(clock.calcnt));
    sink.add(kPpsErrorTotal, number(clock.errcnt));
    sink.add(kPpsStabilityTotal, number(clock.stbcnt));
    sink.add(kTaiOffset, number(clock.tai));
    return base::ok();
  }

 private:
  AskTimex ask_;
};

}  // namespace

std::unique_ptr<Collector> make_timex_collector(AskTimex ask) {
  return std::make_unique<TimexCollector>(std::move(ask));
}

std::unique_ptr<Collector> make_timex_collector() {
  return make_timex_collector([](struct timex& clock) { return ::adjtimex(&clock); });
}

}  // namespace tocsin::agent
