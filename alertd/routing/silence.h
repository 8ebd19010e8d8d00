// Silences: who asked that which alerts are not told of, from when to when.
//
// The semantics are Alertmanager's, so that its clients keep working: matcher sets (one must match,
// all its matchers must), an edit that keeps the id only where history stays true, expired ones
// kept for 120 h, peers merged by the latest word. A silence hides messages, never alerts. Ours on
// top: it may end when all that it hid is resolved, and it reminds before it ends while it still
// hides something. Source: shared/reference/routing.md, section 1, "Silences".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/routing/alert_labels.h"
#include "alertd/routing/silence_index.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::routing {

enum class SilenceState { Pending, Active, Expired };

/// Returns "pending", "active" or "expired".
std::string_view to_string(SilenceState state);

struct Silence {
  std::string id;  ///< A UUID; empty in a request for a new one.
  std::vector<MatcherSet> matcher_sets;
  base::WallTime starts_at;  ///< 1970 in a request: now.
  base::WallTime ends_at;    ///< Exclusive.
  base::WallTime updated_at;
  std::string created_by;
  std::string comment;
  std::map<std::string, std::string> annotations;
  bool until_resolved = false;                  ///< Ends as soon as all that it hid is resolved.
  std::optional<base::Duration> remind_before;  ///< Before its end, while it hides something.

  // Kept by routing.
  bool has_hidden = false;  ///< It has hidden an alert since it became active.
  bool reminded = false;

  SilenceState state(base::WallTime now) const;
};

/// Returns whether the alert satisfies some set.
bool matches(const Silence& silence, const AlertLabels& alert);

/// Returns "{a=\"1\"} or {b=\"2\"}".
std::string describe_matchers(const std::vector<MatcherSet>& sets);

/// Returns "silence 4711... of ann (disks are replaced)" for people.
std::string describe_silence(const Silence& silence);

/// Errors: InvalidArgument, in Alertmanager's words where it has some: no matcher, a set that
/// matches the empty label set, no end, an end before the start.
base::Result<void> check_silence(const Silence& silence);

struct SilenceLimits {
  std::size_t silences_max = 0;  ///< Expired ones count; 0: no limit.
  std::size_t bytes_max = 0;     ///< Of one silence's texts and matchers; 0: no limit.
  base::Duration retention = std::chrono::hours(120);  ///< Kept for so long after the end.
};

/// All silences. Pure apart from its own table. Owner: the pipeline.
class Silences {
 public:
  explicit Silences(SilenceLimits limits = {}) : limits_(limits) {}

  /// Adds a silence, or changes the one of that id.
  ///
  /// The id stays if the matchers are the same and (active: the start is in the same second, the
  /// end is not past; pending: the start is not past). Otherwise the old one expires and a new id
  /// is given. A start in the past becomes now. Returns the id.
  /// Errors: those of check_silence; NotFound (unknown id), LimitExceeded.
  base::Result<std::string> set(Silence silence, base::WallTime now);

  /// Ends it now; a pending one never begins.
  /// Errors: NotFound; InvalidArgument (already expired).
  base::Result<void> expire(const std::string& id, base::WallTime now);

  /// Takes a peer's word if it is newer than ours; returns whether it was. What is long over or
  /// cannot be valid is not taken.
  bool merge(Silence silence, base::WallTime now);

  /// Takes stored silences back.
  void restore(std::vector<Silence> silences, base::WallTime now);

  /// Lets time pass: starts, ends and forgets. Returns the ids whose state changed since the last
  /// call, by a command too.
  std::vector<std::string> advance(base::WallTime now);

  /// Returns when advance() has something to do; nullopt: never.
  std::optional<base::WallTime> next_change() const;

  /// Returns the ids of the active silences that match, sorted.
  std::vector<std::string> matching(const AlertLabels& alert) const;

  void mark_hidden(const std::string& id);
  void mark_reminded(const std::string& id);

  const Silence* find(const std::string& id) const;
  const std::map<std::string, Silence>& all() const { return silences_; }
  void set_limits(SilenceLimits limits) { limits_ = limits; }

  /// Returns and forgets the ids that were changed; one that find() does not know was forgotten.
  std::set<std::string> take_dirty();

 private:
  base::Result<void> check_size(const Silence& silence) const;
  std::string new_id(const Silence& silence, base::WallTime now) const;
  Silence& store(Silence silence, base::WallTime now);
  std::optional<base::WallTime> find_next_change() const;
  const SilenceIndex& index() const;

  SilenceLimits limits_;
  std::map<std::string, Silence> silences_;
  std::map<std::string, SilenceState> states_;  ///< As advance() saw them last.
  std::set<std::string> changed_;               ///< Since advance() was called last.
  base::WallTime changed_at_{};
  std::set<std::string> dirty_;
  base::WallTime advanced_at_{};
  std::optional<base::WallTime> next_;
  mutable SilenceIndex index_;
  mutable bool index_stale_ = true;
};

}  // namespace tocsin::routing
