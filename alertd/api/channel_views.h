// What the API sees of the channels that tell people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alertd/api/views.h"

namespace tocsin::api {

struct ChannelStatus {
  std::string name;   ///< "receiver/channel"
  std::string state;  ///< "ok", "failing", "open", "half_open", "paused"
  std::uint64_t waiting = 0;
  std::uint64_t in_flight = 0;
  std::string failover;                       ///< Empty: none.
  std::optional<base::WallTime> last_proven;  ///< It delivered something then.
  std::optional<base::WallTime> last_failed;
  std::string last_error;
  std::uint64_t delivered = 0;  ///< Since the start; so is the next.
  std::uint64_t failed = 0;
};

struct PreviewRequest {
  std::string channel;
  std::string incident;  ///< Empty: the newest one, or a sample if there is none.
  std::string text;      ///< Template instead of the configured text; empty: that.
};

/// The words of a message that is not sent.
struct MessagePreview {
  std::string of;  ///< What it is about: "T-1042, firing", "a sample".
  std::string title;
  std::string text;
  std::string html;
  std::string failure;  ///< What went wrong in a template; the built-in words stand in then.
};

struct DrillRequest {
  std::string severity;
  model::Labels labels;  ///< Beside alertname, severity and drill: for the routes.
  std::string source;
};

class ChannelDirectory {
 public:
  virtual ~ChannelDirectory() = default;
  virtual void list(Done<std::vector<ChannelStatus>> done) = 0;
  /// Errors in `done`: NotFound (channel, incident), InvalidArgument (the template does not parse).
  virtual void preview(PreviewRequest request, Done<MessagePreview> done) = 0;
  /// Raises an alert that goes the whole way and is marked as a drill. Returns its labels.
  virtual base::Result<model::Labels> drill(DrillRequest request) = 0;
};

}  // namespace tocsin::api
