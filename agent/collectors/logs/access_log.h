// Requests, their results and durations out of an access log, under the names that applications
// with metrics of their own use.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/collectors/logs/access_line.h"
#include "agent/collectors/logs/log_line.h"
#include "agent/collectors/logs/routes.h"
#include "agent/collectors/logs/sample_buffer.h"

namespace tocsin::agent {

struct AccessLogOptions {
  std::string job;  ///< The label `job`.
  AccessFormatSettings format;
  std::vector<RoutePattern> routes;
  std::size_t routes_max = 50;
  std::vector<double> buckets{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30};  ///< Seconds.
};

/// Owner: the logs' thread.
class AccessLog final : public LogConsumer {
 public:
  /// Errors: InvalidArgument (a pattern).
  static base::Result<std::unique_ptr<AccessLog>> make(AccessLogOptions options);

  void take(const LogLine& line) override;
  void tell(MetricSink& sink) override;

 private:
  struct Durations {
    std::vector<double> counts;  ///< Of each bucket alone, and beyond the last.
    double sum = 0;
    bool told = false;
  };
  AccessLog(AccessLogOptions options, AccessFormat format, Routes routes);
  void tell_durations(MetricSink& sink);

  AccessLogOptions options_;
  AccessFormat format_;
  Routes routes_;
  CounterTable requests_;
  CounterTable bytes_;
  std::map<std::string, Durations> durations_;
  double all_ = 0;
  double malformed_ = 0;
};

}  // namespace tocsin::agent
