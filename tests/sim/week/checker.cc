#include "tests/sim/week/checker.h"

#include <algorithm>

#include "tests/sim/week/checker_parts.h"

namespace tocsin::week {

using base::WallTime;
using incident::DeliveryState;
using incident::NotificationKind;
using std::chrono::minutes;

namespace {

/// After a fault the next try comes at most so much later: back-off, Retry-After, probes.
constexpr base::Duration kTriedAgain = minutes(12);
/// A message that nothing hinders is with its channel after this.
constexpr base::Duration kUnhindered = minutes(2);
/// One that must wait for the channel's rate, or for its turn behind others.
constexpr base::Duration kPaced = minutes(45);

bool opens(NotificationKind kind) {
  return kind == NotificationKind::Firing || kind == NotificationKind::Update ||
         kind == NotificationKind::Reopened;
}

bool ends(NotificationKind kind) {
  return kind == NotificationKind::Resolved || kind == NotificationKind::Acknowledged;
}

std::vector<Span> faults_of(const Index& index, const std::string& channel) {
  std::vector<Span> spans = index.away;
  for (const Fault& fault : index.plan.faults) {
    if (fault.channel == channel) spans.push_back({fault.from, fault.to + kTriedAgain});
  }
  return merged(std::move(spans));
}

/// Returns whether a message of that kind, newer than number `after`, gave way to this one.
bool replaced(const Index& index, const Send& send, NotificationKind kind, std::uint64_t after) {
  const std::vector<Told>& rows = index.rows.at(send.incident);
  return std::any_of(rows.begin(), rows.end(), [&](const Told& told) {
    const incident::Notification& message = told.row->notification;
    const bool unheard =
        told.row->state == DeliveryState::Superseded || told.row->state == DeliveryState::Dead;
    return unheard && message.kind == kind && channel_of(message) == send.channel &&
           message.sequence > after && message.sequence < send.sequence;
  });
}

/// Returns whether a channel may hear of the end of what it was not told of by this incident: it
/// was told of another one that was merged into it; or the acknowledgement was faster.
bool may_begin_with_end(const Index& index, const Send& send) {
  if (send.kind == NotificationKind::Acknowledged &&
      (replaced(index, send, NotificationKind::Firing, 0) ||
       replaced(index, send, NotificationKind::Update, 0))) {
    return true;
  }
  const auto& events = index.journal.timelines.at(send.incident);
  return std::any_of(events.begin(), events.end(),
                     [](const auto& event) { return event.kind == "merged_here"; });
}

}  // namespace

Index::Index(const Plan& the_plan, const Journal& the_journal)
    : plan(the_plan), journal(the_journal) {
  for (const incident::OutboxRow& row : journal.rows) {
    const incident::Notification& message = row.notification;
    if (message.incident.id.empty()) continue;
    rows[message.incident.id].push_back(
        {&row, !message.failover_for.empty(), week::opens(message.kind)});
  }
  for (const Send& send : journal.sends) by_key[send.key].push_back(&send);
  for (const Span& span : journal.down) away.push_back({span.from, span.to + minutes(1)});
  for (const Span& span : journal.store_fails) away.push_back({span.from, span.to + minutes(1)});
  away = merged(std::move(away));
}

std::string channel_of(const incident::Notification& message) {
  return message.receiver + "/" + message.channel;
}

std::string describe(const incident::Notification& message) {
  return fmt::format("{}#{} {} to {} ({}, {} alerts{})", message.incident.id, message.sequence,
                     to_string(message.kind), channel_of(message),
                     routing::to_string(message.reason), message.alerts.size(),
                     message.failover_for.empty() ? "" : ", a copy");
}

LabelMap labels_of(const model::Alert& alert) {
  LabelMap labels;
  for (const auto& label : alert.labels) labels[std::string(label.name)] = label.value;
  return labels;
}

const Life* life_of(const Plan& plan, const LabelMap& labels, WallTime at) {
  const Life* found = nullptr;
  for (const Life& life : plan.lives) {
    if (life.fire > at) break;
    if (life.labels == labels) found = &life;
  }
  return found;
}

void check_once(const Index& index, Violations& found) {
  for (const auto& [key, sends] : index.by_key) {
    const Send* taken = nullptr;
    for (const Send* send : sends) {
      if (taken && send->taken && taken->boot == send->boot) {
        const bool owned_up = !taken->answered && send->said_repeat;
        if (!owned_up) {
          found.push_back({send->at, "once",
                           fmt::format("{} takes {} of {} twice, first at {}", send->channel, key,
                                       send->incident, base::format_rfc3339(taken->at))});
        }
      }
      if (send->taken) taken = send;
    }
  }
  // What is decided at one moment tells nobody twice.
  std::set<std::tuple<std::string, std::string, std::uint64_t>> sequences;
  for (const auto& [incident, rows] : index.rows) {
    for (const Told& told : rows) {
      const incident::Notification& message = told.row->notification;
      if (told.copy) continue;
      if (!sequences.emplace(incident, channel_of(message), message.sequence).second) {
        found.push_back({message.created_at, "once", "two messages " + describe(message)});
      }
    }
  }
}

void check_order(const Index& index, Violations& found) {
  struct Lane {
    std::uint64_t sequence = 0;
    std::optional<NotificationKind> last;
    bool tried = false;
    WallTime at;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Lane> lanes;
  std::set<std::string> taken;
  std::set<std::string> copied;  // incidents that somebody was told of in another's place
  for (const Send& send : index.journal.sends) {
    if (send.incident.empty()) continue;
    if (!send.failover_for.empty()) copied.insert(send.incident);
    Lane& lane = lanes[{send.channel, send.incident, send.failover_for}];
    if (ends(send.kind) && !lane.tried && !copied.contains(send.incident) &&
        !may_begin_with_end(index, send)) {
      found.push_back({send.at, "order",
                       fmt::format("{} hears first that {} is {}", send.channel, send.incident,
                                   to_string(send.kind))});
    }
    lane.tried = true;
    if (!send.taken || !taken.insert(send.key).second) continue;
    if (send.sequence < lane.sequence) {
      found.push_back({send.at, "order",
                       fmt::format("{} hears #{} of {} after #{}", send.channel, send.sequence,
                                   send.incident, lane.sequence)});
    }
    if (lane.last == NotificationKind::Resolved && send.kind != NotificationKind::Reopened &&
        send.kind != NotificationKind::Resolved &&
        !replaced(index, send, NotificationKind::Reopened, lane.sequence)) {
      found.push_back({send.at, "order",
                       fmt::format("{} hears '{}' of {} after it was resolved", send.channel,
                                   to_string(send.kind), send.incident)});
    }
    lane.sequence = std::max(lane.sequence, send.sequence);
    lane.last = send.kind;
    lane.at = send.at;
  }
  for (const auto& [key, lane] : lanes) {
    const auto& [channel, id, failover_for] = key;
    if (!lane.last || !opens(*lane.last) || !failover_for.empty()) continue;
    const auto state = index.journal.states.find(id);
    if (state == index.journal.states.end() || state->second != incident::IncidentState::Resolved) {
      continue;
    }
    bool excused = false;  // told with another one, or that message was given up
    for (const incident::TimelineEvent& event : index.journal.timelines.at(id)) {
      excused = excused || event.kind == "merged" || event.kind == "digest";
    }
    for (const Told& told : index.rows.at(id)) {
      const incident::OutboxRow& row = *told.row;
      excused =
          excused || (row.notification.kind == NotificationKind::Resolved &&
                      channel_of(row.notification) == channel && row.state == DeliveryState::Dead);
    }
    if (!excused) {
      found.push_back(
          {lane.at, "order", fmt::format("{} never hears that {} is over", channel, id)});
    }
  }
  for (const auto& [id, state] : index.journal.states) {
    if (state == incident::IncidentState::Resolved) continue;
    found.push_back({index.plan.end, "order", id + " is not over at the end"});
  }
}

void check_ends(const Index& index, Violations& found) {
  std::map<std::string, std::vector<Span>> faults;
  for (const incident::OutboxRow& row : index.journal.rows) {
    const incident::Notification& message = row.notification;
    const std::string channel = channel_of(message);
    const auto complain = [&](const std::string& what) {
      found.push_back({message.created_at, "ends", describe(message) + ": " + what});
    };
    if (!faults.contains(channel)) faults[channel] = faults_of(index, channel);
    const std::vector<Span>& hindered = faults.at(channel);
    const auto sends = index.by_key.find(message.key);
    const Send* taken = nullptr;
    if (sends != index.by_key.end()) {
      const auto first = std::find_if(sends->second.begin(), sends->second.end(),
                                      [](const Send* send) { return send->taken; });
      if (first != sends->second.end()) taken = *first;
    }
    switch (row.state) {
      case DeliveryState::Pending:
        // What is decided at the last moment (a hand-over) had no time to go.
        if (message.created_at + kUnhindered > index.journal.ended) break;
        complain("still waits at the end");
        break;
      case DeliveryState::Dead: {
        const bool fault = std::any_of(hindered.begin(), hindered.end(), [&](const Span& span) {
          return span.to > message.created_at;
        });
        if (!fault) complain("given up although nothing was wrong: " + row.note);
        break;
      }
      case DeliveryState::Superseded: {
        if (row.note.empty()) complain("replaced for no reason");
        const bool by_summary = row.note.starts_with("told by a summary");
        const bool replaced = std::any_of(
            index.journal.rows.begin(), index.journal.rows.end(), [&](const auto& other) {
              const incident::Notification& its = other.notification;
              if (channel_of(its) != channel) return false;
              if (by_summary) return its.kind == NotificationKind::Summary;
              return its.incident.id == message.incident.id && its.sequence >= message.sequence &&
                     (other.id > row.id || its.kind == NotificationKind::Resolved);
            });
        if (!replaced) complain("replaced by nothing: " + row.note);
        break;
      }
      case DeliveryState::Delivered: {
        if (!taken) {
          complain("is said to be delivered, and was not");
          break;
        }
        const ReceiverSpec* receiver =
            index.journal.config(index.plan, message.created_at).receiver(message.receiver);
        const base::Duration bound = receiver && receiver->paced ? kPaced : kUnhindered;
        for (const Span& free : without({message.created_at, taken->at}, hindered)) {
          if (free.to - free.from > bound) {
            complain("delivered only at " + base::format_rfc3339(taken->at));
            break;
          }
        }
      }
    }
  }
}

std::vector<Violation> check(const Plan& plan, const Journal& journal) {
  const Index index(plan, journal);
  Violations found;
  check_once(index, found);
  check_order(index, found);
  check_ends(index, found);
  check_hidden(index, found);
  check_told(index, found);
  check_steps(index, found);
  check_digests(index, found);
  std::stable_sort(found.begin(), found.end(),
                   [](const Violation& a, const Violation& b) { return a.at < b.at; });
  return found;
}

std::string trace(const Plan& plan, const Journal& journal, Span within) {
  std::multimap<WallTime, std::string> lines;
  const auto add = [&](WallTime at, std::string text) {
    if (within.contains(at)) lines.emplace(at, std::move(text));
  };
  for (const Life& life : plan.lives) {
    add(life.fire, "alert " + to_string(life.labels) + " fires");
    for (const auto& [at, severity] : life.severities) {
      add(at, "alert " + to_string(life.labels) + " " + std::string(model::to_string(severity)));
    }
    add(life.end, "alert " + to_string(life.labels) + " is over");
  }
  for (const std::string& line : journal.log) {
    if (const auto at = base::parse_rfc3339(line.substr(0, line.find(' ')))) {
      add(*at, line.substr(line.find(' ') + 1));
    }
  }
  for (const auto& [id, events] : journal.timelines) {
    for (const auto& event : events) {
      add(event.at, fmt::format("{} {} {}: {}", id, event.kind, event.actor, event.text));
    }
  }
  for (const incident::OutboxRow& row : journal.rows) {
    std::string alerts;
    for (const auto& each : row.notification.alerts) {
      alerts += (each.firing ? " +" : " -") + each.alert.labels.to_string();
    }
    add(row.notification.created_at, "  message " + describe(row.notification) + alerts + " -> " +
                                         std::string(to_string(row.state)) + " " + row.note);
  }
  for (const Send& send : journal.sends) {
    add(send.at, fmt::format("    {} {} {}#{}", send.channel, send.taken ? "takes" : "fails",
                             send.incident, send.sequence));
  }
  std::string text;
  for (const auto& [at, line] : lines) text += base::format_rfc3339(at) + " " + line + "\n";
  return text;
}

}  // namespace tocsin::week
