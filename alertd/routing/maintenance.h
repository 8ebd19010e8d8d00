// Maintenance windows: planned times in which alerts of named things are kept, shown and not told.
//
// One-off (from, to) or recurring (each Sunday at 02:00 for 4 h, in a time zone that must be
// named). Unlike a silence a window has a name, comes back, pauses escalation, and its end says
// what still fires.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/routing/silence_index.h"
#include "alertd/routing/time_interval.h"

namespace tocsin::routing {

/// On which days, when and for how long.
struct Recurrence {
  TimePeriod days;       ///< Its `times` are not used.
  int start_minute = 0;  ///< Of the day.
  base::Duration duration{0};
};

/// From when to when; the end is exclusive.
struct Window {
  base::WallTime starts_at;
  base::WallTime ends_at;
  friend bool operator==(const Window&, const Window&) = default;
};

struct Maintenance {
  std::string name;  ///< Its identity.
  std::vector<MatcherSet> matcher_sets;
  std::optional<Window> once;              ///< Either this
  std::optional<Recurrence> recurrence;    ///< or that.
  std::optional<base::WallTime> ended_at;  ///< A window that contained it was ended then.
  std::string created_by;
  std::string comment;
  base::WallTime updated_at;
  bool configured = false;  ///< Written in the configuration: cannot be changed by a command.
};

/// Returns the window that contains `now`.
std::optional<Window> window_at(const Maintenance& maintenance, base::WallTime now);

/// Returns the next window that starts after `now`, at most a year ahead.
std::optional<Window> next_window(const Maintenance& maintenance, base::WallTime now);

/// Errors: InvalidArgument (no name, nothing that it is about, matchers that match everything,
/// neither or both kinds of time, a window of no length or over 31 days).
base::Result<void> check_maintenance(const Maintenance& maintenance);

/// All maintenance windows. Pure. Owner: the pipeline.
class Maintenances {
 public:
  /// Replaces those that are configured; a name that a command made is taken over.
  void configure(std::vector<Maintenance> configured, base::WallTime now);

  /// Adds or replaces one made by a command. Errors: those of check_maintenance; InvalidArgument
  /// (the name is configured), LimitExceeded (10,000).
  base::Result<void> set(Maintenance maintenance, base::WallTime now);

  /// Ends the window that is open now; a one-off that has not begun never does.
  /// Errors: NotFound; InvalidArgument (no window is open or planned).
  base::Result<void> end(const std::string& name, base::WallTime now);

  /// Takes stored ones back.
  void restore(std::vector<Maintenance> maintenances, base::WallTime now);

  struct Changes {
    std::vector<std::string> started;
    std::vector<std::string> ended;
    bool edited = false;  ///< What they are about may have changed.
    bool empty() const { return started.empty() && ended.empty() && !edited; }
  };
  /// Lets time pass. One-off windows are forgotten a week after their end.
  Changes advance(base::WallTime now);

  /// Returns when advance() has something to do; nullopt: never.
  std::optional<base::WallTime> next_change() const;

  /// Returns the names of the open windows that are about the alert, sorted.
  std::vector<std::string> matching(const AlertLabels& alert) const;

  const Maintenance* find(const std::string& name) const;
  const std::map<std::string, Maintenance>& all() const { return all_; }
  /// Returns the window as advance() saw it open; nullopt: not open.
  std::optional<Window> open_window(const std::string& name) const;

  /// Returns and forgets the names that were changed by commands or are forgotten.
  std::set<std::string> take_dirty();

 private:
  void changed(base::WallTime now);

  std::map<std::string, Maintenance> all_;
  std::map<std::string, Window> open_;
  std::set<std::string> dirty_;
  std::optional<base::WallTime> next_;
  bool edited_ = false;
  base::WallTime advanced_at_{};
  SilenceIndex index_;  ///< Of the open ones.
};

}  // namespace tocsin::routing
