// What the API sees of the rest of the daemon: plain values, and the few things it may ask for.
//
// The API knows neither ruler nor state nor incident engine; alertd/app adapts them to these
// interfaces. Everything that lives on another thread answers through a `done`, called exactly
// once, from any thread (an adapter that has the answer at hand may call it at once).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alertd/api/rule_views.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/severity.h"

namespace tocsin::api {

template <class T>
using Done = std::function<void(base::Result<T>)>;

struct IncidentAlert {
  model::Labels labels;
  model::Labels annotations;
  bool firing = true;
  base::WallTime starts_at;
  std::optional<base::WallTime> ends_at;
  std::vector<std::string> suppressed_by;  ///< "silence 42", "inhibited by ..."; empty: not.
};

struct IncidentEvent {
  base::WallTime at;
  std::string kind;
  std::string actor;  ///< Empty: the daemon itself.
  std::string text;
};

struct IncidentDelivery {
  std::string receiver;
  std::string channel;
  std::string kind;   ///< "firing", "resolved", ...
  std::string state;  ///< "pending", "delivered" or "dead".
  std::uint32_t attempts = 0;
  std::string reason;  ///< Why it was sent.
  std::string detail;  ///< What the receiver said last.
  base::WallTime created_at;
};

/// An incident; the three lists are filled by find() only.
struct IncidentInfo {
  std::string id;  ///< "T-1042"
  std::string title;
  std::string state;  ///< "open", "acknowledged", "resolved"
  model::Severity severity = model::Severity::Medium;
  model::Severity peak_severity = model::Severity::Medium;
  base::WallTime opened_at;
  base::WallTime updated_at;
  std::optional<base::WallTime> resolved_at;
  std::string acknowledged_by;
  std::optional<base::WallTime> acknowledged_until;
  std::string resolved_by;
  std::string comment;
  model::Labels labels;  ///< The group's labels.
  std::uint64_t alerts_firing = 0;
  std::string escalation;  ///< For people: "step 2 of 4, next at 14:05"; empty for none.
  std::string owner;       ///< Who leads; empty: nobody.
  std::optional<base::WallTime> snoozed_until;
  std::string merged_into;  ///< Id; empty: by itself.
  std::optional<base::WallTime> mitigated_at;
  std::optional<base::WallTime> reviewed_at;
  std::vector<IncidentAlert> alerts;
  std::vector<IncidentEvent> timeline;
  std::vector<IncidentDelivery> deliveries;
};

struct IncidentFilter {
  std::string state;  ///< "open", "acknowledged", "resolved", "unresolved"; empty: all.
  std::optional<model::Severity> severity;
  std::string before;       ///< Only incidents older than this id; empty: from the newest.
  std::size_t limit = 100;  ///< 1 to 1000.
};

class IncidentView {
 public:
  virtual ~IncidentView() = default;
  /// Newest first.
  virtual void list(IncidentFilter filter, Done<std::vector<IncidentInfo>> done) = 0;
  /// Errors in `done`: NotFound.
  virtual void find(std::string id, Done<IncidentInfo> done) = 0;
};

/// What a person does to an incident.
struct IncidentCommand {
  std::string id;
  std::string by;                      ///< As given; 1 to 200 bytes.
  std::string comment;                 ///< At most 4000 bytes.
  std::optional<base::Duration> hold;  ///< `for`: how long an acknowledgement holds.
  std::string source;                  ///< How it came and with which right: "api 192.0.2.7 token".
  std::string target;                  ///< Merge: into which; Owner: who, empty: `by`.
  std::optional<model::Severity> severity;  ///< Severity and Create.
  std::string title;                        ///< Of Create; so are the others.
  std::string receiver;                     ///< Empty: the root route's.
  std::string policy;                       ///< Empty: by severity.
  model::Labels labels;
};

/// What a person does beyond acknowledging and resolving.
enum class IncidentAction {
  Create,
  Unacknowledge,
  Note,
  Snooze,
  Unsnooze,
  Merge,
  Unmerge,
  Severity,
  Owner,
  Mitigate,
  Review,
};

class IncidentCommands {
 public:
  virtual ~IncidentCommands() = default;
  /// `done` is called once the change is durable.
  /// Errors in `done`: NotFound; InvalidArgument (it is resolved already); Unavailable.
  virtual void acknowledge(IncidentCommand command, Done<IncidentInfo> done) = 0;
  virtual void resolve(IncidentCommand command, Done<IncidentInfo> done) = 0;
  /// Errors in `done` also: LimitExceeded; InvalidArgument (it does not fit the incident's state).
  virtual void act(IncidentAction action, IncidentCommand command, Done<IncidentInfo> done) = 0;
};

struct AgentInfo {
  std::string name;
  model::Labels labels;  ///< Stamped on everything it sends.
  base::WallTime created_at;
  std::optional<base::WallTime> last_seen;
  std::string version;           ///< As it said last; empty if it never came.
  std::uint64_t series = 0;      ///< In the store, written since its start.
  std::uint64_t series_max = 0;  ///< 0: no limit.
  std::uint64_t series_refused = 0;
  std::uint64_t samples = 0;  ///< Received since the start, and those of them not stored.
  std::uint64_t samples_refused = 0;
  std::map<std::string, std::uint64_t> limits;            ///< By the setting's name.
  std::map<std::string, std::uint64_t> requests_limited;  ///< Refused, by the setting's name.
};

/// A new agent and its token, which is shown once and stored only as a hash.
struct EnrolledAgent {
  AgentInfo agent;
  base::Secret token;
};

struct AgentRequest {
  std::string name;
  model::Labels labels;
  std::string source;
};

class AgentDirectory {
 public:
  virtual ~AgentDirectory() = default;
  virtual void list(Done<std::vector<AgentInfo>> done) = 0;
  /// Errors in `done`: InvalidArgument (exists already), Unavailable, Io.
  virtual void add(AgentRequest request, Done<EnrolledAgent> done) = 0;
  /// Its token is refused from now on. Errors in `done`: NotFound, Unavailable, Io.
  virtual void remove(std::string name, std::string source, Done<void> done) = 0;
};

struct ReloadOutcome {
  std::uint64_t generation = 0;
  std::uint64_t rules = 0;
  std::vector<std::string> warnings;
};

class Reloader {
 public:
  virtual ~Reloader() = default;
  /// Errors in `done`: InvalidArgument with all diagnostics, one a line; the running generation
  /// stays.
  virtual void reload(std::string source, Done<ReloadOutcome> done) = 0;
};

struct TestOutcome {
  bool delivered = false;
  std::string detail;  ///< What the receiver said; secrets removed.
  base::Duration took{0};
};

class TestSender {
 public:
  virtual ~TestSender() = default;
  /// Sends a test through the real queue. Errors in `done`: NotFound (no such channel), Timeout.
  virtual void send_test(std::string channel, std::string source, Done<TestOutcome> done) = 0;
};

/// One part of the daemon and whether it works.
struct HealthPart {
  std::string name;
  bool ok = true;
  std::string detail;
};

struct StatusInfo {
  std::string revision;  ///< Commit of the build; may be empty.
  base::WallTime started_at;
  bool ready = true;  ///< Replay is done and rules are being evaluated.
  std::vector<HealthPart> parts;
  std::vector<std::pair<std::string, double>> store;   ///< "series", "samples", "bytes", ...
  std::vector<std::pair<std::string, double>> counts;  ///< "agents", "rules", "alerts_firing", ...
};

/// What the server runs with.
struct ServerInfo {
  bool reload_ok = true;                                   ///< The last one.
  std::string retention;                                   ///< Of samples: "15d".
  std::string external_url;                                ///< Empty: not configured.
  std::vector<std::pair<std::string, std::string>> flags;  ///< By Prometheus's names.
};

/// Thread: any; returns a snapshot.
class StatusView {
 public:
  virtual ~StatusView() = default;
  virtual StatusInfo status() const = 0;
  virtual ServerInfo server() const { return {}; }
  /// The configuration as YAML without secrets. May read a file.
  virtual std::string config_text() const { return ""; }
};

}  // namespace tocsin::api
