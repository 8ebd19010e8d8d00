// Acknowledging without a login: the page behind a signed link, and the buttons of chats.
//
// A link may be fetched by anything that scans mail, so GET only shows; the button on the page
// posts. Both are open to everybody: the token is the right. A token acts once: when the incident
// opens again later, yesterday's mail must not quiet it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "alertd/api/ack_token.h"
#include "alertd/api/router.h"
#include "alertd/api/views.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace tocsin::api {

/// Remembers used tokens until they expire. Thread: any.
class UsedTokens {
 public:
  /// Returns whether the token had not been used; it is then.
  bool use(const std::string& token, base::WallTime expires, base::WallTime now) EXCLUDES(mutex_);
  /// Makes it good again: what it should do could not be done.
  void release(const std::string& token) EXCLUDES(mutex_);

 private:
  base::Mutex mutex_;
  std::map<std::string, base::WallTime> used_ GUARDED_BY(mutex_);
};

/// What acting on a token came to, for whoever shows it.
struct AckResult {
  int status = 200;
  std::string text;  ///< One sentence.
};

/// Does what a token allows. Thread: any.
class AckDesk {
 public:
  struct Parts {
    const AckSigner& signer;
    IncidentCommands& commands;
    const base::Clock& clock;
    base::Metrics& metrics;
  };
  explicit AckDesk(const Parts& parts) : parts_(parts) {}

  struct Act {
    std::string token;
    std::string by;      ///< Empty: whom the token was sent to.
    std::string source;  ///< "link 192.0.2.7", "slack": for the audit trail.
    std::optional<base::Duration> hold;
    /// Instead of the token's: only where the sender was checked as well.
    std::optional<AckAction> action;
    std::string comment;
  };
  void act(Act act, std::function<void(AckResult)> done);

  const Parts& parts() const { return parts_; }

 private:
  void count(std::string_view way, std::string_view outcome);

  Parts parts_;
  UsedTokens used_;
};

/// GET and POST /ack/<token>.
class AckHandlers {
 public:
  AckHandlers(AckDesk& desk, IncidentView& incidents) : desk_(desk), incidents_(incidents) {}
  std::vector<Route> routes() const;
  void show(ApiCall call) const;
  void act(ApiCall call) const;

 private:
  AckDesk& desk_;
  IncidentView& incidents_;
};

}  // namespace tocsin::api
