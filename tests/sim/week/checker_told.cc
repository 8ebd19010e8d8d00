// Whether those alerts are told of that should be, and no others.
#include <algorithm>

#include "tests/sim/week/checker_parts.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// What the daemon knows differs from the truth by less.
constexpr Duration kMargin = seconds(3);
/// Between the first moment and the message, besides what routes and policies ask for: the alert is
/// sent every minute.
constexpr Duration kSlack = minutes(2);
/// `manual_hold` of the configuration, after which what still fires is told of again.
constexpr Duration kManualHold = minutes(15);

/// Whose life it is, and where it should be told of.
struct Wanted {
  const Life& life;
  std::size_t number;
  Span span;  ///< It fires, with one severity, under one configuration.
  const Config& config;
  const RouteSpec& route;
};

class ToldChecker {
 public:
  ToldChecker(const Index& index, Violations& found) : index_(index), found_(found) {
    for (const auto& [id, rows] : index.rows) {
      for (const Told& told : rows) {
        for (const auto& each : told.row->notification.alerts) {
          mentions_[labels_of(each.alert)].push_back({told.row, told.copy, each.firing});
        }
      }
    }
    for (auto& [labels, all] : mentions_) {
      std::stable_sort(all.begin(), all.end(), [](const Mention& a, const Mention& b) {
        return a.row->notification.created_at < b.row->notification.created_at;
      });
    }
  }

  void run() {
    for (std::size_t i = 0; i < index_.plan.lives.size(); ++i) {
      const Life& life = index_.plan.lives[i];
      check_recorded(life, i);
      for (const Span& span : pieces(life)) {
        const Config& config = index_.journal.config(index_.plan, span.from);
        for (const RouteSpec* route : leaves(config, life.labels, life.severity(span.from))) {
          check_one({life, i, span, config, *route});
        }
      }
    }
  }

 private:
  struct Mention {
    const incident::OutboxRow* row;
    bool copy;
    bool firing;
  };

  /// The life, cut where its severity or the configuration changes.
  std::vector<Span> pieces(const Life& life) const {
    std::set<WallTime> cuts{life.fire, life.end};
    for (const auto& [at, severity] : life.severities) cuts.insert(at);
    for (const auto& [at, number] : index_.journal.configs) {
      if (at > life.fire && at < life.end) cuts.insert(at);
    }
    std::vector<Span> spans;
    for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
      spans.push_back({*cut, *std::next(cut)});
    }
    return spans;
  }

  /// What is hidden has that reason recorded.
  void check_recorded(const Life& life, std::size_t number) {
    static const std::set<std::string> kHides{"Silenced", "Inhibited", "Maintenance"};
    const auto hidden =
        hidden_spans(index_.plan, index_.journal, life, nullptr, -Duration(kMargin));
    for (Span span : hidden) {
      span.from = std::max(span.from, life.fire + minutes(2));
      span.to = std::min(span.to, life.end);
      for (const Span& awake :
           span.from < span.to ? without(span, index_.away) : std::vector<Span>{}) {
        if (awake.to - awake.from < minutes(11)) continue;
        const auto reasons = recorded_reasons(index_.journal, number, awake.from, awake.to);
        const bool said = std::any_of(reasons.begin(), reasons.end(), [](const std::string& each) {
          return kHides.contains(each);
        });
        if (!said) {
          complain(awake.from, life, "is hidden, and no reason is recorded");
        }
      }
    }
  }

  void check_one(const Wanted& wanted) {
    std::vector<Span> excused =
        hidden_spans(index_.plan, index_.journal, wanted.life, &wanted.route, kMargin);
    excused.insert(excused.end(), index_.away.begin(), index_.away.end());
    const auto of_people = excuses_of_incidents(wanted);
    excused.insert(excused.end(), of_people.begin(), of_people.end());
    const Duration bound = bound_of(wanted);
    for (const Span& free : without(wanted.span, merged(std::move(excused)))) {
      if (free.to - free.from <= bound) continue;
      if (known(wanted, free.from, free.from + bound)) continue;
      if (waits_for_digest(wanted, free.from + bound)) continue;
      complain(free.from, wanted.life,
               fmt::format("is not told on route {} until {}", wanted.route.name,
                           base::format_rfc3339(free.from + bound)));
    }
  }

  static Duration bound_of(const Wanted& wanted) {
    Duration first(0);
    for (const PolicySpec& policy : wanted.config.policies) {
      first = std::max(first, policy.steps.front().after);
    }
    return wanted.route.group_wait + wanted.route.group_interval + first + kSlack;
  }

  bool on_route(const Mention& mention, const Wanted& wanted) const {
    const incident::Notification& message = mention.row->notification;
    // A storm tells of alerts of many routes.
    return !mention.copy &&
           (message.route == wanted.route.name || message.group_key.starts_with("manual:"));
  }

  /// Returns whether a message within [from, to] says that it fires, or the last one before did.
  bool known(const Wanted& wanted, WallTime from, WallTime to) const {
    const auto all = mentions_.find(wanted.life.labels);
    if (all == mentions_.end()) return false;
    bool firing = false;
    for (const Mention& mention : all->second) {
      const incident::Notification& message = mention.row->notification;
      if (message.created_at > to) break;
      if (!on_route(mention, wanted)) continue;
      firing = mention.firing && message.kind != incident::NotificationKind::Resolved;
      if (firing && message.created_at >= from) return true;
    }
    return firing;
  }

  /// The incidents of the alert's group, as messages show them.
  std::set<std::string> incidents_of(const Wanted& wanted) const {
    std::set<std::string> ids;
    for (const auto& [id, rows] : index_.rows) {
      for (const Told& told : rows) {
        if (!told.copy && same_group(told.row->notification, wanted)) ids.insert(id);
      }
    }
    return ids;
  }

  static bool same_group(const incident::Notification& message, const Wanted& wanted) {
    if (message.route != wanted.route.name) return false;
    const LabelMap group = [&] {
      LabelMap labels;
      for (const auto& label : message.group_labels) labels[std::string(label.name)] = label.value;
      return labels;
    }();
    return std::all_of(group.begin(), group.end(), [&](const auto& label) {
      const auto mine = wanted.life.labels.find(label.first);
      return mine != wanted.life.labels.end() && mine->second == label.second;
    });
  }

  /// What a person did to an incident is a reason as well, and the timeline has it.
  std::vector<Span> excuses_of_incidents(const Wanted& wanted) const {
    std::vector<Span> spans;
    std::set<std::string> ids = incidents_of(wanted);
    for (const auto& [id, events] : index_.journal.timelines) {
      if (!ids.contains(id) && !untold_incident(events, wanted)) continue;
      std::map<std::string, WallTime> since;
      bool told = false;
      const auto open = [&](const char* what, WallTime at) { since.try_emplace(what, at); };
      const auto close = [&](const char* what, WallTime at) {
        if (const auto found = since.extract(what)) spans.push_back({found.mapped(), at + kMargin});
      };
      for (const incident::TimelineEvent& event : events) {
        const bool over = event.kind == "resolved";
        if (event.kind == "snoozed") open("snoozed", event.at);
        if (event.kind == "snooze_ended" || over) close("snoozed", event.at);
        if (event.kind == "merged") open("merged", event.at);
        // A part that is over is still a part, until the whole is.
        if (event.kind == "unmerged" || (over && event.text.starts_with("with "))) {
          close("merged", event.at);
        }
        if (event.kind == "held") open("held", event.at);
        // Acknowledged before its first step: somebody knows of it already.
        if (event.kind == "notified") told = true;
        if (event.kind == "acknowledged" && !told) open("acknowledged", event.at);
        if (event.kind.starts_with("unack") || event.kind == "acknowledgement_expired" || over) {
          close("acknowledged", event.at);
        }
        if (event.kind == "notified" || over) close("held", event.at);
        // Closed by a person, by itself with the whole, or with a storm: it is looked at again.
        if (over) spans.push_back({event.at, event.at + kManualHold + kMargin});
      }
      for (const auto& [what, at] : since) spans.push_back({at, index_.plan.end});
    }
    return spans;
  }

  /// An incident that nobody was told of has its title only: "DiskFull (host=h1)", the alert that
  /// opened it and what its group has in common, which is the same when another one reopens it.
  static bool untold_incident(const std::vector<incident::TimelineEvent>& events,
                              const Wanted& wanted) {
    return std::any_of(events.begin(), events.end(),
                       [&](const auto& event) {
                         return event.kind == "opened" &&
                                (names_alert(event.text, wanted) || in_group(event.text, wanted));
                       }) &&
           std::none_of(events.begin(), events.end(),
                        [](const auto& event) { return event.kind == "notified"; });
  }

  static bool names_alert(const std::string& title, const Wanted& wanted) {
    const auto name = wanted.life.labels.find("alertname");
    return name != wanted.life.labels.end() && title.find(name->second) != std::string::npos;
  }

  static bool in_group(const std::string& title, const Wanted& wanted) {
    const std::size_t open = title.rfind(" (");
    if (open == std::string::npos || !title.ends_with(')')) return false;
    const std::string group = title.substr(open + 2, title.size() - open - 3);
    const std::size_t equals = group.find('=');
    if (equals == std::string::npos) return false;
    const auto mine = wanted.life.labels.find(group.substr(0, equals));
    return mine != wanted.life.labels.end() && mine->second == group.substr(equals + 1);
  }

  bool waits_for_digest(const Wanted& wanted, WallTime by) const {
    const std::string& name =
        wanted.route.policy.empty()
            ? wanted.config
                  .by_severity[static_cast<std::size_t>(wanted.life.severity(wanted.span.from))]
            : wanted.route.policy;
    const PolicySpec* policy = wanted.config.policy(name);
    if (!policy || !policy->digest_hour) return false;
    // Its incident has the group's name; which one it is the digest's check finds out.
    return std::any_of(index_.journal.timelines.begin(), index_.journal.timelines.end(),
                       [&](const auto& timeline) {
                         return std::any_of(timeline.second.begin(), timeline.second.end(),
                                            [&](const auto& event) {
                                              return event.kind == "digest" && event.at <= by &&
                                                     event.at + hours(26) >= wanted.span.from;
                                            });
                       });
  }

  void complain(WallTime at, const Life& life, const std::string& what) {
    found_.push_back(
        {at, "told",
         fmt::format("alert {} (fires {} to {}) {}", to_string(life.labels),
                     base::format_rfc3339(life.fire), base::format_rfc3339(life.end), what)});
  }

  const Index& index_;
  Violations& found_;
  std::map<LabelMap, std::vector<Mention>> mentions_;
};

}  // namespace

void check_told(const Index& index, Violations& found) {
  ToldChecker(index, found).run();
}

void check_hidden(const Index& index, Violations& found) {
  for (const auto& [id, rows] : index.rows) {
    for (const Told& told : rows) {
      const incident::Notification& message = told.row->notification;
      if (told.copy) continue;  // says again what was said
      bool firing = false;
      const Config& config = index.journal.config(index.plan, message.created_at);
      for (const auto& each : message.alerts) {
        firing = firing || each.firing;
        if (!each.firing) continue;
        const Life* life = life_of(index.plan, labels_of(each.alert), message.created_at);
        if (!life) continue;
        const RouteSpec* route = nullptr;
        if (told.opens) {
          for (const RouteSpec* leaf :
               leaves(config, life->labels, life->severity(message.created_at))) {
            if (leaf->name == message.route) route = leaf;
          }
        }
        const auto hidden = hidden_spans(index.plan, index.journal, *life, route, -kMargin);
        if (!inside(hidden, message.created_at)) continue;
        found.push_back(
            {message.created_at, "hidden",
             describe(message) + " tells of " + to_string(life->labels) + ", which is hidden"});
      }
      const bool some_over = message.reason == incident::Reason::SomeResolved;
      if (told.opens && !firing && !some_over && !message.group_key.starts_with("manual:")) {
        found.push_back({message.created_at, "hidden",
                         describe(message) + " says that something fires, and nothing does"});
      }
    }
  }
}

void check_digests(const Index& index, Violations& found) {
  std::multimap<std::string, WallTime> digests;  // incident -> told
  const auto add = [&digests](const incident::Notification& message) {
    if (!message.group_key.starts_with("digest:")) return;
    for (const auto& each : message.alerts) {
      digests.emplace(each.alert.labels.get("incident"), message.created_at);
    }
  };
  for (const incident::OutboxRow& row : index.journal.rows) add(row.notification);
  for (const incident::Notification& message : index.journal.others) add(message);
  for (const auto& [id, events] : index.journal.timelines) {
    std::optional<WallTime> promised;
    for (const incident::TimelineEvent& event : events) {
      if (event.kind == "merged" || event.kind == "policy_changed") promised.reset();
      if (event.kind != "digest") continue;
      const auto at = base::parse_rfc3339(event.text.substr(event.text.rfind(' ') + 1));
      if (at) promised = *at;
      const WallTime due = promised.value_or(event.at);
      // Told by the end of the day; the daemon may be away when it is due.
      const auto [first, last] = digests.equal_range(id);
      const bool told = std::any_of(first, last, [&](const auto& each) {
        return each.second >= due && each.second < due + hours(1);
      });
      const bool left = std::any_of(events.begin(), events.end(), [&](const auto& other) {
        return (other.kind == "merged" || other.kind == "policy_changed") && other.at >= event.at &&
               other.at <= due;
      });
      if (!told && !left && due < index.plan.end + hours(48)) {
        found.push_back({due, "digest", id + " is not in the digest that was promised for it"});
      }
    }
  }
}

}  // namespace tocsin::week
