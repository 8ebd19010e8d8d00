// What Alertmanager's API v2 sees of the daemon: plain values, and the few things it may ask for.
//
// alertd/app adapts routing and the dispatcher to these interfaces; every `done` is called exactly
// once, from any thread. Source: shared/reference/routing.md, section 1, "API v2".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alertd/api/views.h"
#include "common/model/alert.h"

namespace tocsin::api {

/// Why an alert is not told of at the moment; all empty: it is.
struct AlertmanagerSuppression {
  std::vector<std::string> silenced_by;   ///< Ids of silences.
  std::vector<std::string> inhibited_by;  ///< Fingerprints of the alerts that inhibit it.
  std::vector<std::string> muted_by;      ///< Names of time intervals, maintenances, "flapping".
};

struct AlertmanagerAlert {
  model::Alert alert;
  bool resolved = false;
  std::vector<std::string> receivers;  ///< Of all its groups, in order, each once.
  AlertmanagerSuppression suppression;
};

struct AlertmanagerGroup {
  std::string key;
  std::string receiver;
  model::Labels labels;
  model::Labels route_labels;
  std::vector<std::size_t> alerts;    ///< Indices into AlertmanagerSnapshot::alerts.
  std::vector<std::string> muted_by;  ///< Time intervals that hold the whole group.
};

/// All alerts and groups at one moment.
struct AlertmanagerSnapshot {
  std::vector<AlertmanagerAlert> alerts;
  std::vector<AlertmanagerGroup> groups;
};

struct AlertmanagerMatcher {
  std::string name;
  std::string value;
  bool is_regex = false;
  bool is_equal = true;
};

enum class SilenceState { Pending, Active, Expired };
/// Returns "pending", "active" or "expired".
std::string_view to_string(SilenceState state);

/// A silence, as it is posted and shown.
struct AlertmanagerSilence {
  std::string id;  ///< Empty in a post: a new one.
  /// An alert is silenced if all matchers of any of these match.
  std::vector<std::vector<AlertmanagerMatcher>> matcher_sets;
  base::WallTime starts_at;
  base::WallTime ends_at;
  base::WallTime updated_at;
  std::string created_by;
  std::string comment;
  std::map<std::string, std::string> annotations;
  SilenceState state = SilenceState::Active;
};

/// One running peer of a cluster.
struct AlertmanagerPeer {
  std::string name;
  std::string address;
};

struct AlertmanagerCluster {
  std::string status = "disabled";  ///< Or "settling", "ready".
  std::string name;                 ///< Ours; empty while disabled.
  std::vector<AlertmanagerPeer> peers;
};

/// Thread: all from any.
class AlertmanagerView {
 public:
  virtual ~AlertmanagerView() = default;
  /// The durable alerts and groups; asked for by each GET, so cached by who implements it.
  virtual void snapshot(std::function<void(std::shared_ptr<const AlertmanagerSnapshot>)> done) = 0;
  /// Hands alerts to routing. Returns whether they were taken; false: busy, post again later.
  virtual bool post(std::vector<model::Alert> alerts) = 0;
  /// Names of the configured receivers, in order.
  virtual std::vector<std::string> receivers() const = 0;
  /// The configuration as Alertmanager's YAML, without secrets.
  virtual std::string configuration() const = 0;
  /// How long an alert without an end fires after its last post.
  virtual base::Duration resolve_timeout() const = 0;
  virtual AlertmanagerCluster cluster() const = 0;

  virtual void silences(Done<std::vector<AlertmanagerSilence>> done) = 0;
  /// Errors in `done`: NotFound.
  virtual void silence(std::string id, Done<AlertmanagerSilence> done) = 0;
  /// Makes or changes one; `done` gets its id, which is new where the change asks for it.
  /// Errors in `done`: NotFound (of the id), InvalidArgument, LimitExceeded, Unavailable.
  virtual void set_silence(AlertmanagerSilence silence, std::string source,
                           Done<std::string> done) = 0;
  /// Errors in `done`: NotFound, InvalidArgument (expired already), Unavailable.
  virtual void expire_silence(std::string id, std::string source, Done<void> done) = 0;
};

}  // namespace tocsin::api
