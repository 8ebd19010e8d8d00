#include "alertd/incident/notification.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "alertd/incident/byte_values.h"
#include "alertd/incident/notification_builder.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {
namespace {

const base::WallTime kStart = base::wall_time(1'700'000'000'123);

model::Alert make_alert(std::string_view host, model::Severity severity) {
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", "DiskFull"}, {"host", host}, {"team", "db"}});
  alert.annotations = model::Labels({{"summary", "\"full\"\n\x01 größer <b>"}, {"on", host}});
  alert.severity = severity;
  alert.starts_at = kStart;
  alert.valid_until = kStart + std::chrono::minutes(4);
  alert.updated_at = kStart + std::chrono::seconds(1);
  alert.value = 97.5;
  alert.generator_url = "/graph?x=1";
  alert.rule_source = "disk.toml:7";
  return alert;
}

Incident make_incident() {
  Incident incident;
  incident.number = 1042;
  incident.group_key = "pages:{alertname=\"DiskFull\"}";
  incident.route = "pages";
  incident.receiver = "oncall";
  incident.group_labels = model::Labels({{"alertname", "DiskFull"}});
  incident.title = "it is full";
  incident.severity = model::Severity::High;
  incident.peak_severity = model::Severity::Critical;
  incident.opened_at = incident.updated_at = kStart;
  incident.notifications = 3;
  return incident;
}

}  // namespace

TEST_CASE("delivery key: the same for ever, and different for everything else") {
  const auto key = [](const char* id, const char* receiver, const char* channel,
                      NotificationKind kind, std::uint64_t sequence) {
    return delivery_key(id, receiver, channel, kind, sequence);
  };
  const std::string first = key("T-1", "oncall", "pager", NotificationKind::Firing, 1);
  CHECK(first.size() == 32);
  // First half of the SHA-256 of "3:T-1 6:oncall 5:pager firing 1": receivers remember keys over
  // upgrades.
  CHECK(first == "190ff2cb849a4f381db7cbf632eb0c0b");
  const std::set<std::string> keys{first,
                                   key("T-2", "oncall", "pager", NotificationKind::Firing, 1),
                                   key("T-1", "oncal", "lpager", NotificationKind::Firing, 1),
                                   key("T-1", "oncall", "mail", NotificationKind::Firing, 1),
                                   key("T-1", "oncall", "pager", NotificationKind::Update, 1),
                                   key("T-1", "oncall", "pager", NotificationKind::Firing, 2)};
  CHECK(keys.size() == 6);
}

TEST_CASE("notification: JSON and back") {
  Incident incident = make_incident();
  incident.state = IncidentState::Acknowledged;
  incident.acknowledgement = Acknowledgement{"ann", "on it", kStart, kStart, model::Severity::High};
  model::Alert resolved = make_alert("b", model::Severity::Low);
  resolved.ends_at = kStart + std::chrono::hours(1);
  resolved.value = std::nan("");
  Notification notification =
      make_notification(incident, NotificationKind::Update, Reason::SomeResolved,
                        {{make_alert("a", model::Severity::High)}, {resolved}}, 10);
  notification.channel = "pager";
  notification.key = "k";
  const auto back = notification_from_json(to_json(notification));
  REQUIRE_MESSAGE(back, back);
  CHECK(to_json(*back) == to_json(notification));
  CHECK(back->incident.acknowledged_by == "ann");
  CHECK(back->incident.comment == "on it");
  CHECK(back->incident.url_path == "/incidents/T-1042");
  CHECK(back->incident.state == IncidentState::Acknowledged);
  CHECK(back->reason == Reason::SomeResolved);
  CHECK(back->sequence == 3);
  // Of the SHA-256 of "<group key>\nT-1042\n<opened_at>": threads of messages go on over upgrades.
  CHECK(back->thread_key == "8b37e4c1871389cc");
  CHECK(back->common_labels == model::Labels({{"alertname", "DiskFull"}, {"team", "db"}}));
  CHECK(back->common_annotations ==
        std::map<std::string, std::string>{{"summary", "\"full\"\n\x01 größer <b>"}});
  REQUIRE(back->alerts.size() == 2);
  CHECK(back->alerts[0].firing);
  CHECK(back->alerts[0].alert.value == 97.5);
  CHECK(back->alerts[0].alert.starts_at == kStart);
  CHECK(!back->alerts[0].alert.ends_at);
  CHECK(!back->alerts[1].firing);
  CHECK(std::isnan(*back->alerts[1].alert.value));
  CHECK(back->alerts[1].alert.ends_at == resolved.ends_at);
}

TEST_CASE("stored labels: a count, then names and values with their lengths in front") {
  const std::string longest(200, 'x');
  const std::string expected = "\2\1a\1b\4host\310\1" + longest;
  std::string bytes;
  put_labels(model::Labels({{"a", "b"}, {"host", longest}}), bytes);
  CHECK(bytes == expected);
  bytes.clear();
  put_labels({}, bytes);
  CHECK(bytes == std::string(1, '\0'));
}

TEST_CASE("notification: bytes say once what an alert has in common with its message") {
  Notification notification =
      make_notification(make_incident(), NotificationKind::Firing, Reason::FirstNotification,
                        {{make_alert("a", model::Severity::Critical)}, {}}, 10);
  std::string shared;
  append_bytes(notification, shared);
  CHECK(to_json(notification_from_bytes(shared).value()) == to_json(notification));

  notification.common_labels = model::Labels({{"alertname", "DiskFull"}});
  notification.common_annotations["of"] = "none";
  std::string apart;
  append_bytes(notification, apart);
  CHECK(to_json(notification_from_bytes(apart).value()) == to_json(notification));
  CHECK(shared.size() < apart.size());
  apart[0] = 1;  // what an older release wrote
  CHECK(to_json(notification_from_bytes(apart).value()) == to_json(notification));
  apart[0] = 3;
  CHECK_FALSE(notification_from_bytes(apart));
}

TEST_CASE("notification: a summary with its members, JSON and back") {
  Notification notification;
  notification.kind = NotificationKind::Summary;
  notification.note = "instead of ops/pager";
  notification.failover_for = "ops/pager";
  notification.members.resize(2);
  notification.members[0].id = "T-7";
  notification.members[0].severity = model::Severity::High;
  notification.members[1].state = IncidentState::Resolved;
  notification.truncated_members = 35;
  const auto back = notification_from_json(to_json(notification));
  REQUIRE_MESSAGE(back, back);
  CHECK(to_json(*back) == to_json(notification));
  CHECK(back->kind == NotificationKind::Summary);
  CHECK(back->note == "instead of ops/pager");
  CHECK(back->failover_for == "ops/pager");
  REQUIRE(back->members.size() == 2);
  CHECK(back->members[0].id == "T-7");
  CHECK(back->members[0].severity == model::Severity::High);
  CHECK(back->truncated_members == 35);
  CHECK(back->firing());
  notification.members[0].state = IncidentState::Resolved;
  CHECK_FALSE(notification.firing());
}

namespace {

/// One that has something in every field.
Notification full_notification() {
  Incident incident = make_incident();
  incident.acknowledgement = Acknowledgement{"ann", "on it", kStart, kStart, model::Severity::High};
  model::Alert resolved = make_alert("b", model::Severity::Low);
  resolved.ends_at = kStart + std::chrono::hours(1);
  resolved.value.reset();
  Notification notification =
      make_notification(incident, NotificationKind::Update, Reason::SomeResolved,
                        {{make_alert("a", model::Severity::Critical)}, {resolved}}, 10);
  notification.key = "k";
  notification.channel = "pager";
  notification.ack_path = "/ack/x";
  notification.words = "words";
  notification.html = std::string("nul \0 and \xff", 10);
  notification.note = "instead of ops/pager";
  notification.failover_for = "ops/pager";
  notification.truncated_alerts = 7;
  notification.incident.reopened = 2;
  notification.incident.resolved_by = "bob";
  notification.members.resize(2);
  notification.members[0].id = "T-7";
  notification.members[1].state = IncidentState::Resolved;
  notification.truncated_members = 35;
  notification.created_at = base::wall_time(-5);
  return notification;
}

/// Whatever they say, they say it to both readers, and in bounds.
void check_head_against_message(const std::string& bytes) {
  // Of just this size, so that a sanitizer sees each step too far.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  const std::string_view view(exact.data(), exact.size());
  const auto head = head_from_bytes(view);
  const auto message = notification_from_bytes(view);
  REQUIRE(head.has_value() == message.has_value());
  if (!head) return;
  CHECK(head->key == message->key);
  CHECK(head->incident_id == message->incident.id);
  CHECK(head->severity == message->incident.severity);
  CHECK(head->opened_at == message->incident.opened_at);
  CHECK(head->kind == message->kind);
  CHECK(head->sequence == message->sequence);
  CHECK(head->created_at == message->created_at);
  CHECK(head->receiver == message->receiver);
  CHECK(head->channel == message->channel);
  CHECK(head->failover_for == message->failover_for);
}

}  // namespace

TEST_CASE("notification: the head of bytes says what the message says, whole, cut or damaged") {
  Notification apart = full_notification();
  apart.common_labels = model::Labels({{"alertname", "DiskFull"}});
  apart.common_annotations["of"] = "none";
  std::mt19937 random(7);
  for (const Notification& notification : {full_notification(), apart, Notification()}) {
    std::string bytes;
    append_bytes(notification, bytes);
    REQUIRE(head_from_bytes(bytes));
    check_head_against_message(bytes);
    check_head_against_message(bytes + "of a newer release");
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(head_from_bytes(bytes.substr(0, size)));
      for (int value = 0; value < 256; value += 1 + static_cast<int>(random() % 16)) {
        std::string damaged = bytes;
        damaged[size] = static_cast<char>(value);
        check_head_against_message(damaged);
      }
    }
    for (int i = 0; i < 2'000; ++i) {
      std::string damaged = bytes;
      for (int changes = 0; changes < 4; ++changes) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      check_head_against_message(damaged);
    }
  }
}

TEST_CASE("notification: bytes and back, and damaged ones are refused") {
  const Notification notification = full_notification();
  std::string bytes;
  append_bytes(notification, bytes);
  CHECK(bytes.size() < to_json(notification).size());
  const auto back = notification_from_bytes(bytes);
  REQUIRE_MESSAGE(back, back);
  CHECK(to_json(*back) == to_json(notification));
  CHECK(notification_from_bytes(bytes + "of a newer release"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(notification_from_bytes(bytes.substr(0, size)));
  }
  for (char& byte : bytes) {  // whatever it says, it says it in bounds
    const char sound = std::exchange(byte, static_cast<char>(byte ^ 0xff));
    static_cast<void>(notification_from_bytes(bytes));
    byte = sound;
  }
}

TEST_CASE("notification: a report with its page, JSON and back") {
  Notification notification;
  notification.kind = NotificationKind::Report;
  notification.words = "OK: Backups";
  notification.html = "<p>\"all\"</p>";
  const auto back = notification_from_json(to_json(notification));
  REQUIRE_MESSAGE(back, back);
  CHECK(back->kind == NotificationKind::Report);
  CHECK(back->html == notification.html);
  CHECK(back->words == notification.words);
  CHECK(back->words_only());
  CHECK_FALSE(back->firing());
}

TEST_CASE("notification: what stands in for an unreadable one is a message like any other") {
  Notification known;
  known.key = "k";
  known.incident.id = "T-7";
  known.sequence = 3;
  known.receiver = "ops";
  known.channel = "mail";
  known.created_at = base::wall_time(1000);
  const Notification told = stand_in(known);
  CHECK(told.firing());
  CHECK(told.incident.severity == model::Severity::Critical);
  CHECK(told.incident.url_path == "/incidents/T-7");
  CHECK(told.incident.title == "a message about T-7 cannot be read any more");
  const auto back = notification_from_json(to_json(told));
  REQUIRE(back);
  CHECK(to_json(*back) == to_json(told));
  std::string bytes;
  append_bytes(told, bytes);
  check_head_against_message(bytes);
  CHECK(head_from_bytes(bytes)->channel == "mail");
  CHECK(stand_in({}).incident.title == "a message cannot be read any more");
  CHECK(stand_in({}).incident.url_path.empty());
}

TEST_CASE("notification: damaged text is Corruption and names the field") {
  const auto message = [](std::string_view text) {
    const auto result = notification_from_json(text);
    REQUIRE(!result);
    CHECK(result.error().code == base::ErrorCode::Corruption);
    return result.error().message;
  };
  CHECK(message("{").find("not JSON") != std::string::npos);
  CHECK(message("[]").find("not a JSON object") != std::string::npos);
  CHECK(message("{}").find("'incident'") != std::string::npos);
  CHECK(message(std::string(100'000, '[')).find("not JSON") != std::string::npos);
  const Notification whole = make_notification(make_incident(), NotificationKind::Firing,
                                               Reason::FirstNotification, {}, 1);
  std::string text = to_json(whole);
  const std::size_t at = text.find("FirstNotification");
  text.replace(at, 17, "Whim");
  CHECK(message(text).find("'reason'") != std::string::npos);
}

TEST_CASE("notification: worst first, and what does not fit is counted") {
  const Notification notification = make_notification(
      make_incident(), NotificationKind::Firing, Reason::FirstNotification,
      {{make_alert("a", model::Severity::Low), make_alert("c", model::Severity::High),
        make_alert("b", model::Severity::High)},
       {make_alert("r", model::Severity::Critical)}},
      3);
  REQUIRE(notification.alerts.size() == 3);
  CHECK(notification.alerts[0].alert.labels.get("host") == "b");
  CHECK(notification.alerts[1].alert.labels.get("host") == "c");
  CHECK(notification.alerts[2].alert.labels.get("host") == "a");
  CHECK(notification.truncated_alerts == 1);
  CHECK(notification.firing());
}

TEST_CASE("titles") {
  model::Alert plain = make_alert("a", model::Severity::High);
  plain.annotations = {};
  const model::Labels group({{"alertname", "DiskFull"}, {"host", "a"}});
  CHECK(make_title({plain}, group) == "DiskFull (host=a)");
  CHECK(make_title({plain}, {}) == "DiskFull");
  plain.annotations = model::Labels({{"summary", "a is full"}});
  CHECK(make_title({plain}, group) == "a is full");
  model::Alert other = plain;
  other.annotations = model::Labels({{"summary", "b is full"}});
  other.labels = model::Labels({{"alertname", "Other"}});
  CHECK(make_title({plain, other}, {}) == "Several alerts");
}

TEST_CASE("stored bodies: and back") {
  const model::Alert alert = make_alert("a", model::Severity::High);
  const auto alert_back = alert_from_record(alert_record(alert, alert.fingerprint()));
  REQUIRE(alert_back);
  CHECK(alert_record(*alert_back, alert.fingerprint()).body ==
        alert_record(alert, alert.fingerprint()).body);
  Record wrong = alert_record(alert, alert.fingerprint());
  wrong.key = "0000000000000001";
  CHECK(alert_from_record(wrong).error().code == base::ErrorCode::Corruption);

  routing::Group group;
  group.key = "k";
  group.route = "pages";
  group.receiver = "oncall";
  group.labels = alert.labels;
  group.members[~0ULL] = {.severity = model::Severity::Critical, .resolved = true, .since = kStart};
  group.log.firing[7] = model::Severity::Low;
  group.log.at = kStart;
  group.waited = true;
  group.early_turn = kStart;
  group.resolved_at = kStart;
  group.repeats_held = true;
  const auto group_back = group_from_record(group_record(group));
  REQUIRE_MESSAGE(group_back, group_back);
  CHECK(group_record(*group_back).body == group_record(group).body);
  CHECK(group_back->members.at(~0ULL).resolved);
  CHECK(group_back->repeats_held);
  CHECK(!group_from_record({"k", R"({"members":{"zz":{}}})"}));
  CHECK(!group_from_record({"k", R"({"told":{"07":"dire"}})"}));

  Incident incident = make_incident();
  incident.reopen_at = kStart;
  incident.previous = 1041;
  incident.resolved_at = kStart;
  incident.state = IncidentState::Resolved;
  incident.resolved_by = "ann";
  const auto incident_back = incident_from_record(incident_record(incident));
  REQUIRE(incident_back);
  CHECK(incident_record(*incident_back).body == incident_record(incident).body);
  CHECK(incident_back->previous == 1041);
  CHECK(incident_back->resolved_at == kStart);

  incident.services = {"shop", "web"};
  incident.root = 7;
  incident.held_for = 8;
  incident.related = {1040, 1041};
  incident.told = {{"oncall", "pager"}, {"team", "chat"}};
  incident.policy_severity = model::Severity::Low;
  incident.digest_at = kStart;
  incident.events = 300;
  incident.owner = "ann";
  incident.merged_into = 3;
  incident.acknowledgement = Acknowledgement{"ann", "on it", kStart, kStart, model::Severity::High};
  incident.manual = true;
  incident.snoozed_until = kStart + base::Duration{5};
  incident.snoozed_severity = model::Severity::Critical;
  incident.snoozed_news = true;
  incident.severity_set = model::Severity::Low;
  incident.severity_of_alerts = model::Severity::High;
  incident.storm = true;
  incident.storm_update_at = kStart + base::Duration{6};
  incident.mitigated_at = kStart + base::Duration{7};
  incident.reviewed_at = kStart + base::Duration{8};
  incident.escalation.emplace();
  incident.escalation->policy.name = "days";
  incident.escalation->due = kStart + base::Duration{9};
  const IncidentRecord full = incident_record(incident);
  const auto full_back = incident_from_record(full);
  REQUIRE_MESSAGE(full_back, full_back);
  CHECK(incident_record(*full_back).body == full.body);
  CHECK(full_back->services == incident.services);
  CHECK(full_back->related == incident.related);
  CHECK(full_back->told == incident.told);
  CHECK(full_back->policy_severity == model::Severity::Low);
  CHECK(full_back->digest_at == kStart);
  CHECK(full_back->events == 300);
  CHECK(full_back->owner == "ann");
  CHECK(full_back->acknowledgement->comment == "on it");
  CHECK(full_back->manual);
  CHECK(full_back->snoozed_until == incident.snoozed_until);
  CHECK(full_back->snoozed_severity == model::Severity::Critical);
  CHECK(full_back->snoozed_news);
  CHECK(full_back->severity_set == model::Severity::Low);
  CHECK(full_back->severity_of_alerts == model::Severity::High);
  CHECK(full_back->storm);
  CHECK(full_back->storm_update_at == incident.storm_update_at);
  CHECK(full_back->mitigated_at == incident.mitigated_at);
  CHECK(full_back->reviewed_at == incident.reviewed_at);
  CHECK(full_back->escalation->policy.name == "days");
  CHECK(full_back->escalation->due == incident.escalation->due);

  const auto every_prefix_is_refused = [](auto record, const auto& read) {
    const std::string body = record.body;
    for (std::size_t size = 0; size < body.size(); ++size) {
      record.body = body.substr(0, size);
      CHECK(read(record).error().code == base::ErrorCode::Corruption);
    }
  };
  every_prefix_is_refused(alert_record(alert, alert.fingerprint()), alert_from_record);
  every_prefix_is_refused(group_record(group), group_from_record);
  every_prefix_is_refused(full, incident_from_record);
}

TEST_CASE("stored bodies: those that older releases wrote as JSON") {
  const auto alert = alert_from_record(
      {alert_key(model::Labels({{"alertname", "A"}}).fingerprint()),
       R"({"labels":{"alertname":"A"},"annotations":{"summary":"s"},"severity":"high",)"
       R"("starts_at":1700000000123,"ends_at":1700000000124,"valid_until":1700000000125,)"
       R"("updated_at":1700000000126,"value":97.5,"generator_url":"/g","rule_source":"d:7"})"});
  REQUIRE_MESSAGE(alert, alert);
  CHECK(alert->annotations.get("summary") == "s");
  CHECK(alert->ends_at == kStart + base::Duration{1});
  CHECK(alert->rule_source == "d:7");

  const auto group = group_from_record(
      {"k", R"({"route":"pages","receiver":"oncall","labels":{"a":"b"},"members":)"
            R"({"ffffffffffffffff":{"severity":"critical","resolved":true,"since":1700000000123}},)"
            R"("told":{"0000000000000007":"low"},"told_at":1700000000123,)"
            R"("created_at":1700000000124,"waited":true,"next_turn":1700000000125,)"
            R"("early_turn":1700000000126,"repeats_held":true})"});
  REQUIRE_MESSAGE(group, group);
  CHECK(group->key == "k");
  CHECK(group->members.at(~0ULL).resolved);
  CHECK(group->log.firing.at(7) == model::Severity::Low);
  CHECK(group->early_turn == kStart + base::Duration{3});
  CHECK(!group->resolved_at);

  IncidentRecord record = incident_record(make_incident());
  record.body =
      R"({"route":"pages","receiver":"oncall","group_labels":{"a":"b"},"acknowledgement":)"
      R"({"by":"ann","comment":"on it","at":1,"until":2,"severity":"high"},"resolved_by":"bob",)"
      R"("comment":"c","reopen_at":3,"reopened":4,"previous":5,"owner":"ann","services":["shop"],)"
      R"("root":6,"held_for":7,"related":[8],"policy_severity":"low","told":[["oncall","pager"]],)"
      R"("digest_at":9,"notifications":10,"events":11})";
  const auto incident = incident_from_record(record);
  REQUIRE_MESSAGE(incident, incident);
  CHECK(incident->acknowledgement->by == "ann");
  CHECK(incident->reopened == 4);
  CHECK(incident->owner == "ann");
  CHECK(incident->services == std::set<std::string>{"shop"});
  CHECK(incident->related == std::vector<std::int64_t>{8});
  CHECK(incident->told == Addresses{{"oncall", "pager"}});
  CHECK(incident->policy_severity == model::Severity::Low);
  CHECK(incident->events == 11);
  record.body = R"({"previous":"x"})";
  CHECK(incident_from_record(record).error().code == base::ErrorCode::Corruption);
}

}  // namespace tocsin::incident
