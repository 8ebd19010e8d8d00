// The pure parts of a story: what a line of the past says. Whole stories are in tests/data/stories.
#include <doctest/doctest.h>

#include "alertd/incident/record_codec.h"
#include "alertd/story/cause.h"
#include "alertd/story/desk.h"
#include "alertd/story/occurrence.h"
#include "alertd/story/timeline.h"

namespace tocsin::story {
namespace {

using incident::DeliveryState;
using model::Labels;

const base::WallTime kStart = base::wall_time(1'700'000'000'000);  // 2023-11-14T22:13:20Z
const Labels kAlert{{"alertname", "DiskFull"}, {"host", "db1"}};

base::WallTime minute(int n) {
  return kStart + std::chrono::minutes(n);
}

incident::DecisionRecord row(int at, std::string_view reason, std::string text, bool sent = false) {
  return {minute(at), "route:{}", "", "T-1001", sent, std::string(reason), std::move(text)};
}

incident::DecisionRecord own(int at, std::string_view reason, const std::string& text = {}) {
  incident::DecisionRecord record = row(at, reason, kAlert.to_string());
  record.subject = "member:route:{}";
  if (!text.empty()) record.text += ": " + text;
  record.fingerprint = incident::alert_key(kAlert.fingerprint());
  return record;
}

incident::DeliveryRecord message(int at, bool firing, DeliveryState state) {
  incident::DeliveryRecord record;
  record.row.state = state;
  record.row.attempts = 1;
  incident::Notification& notification = record.row.notification;
  notification.created_at = minute(at);
  notification.receiver = "ops";
  notification.channel = "sms";
  notification.kind =
      firing ? incident::NotificationKind::Firing : incident::NotificationKind::Resolved;
  incident::NotifiedAlert alert;
  alert.alert.labels = kAlert;
  alert.firing = firing;
  notification.alerts = {alert};
  record.attempts = {{1, minute(at), minute(at), base::Duration{0},
                      std::string(incident::attempt_outcome(state)), "HTTP 201"}};
  return record;
}

Evidence evidence(int at) {
  Evidence evidence;
  evidence.at = minute(at);
  evidence.past = true;
  evidence.labels = kAlert;
  evidence.fingerprint = incident::alert_key(kAlert.fingerprint());
  return evidence;
}

void add(Evidence& to, const incident::DeliveryRecord& record) {
  if (auto delivery = as_of(record, to.at, to.fingerprint)) {
    to.deliveries.push_back(std::move(*delivery));
  }
}

}  // namespace

TEST_CASE("story: labels in front of a decision's text") {
  CHECK(without_labels("{a=\"b\"}: silence 1") == "silence 1");
  CHECK(without_labels("{a=\"}: \\\" {\"}: x: y") == "x: y");
  CHECK(without_labels("{a=\"b\"}") == "");
  CHECK(without_labels("3 firing") == "3 firing");
  CHECK(without_labels("{a=\"cut") == "{a=\"cut");
  const Labels odd{{"alertname", "A \"quoted\" }: name"}, {"b", "\\"}};
  CHECK(labels_of(odd.to_string() + ": why") == odd);
  CHECK(labels_of(odd.to_string()) == odd);
  CHECK_FALSE(labels_of("{a=\"cut").has_value());
  CHECK_FALSE(labels_of("3 firing").has_value());
}

TEST_CASE("story: which alert is meant") {
  CHECK(is_meant(Labels{{"alertname", "DiskFull"}}, kAlert, std::nullopt));
  CHECK_FALSE(is_meant(Labels{{"alertname", "DiskFull"}, {"host", "db2"}}, kAlert, std::nullopt));
  // The severity of a rule with levels stands beside the labels.
  const Labels high{{"alertname", "DiskFull"}, {"severity", "high"}};
  CHECK(is_meant(high, kAlert, model::Severity::High));
  CHECK_FALSE(is_meant(high, kAlert, model::Severity::Low));
  CHECK(is_meant(high, kAlert, std::nullopt));
}

TEST_CASE("story: an incident as its timeline tells it") {
  std::vector<incident::TimelineEvent> lines;
  const auto after = [&lines](std::string kind, std::string actor, std::string text) {
    lines.push_back(
        {"T-1", lines.size() + 1, kStart, std::move(kind), std::move(actor), std::move(text)});
    return replay(lines);
  };
  CHECK(after("opened", "", "high: x").held == "");
  CHECK(after("acknowledged", "ann", "until 14:00: on it").held ==
        "acknowledged by ann until 14:00: on it");
  CHECK(after("snoozed", "ann", "until 15:00").held == "snoozed by ann until 15:00");
  CHECK(after("snooze_ended", "", "").state == "acknowledged");
  CHECK(after("acknowledgement_expired", "", "").held == "");
  const IncidentThen merged = after("merged", "ann", "into T-9");
  CHECK(merged.held == "merged into T-9");
  CHECK(merged.merged_into == "T-9");
  CHECK(after("unmerged", "ann", "from T-9").merged_into == "");
  CHECK(after("held", "", "waits for T-3, on which it depends").held ==
        "it waits for T-3, on which it depends");
  CHECK(after("notified", "", "firing to ops (sms)").held == "");
  const IncidentThen closed = after("resolved", "ben", "known");
  CHECK(closed.state == "resolved");
  CHECK(closed.held == "resolved by ben: known");
  CHECK(after("reopened", "", "").held == "");
  CHECK(after("resolved", "", "").held == "");
}

TEST_CASE("story: a delivery as it was then") {
  const std::string fingerprint = incident::alert_key(kAlert.fingerprint());
  incident::DeliveryRecord record = message(1, true, DeliveryState::Dead);
  record.row.attempts = 2;
  record.attempts = {{1, minute(1), minute(2), base::Duration{0}, "retry", "HTTP 503"},
                     {2, minute(5), minute(6), base::Duration{0}, "dead", "HTTP 401"}};
  CHECK_FALSE(as_of(record, minute(0), fingerprint).has_value());
  auto then = as_of(record, minute(1), fingerprint);
  REQUIRE(then);
  CHECK(then->names_alert);
  CHECK(then->record.row.state == DeliveryState::Pending);
  CHECK(then->last_answer() == nullptr);
  then = as_of(record, minute(3), fingerprint);
  CHECK(then->record.attempts.size() == 1);
  CHECK(then->last_answer()->text == "HTTP 503");
  then = as_of(record, minute(6), fingerprint);
  CHECK(then->record.row.state == DeliveryState::Dead);
  CHECK_FALSE(as_of(record, minute(6), "another")->names_alert);
  CHECK(as_of(message(1, false, DeliveryState::Delivered), minute(6), fingerprint)->ends_alert);
}

TEST_CASE("story: who was told last week was not told tonight") {
  Evidence all = evidence(100);
  all.own = {own(1, "GroupWait"), own(50, "Silenced", "silence 7 of ann until 14:00")};
  all.of_groups = {row(2, "FirstNotification", "firing to ops (sms)", true),
                   row(10, "AllResolved", "resolved to ops (sms)", true)};
  add(all, message(2, true, DeliveryState::Delivered));
  add(all, message(10, false, DeliveryState::Delivered));
  const Occurrence tonight = find_occurrence(all);
  CHECK(tonight.after == minute(10));
  CHECK(tonight.calls.empty());
  CHECK(find_cause(all).text ==
        "Nobody was called because it is silenced: silence 7 of ann until 14:00");

  Evidence last_week = evidence(9);
  last_week.own = {all.own[0]};
  last_week.of_groups = {all.of_groups[0]};
  add(last_week, message(2, true, DeliveryState::Delivered));
  const Cause told = find_cause(last_week);
  CHECK(told.called);
  CHECK(told.text == "Called: ops by sms at 2023-11-14T22:15:20Z, delivered (HTTP 201)");
}

TEST_CASE("story: what no longer hides it is no cause") {
  Evidence all = evidence(100);
  all.own = {own(1, "Silenced", "silence 7"), own(20, "Released")};
  all.of_groups = {row(2, "Silenced", "silence 7"),
                   row(20, "NoChannel", "receiver 'ops' has no channel")};
  CHECK(find_cause(all).text == "Nobody was called because receiver 'ops' has no channel");
}

TEST_CASE("story: a fallback that fails is not hidden by who answered") {
  Evidence all = evidence(100);
  all.own = {own(1, "GroupWait")};
  add(all, message(2, true, DeliveryState::Delivered));
  incident::DeliveryRecord dead = message(3, true, DeliveryState::Dead);
  dead.row.notification.receiver = "ben";
  dead.attempts[0].text = "HTTP 401";
  add(all, dead);
  CHECK(find_cause(all).text ==
        "Called: ops by sms at 2023-11-14T22:15:20Z, delivered (HTTP 201); not reached: ben by sms "
        "was given up after 1 attempt: HTTP 401");
}

TEST_CASE("story: a daemon that stands by says so") {
  Evidence nothing = evidence(1);
  nothing.standing_by = true;
  CHECK(find_cause(nothing).text ==
        "Nobody was called by this daemon because it stands by: another one has the lease and "
        "decides");
}

}  // namespace tocsin::story
