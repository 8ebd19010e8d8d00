#include "alertd/story/cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "alertd/incident/decision_keeper.h"
#include "alertd/story/occurrence.h"
#include "alertd/story/timeline.h"
#include "common/base/strings.h"

namespace tocsin::story {

using base::WallTime;
using incident::AttemptRecord;
using incident::DecisionRecord;
using incident::DeliveryState;
using routing::Reason;

namespace {

constexpr std::size_t kNamed = 3;  // receivers in one line

bool is(const DecisionRecord& row, Reason reason) {
  return row.reason == routing::to_string(reason);
}

bool hides(const DecisionRecord& row) {
  return is(row, Reason::Silenced) || is(row, Reason::Inhibited) || is(row, Reason::Maintenance);
}

bool released(const DecisionRecord& row) {
  return row.reason == incident::kReleased;
}

bool mutes(const DecisionRecord& row) {
  return is(row, Reason::MuteTime) || is(row, Reason::OutsideActiveTime);
}

/// Returns who hides, as a part of a sentence; `text` names it.
std::string hidden_text(Reason reason, const std::string& text) {
  if (text.empty()) return "it is " + std::string(routing::describe(reason));
  if (reason == Reason::Silenced) return "it is silenced: " + text;
  if (reason == Reason::Maintenance) return "it is under " + text;
  return "it is " + text;
}

std::string phrase(const DecisionRecord& row) {
  const Reason reason = routing::parse_reason(row.reason).value_or(Reason::Unchanged);
  const std::string text = without_labels(row.text);
  if (released(row)) return "nothing hides it any more, and its group's turn has not come yet";
  if (hides(row)) return hidden_text(reason, text);
  switch (reason) {
    case Reason::MuteTime:
    case Reason::OutsideActiveTime:
      return "its route is quiet now: " + text;
    case Reason::GroupWait:
      return "its new group waits for company" + (text.empty() ? text : ": " + text);
    case Reason::GroupInterval:
      return "its group was told of a moment ago" + (text.empty() ? text : ": " + text);
    case Reason::NobodyTold:
    case Reason::Merged:
    case Reason::Snoozed:
    case Reason::Digest:
    case Reason::Acknowledged:
    case Reason::ResolvedByPerson:
    case Reason::NoChannel:
      if (!text.empty()) return text;
      break;
    case Reason::Dependency:
      if (!text.empty()) return "it " + text;
      break;
    case Reason::OutsideHours:
      return "its step waits for the hours of whom it tells" + (text.empty() ? text : ": " + text);
    case Reason::Storm:
      return "many incidents at once are told as one" + (text.empty() ? text : ": " + text);
    case Reason::NeverNotified:
      return "it was over before anything was sent, at its group's turn at " + time_text(row.at);
    default:
      break;
  }
  const std::string described(routing::describe(reason));
  return text.empty() ? described : described + ": " + text;
}

std::string reply_of(const AttemptRecord& attempt) {
  return attempt.text.empty() ? attempt.outcome : attempt.text;
}

std::string whom(const Delivery& call) {
  const incident::Notification& message = call.record.row.notification;
  return message.receiver + " by " + message.channel;
}

class Judge {
 public:
  explicit Judge(const Evidence& evidence)
      : evidence_(evidence), occurrence_(find_occurrence(evidence)) {}

  Cause judge() {
    if (!occurrence_.seen) return {never_seen(), false};
    const std::string over = occurrence_.over && !over_unsaid()
                                 ? "; it was over at " + time_text(*occurrence_.over)
                                 : std::string();
    if (auto called = delivered(); !called.empty()) {
      const std::string failed = not_delivered();
      const std::string held = occurrence_.over ? std::string() : hold();
      return {called + (failed.empty() ? "" : "; not reached: " + failed) +
                  (held.empty() ? "" : "; nothing more because " + held) + over,
              true};
    }
    // What happens now counts more than how it ended last time.
    if (occurrence_.over && !evidence_.past) {
      const RuleSight* rule = worst_rule();
      if (rule && rule->state != RuleSight::State::Inactive) {
        return {of_rule(*rule) + "; the last time it was over by " + time_text(*occurrence_.over),
                false};
      }
    }
    return {uncalled() + over, false};
  }

 private:
  /// Returns "Called: ..." or nothing.
  std::string delivered() const {
    std::map<std::string, const Delivery*> first;
    std::vector<std::string> order;
    for (const Delivery* call : occurrence_.calls) {
      if (call->record.row.state != DeliveryState::Delivered) continue;
      if (first.emplace(whom(*call), call).second) order.push_back(whom(*call));
    }
    if (order.empty()) return told_with_others();
    std::vector<std::string> named;
    for (const std::string& name : order) {
      if (named.size() == kNamed) break;
      named.push_back(name + call_text(*first.at(name)));
    }
    std::string text = "Called: " + base::join(named, ", ");
    if (order.size() > kNamed) text += fmt::format(" and {} more", order.size() - kNamed);
    const auto* nobody = occurrence_.last_of_group(
        [](const DecisionRecord& row) { return is(row, Reason::NobodyOnCall) && !row.sent; });
    if (nobody) text += "; in place of those on call: nobody was (" + nobody->text + ")";
    return text;
  }

  static std::string call_text(const Delivery& call) {
    const AttemptRecord* answer = call.last_answer();
    const incident::OutboxRow& row = call.record.row;
    const WallTime at = answer ? *answer->finished_at : row.notification.created_at;
    const std::string reply = answer ? reply_of(*answer) : std::string();
    return fmt::format(" at {}, delivered{}{}", time_text(at),
                       reply.empty() ? "" : " (" + reply + ")",
                       row.notification.note.empty() ? "" : ", " + row.notification.note);
  }

  /// What was told with many others has no delivery of the incident's own.
  std::string told_with_others() const {
    for (const Delivery* call : occurrence_.calls) {
      const incident::OutboxRow& row = call->record.row;
      if (row.state == DeliveryState::Superseded && row.note.starts_with("told by a summary")) {
        return fmt::format("Called: {}, {}", whom(*call), row.note);
      }
    }
    const auto* told = occurrence_.last_of_group(
        [](const DecisionRecord& row) { return is(row, Reason::Digest) && row.sent; });
    return told ? fmt::format("Called: {} at {}", told->text, time_text(told->at)) : std::string();
  }

  /// It came and went between two turns: when exactly it went is not written down.
  bool over_unsaid() const {
    const auto never = [](const DecisionRecord& row) { return is(row, Reason::NeverNotified); };
    const auto* unsaid = occurrence_.last_of_group(never);
    if (!unsaid) unsaid = occurrence_.last_own(never);
    return unsaid && unsaid->at == occurrence_.over && hidden_now().empty();
  }

  /// Returns who was not reached and why; empty: nobody is missing.
  std::string not_delivered() const {
    std::map<std::string, const Delivery*> last;
    for (const Delivery* call : occurrence_.calls) last[whom(*call)] = call;
    std::vector<std::string> named;
    for (const auto& [name, call] : last) {
      const DeliveryState state = call->record.row.state;
      if (state == DeliveryState::Delivered || state == DeliveryState::Superseded) continue;
      if (named.size() < kNamed) named.push_back(failure(*call));
    }
    return base::join(named, ", ");
  }

  std::string failure(const Delivery& call) const {
    const incident::OutboxRow& row = call.record.row;
    const AttemptRecord* answer = call.last_answer();
    std::string text = whom(call);
    if (row.state == DeliveryState::Dead) {
      text += fmt::format(" was given up after {} attempt{}", row.attempts,
                          row.attempts == 1 ? "" : "s");
      const std::string why = !row.note.empty() ? row.note : answer ? reply_of(*answer) : "";
      return text + (why.empty() ? "" : ": " + why);
    }
    if (row.state == DeliveryState::Superseded) {
      return text + " was replaced: " + (row.note.empty() ? "superseded" : row.note);
    }
    if (answer) {
      text += fmt::format(" failed: attempt {} at {}: {}", answer->attempt,
                          time_text(answer->started_at), reply_of(*answer));
      if (!evidence_.past) text += "; next attempt at " + time_text(row.due);
    } else if (!call.record.attempts.empty()) {
      text += fmt::format(": an attempt is under way since {}",
                          time_text(call.record.attempts.back().started_at));
    } else {
      text += " waits for its first attempt since " + time_text(row.notification.created_at);
    }
    return text + channel_text(row.notification);
  }

  std::string channel_text(const incident::Notification& message) const {
    if (evidence_.past) return {};
    const std::string name = message.receiver + "/" + message.channel;
    for (const ChannelSight& channel : evidence_.channels) {
      if (channel.name != name || channel.state == "ok") continue;
      if (channel.state == "paused") {
        return fmt::format("; the channel is paused, as the receiver asked: {}",
                           channel.last_error);
      }
      if (channel.state == "failing") return {};
      return fmt::format("; the channel fails and is only probed (breaker {}): {}", channel.state,
                         channel.last_error);
    }
    return {};
  }

  /// Nobody was reached: why not.
  std::string uncalled() {
    if (!occurrence_.calls.empty()) return undelivered();
    if (const std::string held = hold(); !held.empty()) return "Nobody was called because " + held;
    const auto* group = occurrence_.last_of_group([](const DecisionRecord& row) {
      return !row.sent && !released(row) && !is(row, Reason::Unchanged);
    });
    // It came to light after that, and the group's turn has not come.
    const auto* own = last_word();
    const bool newer = own && group && own->at > group->at;
    if (occurrence_.over && own && hides(*own)) return "Nobody was called because " + phrase(*own);
    if (group && !newer) return prefix(*group) + phrase(*group);
    if (own) return prefix(*own) + phrase(*own);
    if (group) return prefix(*group) + phrase(*group);
    return "Nobody was called because routing has only just taken the alert in, and has not "
           "decided yet";
  }

  /// A late word of another sender says nothing about what was decided, unless nothing was.
  const DecisionRecord* last_word() const {
    const auto* own =
        occurrence_.last_own([](const DecisionRecord& row) { return !is(row, Reason::Outdated); });
    return own ? own : occurrence_.last_own([](const DecisionRecord&) { return true; });
  }

  /// Some causes pass by themselves.
  static std::string prefix(const DecisionRecord& row) {
    const bool passes = is(row, Reason::GroupWait) || is(row, Reason::GroupInterval) ||
                        is(row, Reason::NobodyTold) || is(row, Reason::OutsideHours) ||
                        is(row, Reason::Digest);
    return passes ? "Nobody was called yet because " : "Nobody was called because ";
  }

  std::string undelivered() const {
    const auto has = [this](DeliveryState state) {
      return std::any_of(occurrence_.calls.begin(), occurrence_.calls.end(),
                         [state](const Delivery* call) { return call->record.row.state == state; });
    };
    if (has(DeliveryState::Pending)) {
      return "Nobody was called yet because the delivery to " + not_delivered();
    }
    if (has(DeliveryState::Dead)) {
      return "Nobody was called because no delivery succeeded: " + not_delivered();
    }
    return "Nobody was called because the message to " + failure(*occurrence_.calls.back());
  }

  /// Returns what holds every further message back; empty: nothing does.
  std::string hold() const {
    if (std::string hidden = hidden_now(); !hidden.empty()) return hidden;
    if (std::string muted = muted_now(); !muted.empty()) return muted;
    for (auto detail = evidence_.incidents.rbegin(); detail != evidence_.incidents.rend();
         ++detail) {
      // What it was merged into has a life of its own.
      const bool own = evidence_.group_keys.contains(detail->incident.group_key);
      if (!own || detail->timeline.empty()) continue;
      const IncidentThen then = replay(detail->timeline);
      if (!then.held.empty()) return detail->incident.id + " is " + held_text(then.held);
      if (then.state != "resolved") break;
    }
    if (occurrence_.calls.empty()) return {};
    const auto* turn = occurrence_.last_of_group(
        [](const DecisionRecord& row) { return row.sent || is(row, Reason::Unchanged); });
    const auto* sent =
        occurrence_.last_of_group([](const DecisionRecord& row) { return row.sent; });
    if (sent && is(*sent, Reason::Flapping)) {
      return "it flaps: what it does is not told before it is calm";
    }
    if (turn && is(*turn, Reason::Unchanged) && !turn->text.empty()) return turn->text;
    return {};
  }

  /// "T-12 is acknowledged by ann ..."; what is a sentence of its own stays one.
  static std::string held_text(const std::string& held) {
    if (held.starts_with("it ")) return "held: " + held;
    if (held.starts_with("escalation ")) return "open, but its " + held;
    return held;
  }

  std::string hidden_now() const {
    if (!evidence_.past && evidence_.alert && evidence_.firing) {
      const auto reason = evidence_.routing.suppression.reason();
      return reason ? hidden_text(*reason, evidence_.routing.suppressed_by) : std::string();
    }
    const auto* own = occurrence_.last_own([](const DecisionRecord& row) {
      return hides(row) || released(row) || is(row, Reason::GroupWait) ||
             is(row, Reason::GroupInterval);
    });
    return own && hides(*own) ? phrase(*own) : std::string();
  }

  std::string muted_now() const {
    if (!evidence_.past && evidence_.alert && evidence_.firing) {
      for (const auto& group : evidence_.routing.groups) {
        if (group.mute.any()) return "its route is quiet now: " + routing::describe(group.mute);
      }
      return {};
    }
    const auto speaks = [](const DecisionRecord& row) {
      return mutes(row) || released(row) || row.sent;
    };
    const auto* group = occurrence_.last_of_group(speaks);
    const auto* own = occurrence_.last_own(mutes);
    const auto* last = own && (!group || own->at > group->at) ? own : group;
    return last && mutes(*last) ? phrase(*last) : std::string();
  }

  // ---- routing never saw it

  const RuleSight* worst_rule() const {
    const RuleSight* worst = nullptr;
    for (const RuleSight& rule : evidence_.rules) {
      if (!worst || rank(rule.state) < rank(worst->state)) worst = &rule;
    }
    return worst;
  }

  static int rank(RuleSight::State state) {
    switch (state) {
      case RuleSight::State::Firing:
        return 0;
      case RuleSight::State::Pending:
        return 1;
      case RuleSight::State::Failing:
        return 2;
      case RuleSight::State::NoData:
        return 3;
      case RuleSight::State::Waiting:
        return 4;
      case RuleSight::State::Inactive:
        return 5;
    }
    return 6;
  }

  std::string of_rule(const RuleSight& rule) const {
    const std::string name = fmt::format("rule '{}' ({})", rule.name, rule.source);
    switch (rule.state) {
      case RuleSight::State::Firing:
        return fmt::format("Nobody was called yet because the alert of {} has not reached routing",
                           name);
      case RuleSight::State::Pending: {
        if (!rule.since)
          return "Nobody was called yet because the alert of " + name + " is pending";
        const base::Duration left =
            std::max(*rule.since + rule.hold - evidence_.at, base::Duration{0});
        return fmt::format(
            "Nobody was called yet because the alert is pending: the condition of {} holds since "
            "{}, and `for` is {}: {} more",
            name, time_text(*rule.since), base::format_duration(rule.hold),
            base::format_duration(std::chrono::ceil<std::chrono::seconds>(left)));
      }
      case RuleSight::State::Failing:
        return fmt::format("Nobody was called because {} cannot be evaluated: {}", name,
                           rule.detail);
      case RuleSight::State::NoData:
        return fmt::format("Nobody was called because {} finds no data: {}", name, rule.detail);
      case RuleSight::State::Waiting:
        return fmt::format("Nobody was called yet because {} was not evaluated yet", name);
      case RuleSight::State::Inactive:
        break;
    }
    return fmt::format(
        "Nobody was called because no such alert fires: the condition of {} does not hold for "
        "{}{}",
        name, evidence_.labels.to_string(),
        rule.evaluated_at ? ", last evaluated at " + time_text(*rule.evaluated_at) : std::string());
  }

  std::string never_seen() const {
    if (const RuleSight* rule = worst_rule()) return of_rule(*rule);
    if (evidence_.standing_by) {
      return "Nobody was called by this daemon because it stands by: another one has the lease "
             "and decides";
    }
    const std::string name(evidence_.labels.get(model::kAlertName));
    if (name.empty()) {
      return fmt::format("Nobody was called because no alert with {} was ever seen",
                         evidence_.labels.to_string());
    }
    const auto near = base::closest(name, evidence_.rule_names);
    return fmt::format(
        "Nobody was called because no such alert was ever seen, and there is no rule '{}'{}", name,
        near ? fmt::format("; did you mean '{}'?", *near) : std::string());
  }

  const Evidence& evidence_;
  Occurrence occurrence_;
};

}  // namespace

std::string time_text(WallTime at) {
  return base::format_rfc3339(std::chrono::floor<std::chrono::seconds>(at));
}

std::string without_labels(const std::string& text) {
  if (!text.starts_with('{')) return text;
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '}') {
      return text.substr(std::min(text.size(), text.find_first_not_of(": ", i + 1)));
    }
  }
  return text;
}

Cause find_cause(const Evidence& evidence) {
  return Judge(evidence).judge();
}

}  // namespace tocsin::story
