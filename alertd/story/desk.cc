#include "alertd/story/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "alertd/incident/decision_keeper.h"
#include "alertd/incident/record_codec.h"
#include "alertd/routing/matcher_text.h"
#include "alertd/story/cause.h"
#include "alertd/story/timeline.h"
#include "common/base/strings.h"

namespace tocsin::story {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using incident::DecisionRecord;
using Snapshot = std::shared_ptr<const incident::Snapshot>;

namespace {

constexpr std::size_t kAtOnce = 16;
constexpr std::size_t kRowsMax = 2'000;       // of one subject
constexpr std::size_t kSearchedMax = 10'000;  // rows looked through for a label set that is gone
constexpr std::size_t kGroupsMax = 8;
constexpr std::size_t kIncidentsMax = 8;
constexpr std::size_t kNearestMax = 5;

/// One question on its way; owns itself through the callbacks that hold it.
class Inquiry : public std::enable_shared_from_this<Inquiry> {
 public:
  Inquiry(const DeskWorld& world, Question question, std::function<void(Result<Story>)> done)
      : world_(world), question_(std::move(question)), done_(std::move(done)) {}

  void begin() {
    world_.dispatcher.snapshot(world_.executor, [self = shared_from_this()](Snapshot snapshot) {
      self->take(std::move(snapshot));
    });
  }

 private:
  void take(Snapshot snapshot) {
    snapshot_ = std::move(snapshot);
    const WallTime now = world_.executor.clock().wall();
    evidence_.at = question_.at.value_or(now);
    evidence_.past = question_.at && *question_.at < now;
    evidence_.standing_by = !snapshot_->deciding;
    if (evidence_.at > now) {
      return fail(base::error(ErrorCode::InvalidArgument, "the time asked about is yet to come"));
    }
    if (question_.incident.empty()) return find_alert();
    world_.store.incident(question_.incident, world_.executor,
                          [self = shared_from_this()](Result<incident::IncidentDetail> detail) {
                            if (!detail) return self->fail(detail.error());
                            self->take(std::move(*detail));
                          });
  }

  /// An alert of the incident: one that fires now, else one that was told of.
  void take(incident::IncidentDetail detail) {
    group_keys_.insert(detail.incident.group_key);
    wanted_.push_back(detail.incident.id);
    const incident::AlertView* view = find_live([&](const incident::AlertView& each) {
      return std::any_of(each.groups.begin(), each.groups.end(), [&](const auto& group) {
        return group.group_key == detail.incident.group_key;
      });
    });
    if (view) return meant(*view);
    for (const incident::DeliveryRecord& delivery : detail.deliveries) {
      const auto& alerts = delivery.row.notification.alerts;
      const bool manual = detail.incident.group_key.starts_with("manual:");
      if (!alerts.empty() && !manual) return meant(alerts.front().alert.labels);
    }
    if (const auto full = incident::incident_from_record(detail.incident)) {
      evidence_.labels = full->group_labels;
    }
    ask_groups();
  }

  template <class Wanted>
  const incident::AlertView* find_live(Wanted wanted) const {
    const incident::AlertView* found = nullptr;
    for (const incident::AlertView& view : snapshot_->alerts) {
      if (wanted(view) && (!found || (found->resolved && !view.resolved))) found = &view;
    }
    return found;
  }

  void find_alert() {
    if (!question_.fingerprint.empty()) {
      const incident::AlertView* view = find_live([this](const incident::AlertView& each) {
        return incident::alert_key(each.alert.fingerprint()) == question_.fingerprint;
      });
      if (view) return meant(*view);
      return search(about(question_.fingerprint, 1));
    }
    if (question_.labels.empty()) {
      return fail(base::error(ErrorCode::InvalidArgument,
                              "nothing is asked about: give labels, a fingerprint or an incident"));
    }
    const incident::AlertView* exact = find_live(
        [this](const incident::AlertView& each) { return each.alert.labels == question_.labels; });
    if (exact) return meant(*exact);
    std::vector<const incident::AlertView*> candidates;
    for (const incident::AlertView& view : snapshot_->alerts) {
      if (is_meant(question_.labels, view.alert.labels, view.alert.severity)) {
        candidates.push_back(&view);
      }
    }
    // Firing ones first, in order of their labels.
    std::stable_partition(candidates.begin(), candidates.end(),
                          [](const auto* view) { return !view->resolved; });
    if (candidates.empty()) {
      const std::string key = incident::alert_key(model_alert(question_.labels).fingerprint());
      return search(about(key, 1));
    }
    for (std::size_t i = 1; i < candidates.size(); ++i) also_meant(candidates[i]->alert.labels);
    meant(*candidates.front());
  }

  static model::Alert model_alert(const model::Labels& labels) {
    model::Alert alert;
    alert.labels = labels;
    alert.severity =
        model::parse_severity(labels.get("severity")).value_or(model::Severity::Medium);
    return alert;
  }

  void also_meant(const model::Labels& labels) {
    ++others_;
    if (nearest_.size() < kNearestMax) nearest_.push_back(labels);
  }

  /// Decisions up to the time asked about.
  incident::DecisionQuery about(const std::string& fingerprint, std::size_t limit) const {
    incident::DecisionQuery query;
    query.fingerprint = fingerprint;
    query.to = evidence_.at + base::Duration{1};
    query.limit = limit;
    return query;
  }

  /// Alerts that are gone have left lines. First those of this very label set, then any.
  void search(incident::DecisionQuery query) {
    world_.store.decisions(
        query, world_.executor,
        [self = shared_from_this(), query](Result<std::vector<DecisionRecord>> rows) {
          if (!rows) return self->fail(rows.error());
          self->found(*rows, query);
        });
  }

  void found(const std::vector<DecisionRecord>& rows, const incident::DecisionQuery& query) {
    if (!query.fingerprint.empty()) {
      if (!rows.empty()) {
        return meant(labels_of(rows.front().text).value_or(question_.labels));
      }
      if (question_.labels.empty()) {
        return fail(base::error(
            ErrorCode::NotFound,
            fmt::format("no alert with the fingerprint {} is known", question_.fingerprint)));
      }
      return search(about({}, kSearchedMax));
    }
    std::vector<model::Labels> candidates;
    std::set<std::string> seen;
    for (const DecisionRecord& row : rows) {
      if (row.fingerprint.empty() || !seen.insert(row.fingerprint).second) continue;
      const auto labels = labels_of(row.text);
      if (labels && is_meant(question_.labels, *labels, std::nullopt)) {
        candidates.push_back(*labels);
      }
    }
    for (std::size_t i = 1; i < candidates.size(); ++i) also_meant(candidates[i]);
    if (candidates.empty()) look_near();
    meant(candidates.empty() ? question_.labels : candidates.front());
  }

  /// No such alert: those of the same name that there are.
  void look_near() {
    const std::string_view name = question_.labels.get(model::kAlertName);
    for (const incident::AlertView& view : snapshot_->alerts) {
      if (nearest_.size() == kNearestMax) break;
      if (!name.empty() && view.alert.labels.get(model::kAlertName) == name) {
        nearest_.push_back(view.alert.labels);
      }
    }
  }

  void meant(const incident::AlertView& view) {
    evidence_.alert = view.alert;
    evidence_.firing = !view.resolved;
    for (const auto& group : view.groups) group_keys_.insert(group.group_key);
    walk(view.alert);
  }
  void meant(const model::Labels& labels) { walk(model_alert(labels)); }

  void walk(const model::Alert& alert) {
    evidence_.labels = alert.labels;
    evidence_.fingerprint = incident::alert_key(alert.fingerprint());
    world_.dispatcher.explain(alert, world_.executor,
                              [self = shared_from_this()](routing::Explanation explanation) {
                                for (const auto& group : explanation.groups)
                                  self->group_keys_.insert(group.group_key);
                                self->evidence_.routing = std::move(explanation);
                                self->ask_own();
                              });
  }

  void ask_own() {
    world_.store.decisions(about(evidence_.fingerprint, kRowsMax), world_.executor,
                           [self = shared_from_this()](Result<std::vector<DecisionRecord>> rows) {
                             if (!rows) return self->fail(rows.error());
                             std::reverse(rows->begin(), rows->end());
                             for (const DecisionRecord& row : *rows) {
                               self->take_group(row.subject);
                               self->want(row.incident_id);
                             }
                             self->evidence_.own = std::move(*rows);
                             self->ask_groups();
                           });
  }

  void take_group(const std::string& subject) {
    if (!subject.starts_with(incident::kMemberSubject)) return;  // it was refused
    group_keys_.insert(subject.substr(incident::kMemberSubject.size()));
  }

  void want(const std::string& incident) {
    const bool known = std::find(wanted_.begin(), wanted_.end(), incident) != wanted_.end();
    if (!incident.empty() && !known) wanted_.push_back(incident);
  }

  void ask_groups() {
    if (groups_asked_ == 0) evidence_.group_keys = group_keys_;
    if (group_keys_.empty() || ++groups_asked_ > kGroupsMax) return ask_incidents();
    incident::DecisionQuery query = about({}, kRowsMax);
    query.subject = group_keys_.extract(group_keys_.begin()).value();
    world_.store.decisions(query, world_.executor,
                           [self = shared_from_this()](Result<std::vector<DecisionRecord>> rows) {
                             if (!rows) return self->fail(rows.error());
                             auto& all = self->evidence_.of_groups;
                             for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
                               self->want(row->incident_id);
                               all.push_back(std::move(*row));
                             }
                             self->ask_groups();
                           });
  }

  /// The newest ones, oldest first; then what they were merged into.
  void ask_incidents() {
    auto& rows = evidence_.of_groups;
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    if (evidence_.alert) {
      for (const auto& view : snapshot_->incidents) {
        for (const auto& group : evidence_.routing.groups) {
          if (view.incident.group_key == group.group_key) want(view.incident.id());
        }
      }
    }
    std::sort(wanted_.begin(), wanted_.end(), [](const auto& a, const auto& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    while (wanted_.size() > kIncidentsMax) wanted_.pop_front();
    ask_next_incident();
  }

  void ask_next_incident() {
    if (wanted_.empty()) return ask_rules();
    const std::string id = wanted_.front();
    wanted_.pop_front();
    world_.store.incident(id, world_.executor,
                          [self = shared_from_this()](Result<incident::IncidentDetail> detail) {
                            // Pruned meanwhile, or named by a line that outlived it.
                            if (detail) self->add(std::move(*detail));
                            self->ask_next_incident();
                          });
  }

  void add(incident::IncidentDetail detail) {
    if (detail.incident.opened_at > evidence_.at) return;
    std::erase_if(detail.timeline, [this](const auto& event) { return event.at > evidence_.at; });
    for (const incident::DeliveryRecord& record : detail.deliveries) {
      auto delivery = as_of(record, evidence_.at, evidence_.fingerprint);
      if (delivery) evidence_.deliveries.push_back(std::move(*delivery));
    }
    const IncidentThen then = replay(detail.timeline);
    const bool known =
        std::any_of(evidence_.incidents.begin(), evidence_.incidents.end(),
                    [&](const auto& each) { return each.incident.id == then.merged_into; });
    if (!known && evidence_.incidents.size() < kIncidentsMax) want(then.merged_into);
    evidence_.incidents.push_back(std::move(detail));
  }

  void ask_rules() {
    std::stable_sort(
        evidence_.incidents.begin(), evidence_.incidents.end(),
        [](const auto& a, const auto& b) { return a.incident.number < b.incident.number; });
    std::stable_sort(evidence_.deliveries.begin(), evidence_.deliveries.end(),
                     [](const Delivery& a, const Delivery& b) {
                       return a.record.row.notification.created_at <
                              b.record.row.notification.created_at;
                     });
    const auto at = evidence_.past ? question_.at : std::nullopt;
    world_.witness.rules(evidence_.labels, at, [self = shared_from_this()](RuleSights sights) {
      self->evidence_.rules = std::move(sights.rules);
      self->evidence_.rule_names = std::move(sights.names);
      self->ask_channels();
    });
  }

  void ask_channels() {
    world_.witness.channels([self = shared_from_this()](std::vector<ChannelSight> channels) {
      self->evidence_.channels = std::move(channels);
      self->finish();
    });
  }

  void finish() {
    Story story = write_story(evidence_);
    if (others_ > 0) {
      story.notes.push_back(fmt::format("{} more alert{} what was asked for; this is about {}",
                                        others_, others_ == 1 ? " has" : "s have",
                                        evidence_.labels.to_string()));
    }
    story.nearest = std::move(nearest_);
    std::exchange(done_, nullptr)(std::move(story));
  }

  void fail(const base::Error& error) { std::exchange(done_, nullptr)(error); }

  DeskWorld world_;
  Question question_;
  std::function<void(Result<Story>)> done_;
  Snapshot snapshot_;
  Evidence evidence_;
  std::set<std::string> group_keys_;
  std::size_t groups_asked_ = 0;
  std::deque<std::string> wanted_;  ///< Incidents to be read.
  std::vector<model::Labels> nearest_;
  std::size_t others_ = 0;
};

}  // namespace

bool is_meant(const model::Labels& asked, const model::Labels& labels,
              std::optional<model::Severity> severity) {
  for (const model::LabelView label : asked) {
    if (labels.get(label.name) == label.value) continue;
    // A rule with several levels has its severity beside its labels.
    const bool own = label.name == "severity" && !labels.has("severity");
    if (!own || (severity && model::to_string(*severity) != label.value)) return false;
  }
  return true;
}

std::optional<model::Labels> labels_of(const std::string& decision_text) {
  if (!decision_text.starts_with('{')) return std::nullopt;
  const std::string rest = without_labels(decision_text);
  std::string_view text(decision_text);
  text.remove_suffix(rest.size());
  while (text.ends_with(' ') || text.ends_with(':')) text.remove_suffix(1);
  const auto matchers = routing::parse_matchers(text);
  if (!matchers) return std::nullopt;
  model::LabelsBuilder labels;
  for (const model::Matcher& matcher : *matchers) labels.set(matcher.name(), matcher.value());
  return labels.build();
}

void Desk::tell(Question question, std::function<void(Result<Story>)> done) {
  if (++*running_ > kAtOnce) {
    --*running_;
    return done(base::error(ErrorCode::Unavailable, "too many such questions at once; try again"));
  }
  auto counted = [running = running_, done = std::move(done)](Result<Story> story) {
    --*running;
    done(std::move(story));
  };
  std::make_shared<Inquiry>(world_, std::move(question), std::move(counted))->begin();
}

}  // namespace tocsin::story
