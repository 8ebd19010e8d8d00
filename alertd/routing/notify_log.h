// What was told last of a group by one integration: Alertmanager's notification log.
//
// It outlives the group: an alert that vanished while it was muted still counts as told. Entries
// expire after twice the repeat interval, at most the retention. Peers replicate them, the newest
// counts. Source: shared/reference/routing.md, section 1, "When a notification is sent".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/routing/dedup.h"
#include "common/base/time.h"

namespace tocsin::routing {

struct LoggedNotification {
  std::string key;  ///< See notify_log_key().
  std::set<Fingerprint> firing;
  std::set<Fingerprint> resolved;
  base::WallTime at;
  base::WallTime expires_at;
};

/// Returns "<path of the route>:<group labels>\n<receiver>/<channel>".
std::string notify_log_key(const std::string& path, const model::Labels& labels,
                           const std::string& receiver, const std::string& channel);

/// A group as it is now, without what is muted.
struct Batch {
  std::set<Fingerprint> firing;
  std::set<Fingerprint> resolved;
};

/// Decides as Alertmanager's DedupStage does. `last` is null if nothing was told or it expired.
///
/// "All resolved" is decided whatever `send_resolved` says, so that the log is cleared; the caller
/// then sends nothing.
Verdict decide_logged(const LoggedNotification* last, const Batch& batch, bool send_resolved,
                      base::Duration repeat_interval, base::WallTime now);

/// Thread: the owner's.
class NotifyLogs {
 public:
  /// Returns the entry, or nullptr if there is none or it is over.
  const LoggedNotification* find(const std::string& key, base::WallTime now) const;
  void put(LoggedNotification entry);
  /// Takes a peer's entry if it is newer; returns whether it was.
  bool merge(LoggedNotification entry, base::WallTime now);
  void restore(std::vector<LoggedNotification> entries);
  /// Forgets what is over.
  void expire(base::WallTime now);
  std::optional<base::WallTime> next_expiry() const;
  const std::map<std::string, LoggedNotification>& all() const { return entries_; }
  /// Returns and forgets the keys that changed; one that all() does not have is over.
  std::set<std::string> take_dirty();

 private:
  std::map<std::string, LoggedNotification> entries_;
  std::set<std::pair<base::WallTime, std::string>> expiries_;
  std::set<std::string> dirty_;
};

}  // namespace tocsin::routing
