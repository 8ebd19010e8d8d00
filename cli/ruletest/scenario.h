// A test file of ours as values. Grammar for people: docs/testing-rules.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "alertd/promql/engine.h"
#include "alertd/ruler/rule_model.h"
#include "cli/ruletest/input.h"
#include "cli/ruletest/local_time.h"
#include "cli/ruletest/selector.h"
#include "common/config/node.h"
#include "common/model/severity.h"

namespace tocsin::ruletest {

/// { at = "5m", firing = 'Name{...}', severity = "high", value = 3, summary = "..." }
struct AlertCheck {
  enum class Kind { Firing, Pending, Resolved, None };
  base::Position place;
  base::Duration at{0};
  Kind kind = Kind::Firing;
  AlertSelector alert;
  std::optional<model::Severity> severity;
  std::optional<double> value;
  std::optional<std::size_t> count;  ///< Of alerts that match; default: at least one.
  TextConditions annotations;
};

/// { alert = 'Name{...}', states = ["0s pending", "5m firing high", "26m resolved"] }
struct TimelineCheck {
  enum class State { Pending, Firing, Resolved, Inactive };
  struct Entry {
    base::Duration at{0};
    State state = State::Pending;
    std::optional<model::Severity> severity;
  };
  base::Position place;
  AlertSelector alert;
  std::vector<Entry> entries;
};

/// { at = "5m", expr = 'sum(up)', result = ['{job="a"} 1'] }, or value = 1 for a single element.
struct QueryCheck {
  base::Position place;
  base::Duration at{0};
  std::string text;
  promql::ExprPtr expr;
  std::vector<std::pair<model::Labels, double>> result;
  bool single = false;  ///< `value`: one element of any labels, or a scalar.
};

/// { rule = "Name", contains = "part of the message" }: this rule's failure is wanted.
struct ErrorCheck {
  base::Position place;
  std::string rule;
  std::string contains;
};

/// { at = "6m", alert = 'Name{...}', state = "open", severity = "high" }, or none = 'Name'.
struct IncidentCheck {
  base::Position place;
  base::Duration at{0};
  bool none = false;  ///< No incident that is not resolved is about such an alert.
  AlertSelector alert;
  std::string state;  ///< "open", "acknowledged", "resolved"; empty: any.
  std::optional<model::Severity> severity;
  std::optional<model::Severity> peak_severity;
  std::size_t count = 1;
};

/// { at = "5m", within = "30s", receiver = "ops", status = "firing", alert = 'Name{...}' }
struct NotificationCheck {
  base::Position place;
  base::Duration begin{0};
  base::Duration end{0};
  std::optional<AlertSelector> alert;
  std::string receiver;  ///< Empty: any.
  std::string channel;   ///< Empty: any.
  std::string status;    ///< "firing", "update", ...; empty: any.
  std::optional<model::Severity> severity;
  std::size_t count = 1;
};

/// What happens at a time.
struct TestEvent {
  enum class Kind { Acknowledge, Resolve, Restart, Gap };
  base::Position place;
  base::Duration at{0};
  Kind kind = Kind::Restart;
  AlertSelector alert;  ///< Acknowledge, Resolve: of the incident.
  std::string by;
  std::string comment;
  std::string hold;          ///< Acknowledge: for so long.
  base::Duration length{0};  ///< Restart: away for so long. Gap: no sample comes for so long.
};

struct TestCase {
  std::string name;
  base::Position place;
  std::vector<std::string> rule_paths;  ///< As they are to be opened.
  TestClock clock;
  base::Duration end{0};  ///< The test plays [0, end].
  std::vector<InputSeries> input;
  base::Duration input_end{0};  ///< The last time that any line of the input speaks of.
  model::Labels external_labels;
  std::string external_url;
  std::optional<std::string> alertd_path;     ///< Configuration to run alertd with: a file...
  const config::Node* alertd_text = nullptr;  ///< ...or text inside the test file.

  std::vector<AlertCheck> alerts;  ///< Sorted by time, like the lists below that have one.
  std::vector<TimelineCheck> timelines;
  std::vector<std::pair<base::Position, AlertSelector>> never_fires;
  std::vector<QueryCheck> queries;
  std::vector<ErrorCheck> errors;
  std::vector<IncidentCheck> incidents;
  std::vector<NotificationCheck> notifications;
  bool other_notifications = false;  ///< There may be more than those listed.
  std::vector<TestEvent> events;

  /// Returns whether the whole daemon is needed: configuration, incidents or notifications.
  bool live() const;
  std::size_t assertions() const;
};

struct TestFile {
  config::Source source;
  config::Node root;  ///< Of the file; alertd_text points into it.
  base::Duration interval_default{15'000};
  std::vector<TestCase> cases;
};

}  // namespace tocsin::ruletest
