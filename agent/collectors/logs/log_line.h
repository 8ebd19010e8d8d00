// A line as the consumers of logs see it, and what a consumer is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// One line of a file, or one entry of the journal.
struct LogLine {
  std::string_view text;               ///< Without the line end.
  int priority = -1;                   ///< The journal's, 0 to 7; -1: unknown.
  std::string_view program;            ///< The journal's identifier; "" in files.
  std::string_view pid;                ///< The journal's.
  std::optional<base::WallTime> time;  ///< The journal's.
};

/// Makes metrics of lines. Owner: the logs' thread.
class LogConsumer {
 public:
  virtual ~LogConsumer() = default;

  /// Takes one line in. Bytes may be anything.
  virtual void take(const LogLine& line) = 0;
  /// Adds what is known now.
  virtual void tell(MetricSink& sink) = 0;

  /// Returns what is to be known after a restart: fields without tabs and line ends.
  virtual std::vector<std::vector<std::string>> save() const { return {}; }
  /// Takes back one of what save() returned; anything malformed is left out.
  virtual void load(const std::vector<std::string_view>& fields) { static_cast<void>(fields); }
};

}  // namespace tocsin::agent
