// Reads what hides alerts from alertd.toml: [[inhibit]], [[time_interval]], [[maintenance]],
// [silences] and [flapping].
//
//   [[inhibit]]
//   name = "a host that is down explains its services"
//   source = ['alertname="HostDown"']
//   target = ['severity=~"medium|low"']
//   equal = ["host"]
#pragma once

#include "alertd/routing/routing.h"
#include "common/config/table.h"

namespace tocsin::routing {

/// Reads all five from the root of the file; every mistake goes to the context's diagnostics.
void read_suppression(config::Table& root, Routing& routing);

/// Where the fields of a period are read from.
enum class PeriodStyle {
  Ours,         ///< times = ["09:00-17:00"], time_zone = "Europe/Berlin"
  Alertmanager  ///< times: [{start_time, end_time}], location
};

/// Reads one period of a time interval, except that it does not finish() the table.
TimePeriod read_period(config::Table& table, PeriodStyle style);

}  // namespace tocsin::routing
