// Collector "timex": how well the kernel's clock is disciplined, from adjtimex(2).
#pragma once

#include <functional>
#include <memory>

#include "agent/collectors/collector.h"

struct timex;

namespace tocsin::agent {

/// Asks the kernel; returns the clock state (TIME_OK ... TIME_ERROR) or -1 with errno.
using AskTimex = std::function<int(struct timex&)>;

/// `ask` is adjtimex in production; it is called with modes = 0, which changes nothing.
std::unique_ptr<Collector> make_timex_collector(AskTimex ask);
std::unique_ptr<Collector> make_timex_collector();

}  // namespace tocsin::agent
