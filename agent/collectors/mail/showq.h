// Postfix's own listing of its queue, as `postqueue -p` gets it: from a socket that members of the
// group postdrop may open.
//
// The listing is a stream of names and values, each ended by a zero byte; an empty name ends a
// message. It names senders and recipients, which are passed over. Source: Postfix 3.x, showq(8)
// and attr_print0.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/collectors/mail/spool_walk.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// Takes the listing as it comes, in pieces of any size. Pure; keeps no more than one value.
class ShowqParser {
 public:
  void take(std::string_view bytes);

  /// By queue: "active", "deferred", "hold", "incoming", "maildrop". A queue without messages is
  /// not in it.
  const std::map<std::string, SpoolCount>& queues() const { return queues_; }
  std::size_t messages() const { return messages_; }
  /// Whether the listing was whole: it ends between two messages.
  bool complete() const { return !in_message_ && partial_.empty(); }

 private:
  void word(std::string_view text);
  void end_message();

  std::map<std::string, SpoolCount> queues_;
  std::size_t messages_ = 0;
  std::string partial_;  ///< Of a word.
  std::string name_;     ///< Whose value comes next; empty: a name comes next.
  bool in_message_ = false;
  std::string queue_;
  std::optional<base::WallTime> came_;
};

struct ShowqLimits {
  std::size_t messages_max = 100'000;
  base::Duration timeout{30'000};
};

/// Asks the socket, usually <spool>/public/showq. Blocking, up to the time-out.
/// Errors: NotFound, PermissionDenied (says which group), Unavailable, Timeout.
base::Result<std::map<std::string, SpoolCount>> read_showq(const std::string& path,
                                                           const ShowqLimits& limits,
                                                           const base::Clock& clock);

}  // namespace tocsin::agent
