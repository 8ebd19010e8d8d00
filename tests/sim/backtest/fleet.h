// A fleet of servers as the shipped rules see it: its series, and a day of things that go wrong.
//
// Nothing is random but by the seed: the same options give the same samples. Incidents ramp up,
// hold and go (or flap), so that every level of a rule is entered and left; dead hosts stop
// sending.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/model/write_batch.h"

namespace tocsin::sim {

struct FleetOptions {
  std::size_t hosts = 200;
  base::WallTime begin;
  base::Duration length = std::chrono::hours(24);
  base::Duration spacing{15'000};
  double incidents_per_host_and_day = 3;
  std::uint64_t seed = 1;
};

/// What goes wrong.
enum class Trouble : std::uint8_t {
  CpuBusy,
  MemoryLow,
  MemoryStalled,
  OomKill,
  DiskBusy,
  FileDescriptors,
  Conntrack,
  NetworkErrors,
  ClockOff,
  Reboot,
  ServiceFailed,
  DiskFills,
  InodesLow,
  ReadOnly,
  Dead,
  CollectorFails,
  DropsSamples,
  SpoolFails,
  AgentRestarts,
  MountStuck,
  TargetDown,
  kCount,
};

/// Thread: one.
class Fleet {
 public:
  explicit Fleet(const FleetOptions& options);
  ~Fleet();

  /// Hosts send in turn within a round, as agents do: at begin + n * spacing + phase(turn).
  static constexpr std::size_t kTurns = 5;
  base::Duration phase(std::size_t turn) const;

  /// Adds what the hosts of `turn` send at `at`, which grows from call to call.
  void send(std::size_t turn, base::WallTime at, model::WriteBatch& batch);

  /// Adds what the daemon says of itself and of the agents at `at`.
  void send_daemon(base::WallTime at, model::WriteBatch& batch);

  std::size_t series_count() const;
  std::size_t incident_count() const;

 private:
  class Host;
  FleetOptions options_;
  std::vector<std::unique_ptr<Host>> hosts_;
};

}  // namespace tocsin::sim
