// What a mail canary knows: what was sent, what came back, what is out, what is lost. Pure.
//
// It is kept over restarts, so that a restart neither sends again at once nor forgets for how long
// nothing has come back.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace tocsin::agent {

class CanaryState {
 public:
  struct Sent {
    std::string word;
    base::WallTime at;
  };

  /// `began` is when the watching began, if nothing is known from before.
  explicit CanaryState(base::WallTime began) : received_(began) {}

  /// Reads what to_json() wrote; what is missing or malformed is as at the beginning.
  static CanaryState from_json(const boost::json::object& saved, base::WallTime began);
  boost::json::object to_json() const;

  /// Returns whether the last attempt is `every` ago; also if the clock was set back behind it.
  bool due(base::WallTime now, base::Duration every) const;

  /// A message is on its way to the relay.
  void attempt(std::string word, base::WallTime now);
  /// The relay took it.
  void taken(base::WallTime now) { taken_ = now; }
  /// The relay said no: nobody waits for it.
  void refused(const std::string& word);
  /// It arrived; one that nobody waits for is passed over. In the order they were sent.
  void found(const std::string& word, base::WallTime now);
  /// Gives up those that were sent longer ago than `after`; returns how many.
  std::size_t expire(base::WallTime now, base::Duration after);

  const std::vector<Sent>& waiting() const { return waiting_; }  ///< Oldest first.
  /// The words to look for, at most `max`: the newest, and as many of the oldest.
  std::vector<std::string> wanted(std::size_t max) const;

  std::optional<base::WallTime> taken_at() const { return taken_; }
  /// When the last came back; before the first did, when the watching began.
  base::WallTime received_at() const { return received_; }
  /// How long the last that came back was under way.
  std::optional<base::Duration> delay() const { return delay_; }

 private:
  std::vector<Sent> waiting_;
  std::optional<base::WallTime> attempted_;
  std::optional<base::WallTime> taken_;
  base::WallTime received_;
  std::optional<base::Duration> delay_;
};

}  // namespace tocsin::agent
