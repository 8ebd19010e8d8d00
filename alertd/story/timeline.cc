#include "alertd/story/timeline.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace tocsin::story {
namespace {

/// What can hold an incident back; the first that does is named.
enum Hold : std::size_t { kResolved, kMerged, kSnoozed, kAcknowledged, kHeld, kPaused, kDigest };

class Replay {
 public:
  void take(const incident::TimelineEvent& event) {
    const std::string& kind = event.kind;
    if (kind == "acknowledged") {
      then_.state = "acknowledged";
      holds_[kAcknowledged] = fmt::format("acknowledged by {} {}", event.actor, event.text);
    } else if (kind.starts_with("unacknowledged") || kind == "acknowledgement_expired") {
      then_.state = "open";
      holds_[kAcknowledged].clear();
    } else if (kind == "snoozed") {
      holds_[kSnoozed] = fmt::format("snoozed by {} {}", event.actor, event.text);
    } else if (kind == "snooze_ended") {
      holds_[kSnoozed].clear();
    } else if (kind == "merged") {
      holds_[kMerged] = "merged " + event.text;
      then_.merged_into = event.text.substr(
          event.text.find("T-") == std::string::npos ? event.text.size() : event.text.find("T-"));
    } else if (kind == "unmerged") {
      holds_[kMerged].clear();
      then_.merged_into.clear();
    } else if (kind == "held") {
      holds_[kHeld] = "it " + event.text;
    } else if (kind == "escalation_paused") {
      holds_[kPaused] = "escalation is paused with " + event.text;
    } else if (kind == "escalation_resumed") {
      holds_[kPaused].clear();
    } else if (kind == "digest") {
      holds_[kDigest] = event.text;
    } else if (kind == "notified") {
      holds_[kHeld].clear();
      holds_[kDigest].clear();
      then_.trouble.clear();
    } else {
      take_end(event);
    }
  }

  IncidentThen result() {
    for (const std::string& hold : holds_) {
      if (then_.held.empty()) then_.held = hold;
    }
    return std::move(then_);
  }

 private:
  void take_end(const incident::TimelineEvent& event) {
    const std::string& kind = event.kind;
    if (kind == "resolved") {
      then_.state = "resolved";
      holds_ = {};
      then_.resolved_by_person = !event.actor.empty();
      if (!event.actor.empty()) {
        holds_[kResolved] = fmt::format("resolved by {}{}{}", event.actor,
                                        event.text.empty() ? "" : ": ", event.text);
      }
    } else if (kind == "reopened") {
      then_.state = "open";
      then_.resolved_by_person = false;
      holds_[kResolved].clear();
    } else if (kind == "not_notified") {
      then_.trouble = event.text;
    } else if (kind == "nobody_on_call") {
      then_.trouble = "nobody is on call (" + event.text + ")";
    } else if (kind == "step_skipped") {
      then_.trouble = event.text;
    } else if (kind == "step_failed") {
      then_.trouble = event.text;
    }
  }

  IncidentThen then_;
  std::array<std::string, kDigest + 1> holds_;
};

}  // namespace

IncidentThen replay(std::span<const incident::TimelineEvent> timeline) {
  Replay replay;
  for (const incident::TimelineEvent& event : timeline) replay.take(event);
  return replay.result();
}

}  // namespace tocsin::story
