// What one reading of a slow source found: samples to be told again and again, and failed checks.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sampler/round_sink.h"
#include "common/base/log.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// Built by one reading, then turned into a Fill. Thread: one.
class KeptRound {
 public:
  using Label = std::pair<std::string_view, std::string>;  ///< The name is a literal.

  /// `server` is the label `server` of failed checks, and the subject in the log. `failures`
  /// outlives the object.
  KeptRound(std::string server, base::FailureLog& failures)
      : server_(std::move(server)), failures_(failures) {}

  /// `metric` is a constant: it outlives the Fill.
  void add(const MetricInfo& metric, std::initializer_list<Label> labels, double value);
  void add(const MetricInfo& metric, double value) { add(metric, {}, value); }

  /// Says how the part `name` went. A failure is told as tocsin_agent_check_failed until the next
  /// reading, and by the log once.
  void check(std::string_view name, const base::Result<void>& outcome);
  void failed(std::string_view name, const base::Error& error) {
    check(name, base::Result<void>(error));
  }

  /// Writes what was found to the log, once as long as it is the same; nothing if `what` is empty.
  /// For names that belong in no label.
  void say(std::string_view subject, const std::string& what);

  /// Returns what writes all of it. Call once, at the end.
  Fill fill() &&;

 private:
  struct Sample {
    const MetricInfo* metric;
    std::vector<Label> labels;
    double value;
  };
  struct Failure {
    std::string check;
    base::Error error;
  };

  std::string server_;
  base::FailureLog& failures_;
  std::vector<Sample> samples_;
  std::vector<Failure> failed_;
};

}  // namespace tocsin::agent
