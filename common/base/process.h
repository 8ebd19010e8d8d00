// What the process gets from outside: signals, environment, the service manager, its own use of
// resources.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/executor.h"

namespace tocsin::base {

/// Returns the environment variable, or nullopt if unset.
std::optional<std::string> environment(const std::string& name);

/// Returns the host's name as gethostname(2) gives it.
std::string host_name();

/// Tells systemd about the state ("READY=1", "RELOADING=1", "WATCHDOG=1", "STATUS=..."); does
/// nothing when not started by systemd. Source: sd_notify(3).
void notify_service_manager(const std::string& state);

/// Returns how often systemd wants WATCHDOG=1 (half the configured limit); nullopt if it does not.
std::optional<Duration> watchdog_interval();

/// Takes SIGHUP, SIGTERM, SIGINT out of normal delivery and hands them to the caller of wait().
///
/// Construct in main before any thread starts, so that all threads inherit the mask. SIGPIPE is
/// ignored.
class Signals {
 public:
  Signals();
  /// Blocks until one of the signals arrives and returns its number.
  int wait();
};

/// Returns the number of processors this process may use; at least 1.
unsigned processor_count();

/// CPU seconds (user + system) used so far by this process.
double process_cpu_seconds();
/// Resident memory of this process in bytes; 0 if unknown.
std::uint64_t process_resident_bytes();

}  // namespace tocsin::base
