// "Why was nobody called?": the question, and the whole answer as plain values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "alertd/routing/route.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::story {

/// What is asked about: exactly one of labels, fingerprint and incident.
struct Question {
  model::Labels labels;     ///< Those of an alert, or enough of them; empty: one of the other two.
  std::string fingerprint;  ///< 16 hexadecimal digits.
  std::string incident;     ///< "T-1042"
  std::optional<base::WallTime> at;  ///< Missing: now.
};

/// One decision that was kept, oldest first.
struct DecisionLine {
  base::WallTime at;
  bool sent = false;
  std::string reason;       ///< "Silenced"
  std::string text;         ///< For people; names who and what.
  std::string incident_id;  ///< Empty: none.
  bool of_group = false;    ///< About the whole group, else about this alert.
};

/// A group that the alert belongs to by the routes in force now.
struct GroupStory {
  std::string key;
  std::string route;
  std::string receiver;
  bool exists = false;
  std::size_t firing = 0;
  std::size_t resolved = 0;
  routing::Timing timing;
  std::optional<base::WallTime> told_at;
  std::optional<base::WallTime> next_turn;
  std::string muted;  ///< "outside time interval 'office hours'"; empty: it speaks.
};

struct EventLine {
  base::WallTime at;
  std::string kind;
  std::string actor;
  std::string text;
};

struct IncidentStory {
  std::string id;
  std::string title;
  std::string state;       ///< As it was at the time asked about.
  std::string escalation;  ///< "policy 'page', step 1 of 2, next at ..."; empty: none, or the past.
  std::vector<EventLine> timeline;
};

struct AttemptStory {
  std::uint32_t attempt = 0;
  base::WallTime started_at;
  std::string outcome;  ///< "delivered", "retry", "dead", "under way", "unknown".
  std::string reply;    ///< What the receiver said.
};

struct DeliveryStory {
  std::string incident_id;
  std::string receiver;
  std::string channel;
  std::string kind;    ///< "firing", ...
  std::string reason;  ///< Why it was sent.
  std::string state;   ///< "pending", "delivered", "dead", "superseded".
  std::string note;  ///< "instead of ops/pager, which fails", why it was superseded; may be empty.
  base::WallTime created_at;
  std::optional<base::WallTime> next_attempt;
  std::vector<AttemptStory> attempts;
  bool names_alert = false;  ///< It says that this alert fires.
};

/// A rule that could have raised the alert.
struct RuleStory {
  std::string name;
  std::string source;  ///< file:line
  std::string text;    ///< "pending since ...: `for` is 5m, 2m more"
};

struct Story {
  std::string verdict;  ///< The true cause, in one line.
  bool called = false;  ///< Somebody was reached.
  base::WallTime at;
  bool past = false;     ///< Asked about a time before now.
  model::Labels labels;  ///< Of the alert that this is about.
  std::string fingerprint;
  std::string state;               ///< "firing", "resolved", "pending", "unknown"; of now.
  std::vector<std::string> notes;  ///< What to know when reading the rest.
  std::vector<routing::RouteStep> walk;
  std::vector<GroupStory> groups;
  std::string suppressed_by;  ///< By whom it is hidden now; empty: by nobody.
  std::vector<IncidentStory> incidents;
  std::vector<DeliveryStory> deliveries;
  std::vector<DecisionLine> decisions;
  std::vector<RuleStory> rules;
  std::vector<model::Labels> nearest;  ///< Other alerts that may be meant.
};

/// Tells stories. Implemented by Desk (desk.h); the API sees this.
class Storyteller {
 public:
  virtual ~Storyteller() = default;
  /// `done` is called once, from any thread.
  /// Errors in `done`: NotFound (the incident), InvalidArgument (nothing asked, a time to come, a
  /// fingerprint that is none), Unavailable (too many at once), those of the state store.
  virtual void tell(Question question, std::function<void(base::Result<Story>)> done) = 0;
};

}  // namespace tocsin::story
