#include "alertd/ruler/ruler.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>

#include "alertd/ruler/shared_state.h"
#include "common/base/hash.h"
#include "common/config/source.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kComponent = "alertd/ruler";

void mix(std::uint64_t& hash, std::string_view text) {
  hash = base::fnv1a(text, hash) ^ (text.size() * 0x9e3779b97f4a7c15ULL);
}

void mix(std::uint64_t& hash, const std::vector<NamedText>& texts) {
  for (const NamedText& text : texts) {
    mix(hash, text.name);
    mix(hash, text.text);
  }
  mix(hash, ";");
}

void mix(std::uint64_t& hash, const std::optional<Bound>& bound) {
  mix(hash, bound ? bound->to_string() : std::string("-"));
}

/// Equal for groups that behave alike; where the rules stand in the file counts too, for the links.
std::uint64_t definition_of(const RuleGroup& group) {
  std::uint64_t hash = base::fnv1a(group.name, base::fnv1a(group.file));
  mix(hash, std::to_string(group.interval.count()) + "," +
                std::to_string(group.query_offset.count()) + "," + std::to_string(group.limit));
  mix(hash, group.datasource);
  if (group.on_data) mix(hash, "on-data," + std::to_string(group.min_interval.count()));
  for (const Rule& rule : group.rules) {
    mix(hash, rule.kind == RuleKind::Alerting ? "alert" : "record");
    mix(hash, rule.name);
    mix(hash, rule.expr_text);
    mix(hash, rule.labels);
    mix(hash, rule.annotations);
    for (const Level& level : rule.levels) {
      mix(hash, level.bound);
      mix(hash, std::to_string(level.hold_for.count()) + "," +
                    std::to_string(level.keep_firing_for.count()) + "," +
                    std::string(model::to_string(level.severity)));
    }
    mix(hash, rule.clear);
    mix(hash, std::string(to_string(rule.no_data)) + std::to_string(rule.place.line));
  }
  return hash;
}

std::string group_key(const RuleGroup& group) {
  return group.file + '\xff' + group.name;
}

/// Returns "3 errors, the first: file:line:column: message".
std::string first_error(const base::Diagnostics& diagnostics) {
  const base::Diagnostic* first = nullptr;
  std::size_t errors = 0;
  for (const base::Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity != base::DiagnosticSeverity::Error) continue;
    if (!first) first = &diagnostic;
    ++errors;
  }
  if (!first) return "no errors";
  return std::to_string(errors) + (errors == 1 ? " error: " : " errors, the first: ") +
         first->file + ":" + std::to_string(first->line) + ":" + std::to_string(first->column) +
         ": " + first->message;
}

}  // namespace

class Ruler::Impl : public std::enable_shared_from_this<Ruler::Impl> {
 public:
  using Groups = std::vector<std::shared_ptr<Group>>;
  using Relabelling = std::vector<relabel::Rule>;

  Impl(const RulerWorld& world, const RulerOptions& options, const base::FileSystem& files)
      : world_(world),
        options_(options),
        files_(files),
        strand_(world.executor),
        reloads_ok_(world.metrics.counter("tocsin_alertd_rule_reloads_total",
                                          "Loads of the rule files.", {{"outcome", "ok"}})),
        reloads_refused_(world.metrics.counter("tocsin_alertd_rule_reloads_total",
                                               "Loads of the rule files.",
                                               {{"outcome", "refused"}})),
        last_reload_ok_(world.metrics.gauge("tocsin_alertd_rule_reload_successful",
                                            "1 if the last load of the rule files was taken.")),
        rules_(world.metrics.gauge("tocsin_alertd_rules", "Rules that are running.")) {}

  void set_told(std::vector<model::Alert> told) {
    options_.group.told = std::make_shared<const std::vector<model::Alert>>(std::move(told));
  }
  LoadOutcome load(std::optional<Relabelling> relabel = {}) EXCLUDES(mutex_);
  void when_in_force(base::Task task);
  void stop() EXCLUDES(mutex_);
  RulerView view() const EXCLUDES(mutex_);
  void poll();
  void grant(std::string key, Tenure tenure);
  void revoke(std::string key, base::Task ended);
  void forget(const Forgetting& forgetting, bool pass_on) EXCLUDES(mutex_);
  Groups groups() const EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    return groups_;
  }

 private:
  /// Old rules by key, in order, that wait for a new rule to take them over.
  struct OldRule {
    std::string group;
    Group* owner;
    RuleRunner* runner;
    base::Duration interval;
    bool taken = false;
  };

  void apply(std::vector<RuleGroup> specs, std::optional<Relabelling> relabel);
  bool keeps(const Group& group) const { return group.options().relabel == options_.group.relabel; }
  void swap_generations();
  void build();
  void inherit(const Groups& fresh, std::multimap<std::string, OldRule>& old);
  void end_old(const Groups& fresh, std::multimap<std::string, OldRule>& old);
  void end_series_later(base::WallTime removed_at, base::Duration wait,
                        std::vector<model::Labels> series);
  void end_series(base::WallTime removed_at, const std::vector<model::Labels>& series);
  void schedule_poll();
  void share(const Groups& all);
  void between_swaps(base::Task task);

  RulerWorld world_;
  RulerOptions options_;
  const base::FileSystem& files_;
  Strand strand_;
  base::Counter reloads_ok_, reloads_refused_;
  base::Gauge last_reload_ok_, rules_;

  // Owned by the strand.
  std::optional<std::vector<RuleGroup>> next_;
  std::optional<Relabelling> next_relabel_;
  std::vector<base::Task> next_waiting_;  ///< For next_ to run.
  std::vector<RuleGroup> building_;
  std::vector<base::Task> building_waiting_;  ///< For building_ to run.
  Groups retiring_;
  std::size_t retiring_left_ = 0;
  bool swapping_ = false;
  bool first_ = true;
  std::map<std::string, std::shared_ptr<Group>> shared_;  ///< By key; those held run.
  std::vector<base::Task> between_swaps_;

  std::atomic<bool> stopped_{false};
  mutable base::Mutex mutex_;
  Groups groups_ GUARDED_BY(mutex_);
  std::uint64_t fingerprint_ GUARDED_BY(mutex_) = 0;
  bool polling_ GUARDED_BY(mutex_) = false;
  bool load_ok_ GUARDED_BY(mutex_) = false;
  std::string load_error_ GUARDED_BY(mutex_);
  std::optional<base::WallTime> loaded_at_ GUARDED_BY(mutex_);
};

LoadOutcome Ruler::Impl::load(std::optional<Relabelling> relabel) {
  RuleSet set = load_rules(options_.paths, options_.files, files_);
  LoadOutcome outcome;
  outcome.ok = !base::has_errors(set.diagnostics);
  outcome.groups = set.groups.size();
  for (const RuleGroup& group : set.groups) outcome.rules += group.rules.size();
  bool start_polling = false;
  {
    base::MutexLock lock(mutex_);
    fingerprint_ = set.fingerprint;
    load_ok_ = outcome.ok;
    load_error_ = outcome.ok ? "" : config::render_all(set.diagnostics, set.sources);
    if (outcome.ok) loaded_at_ = world_.executor.clock().wall();
    start_polling = options_.poll_interval > base::Duration{0} && !polling_;
    polling_ = polling_ || start_polling;
  }
  last_reload_ok_.set(outcome.ok ? 1 : 0);
  (outcome.ok ? reloads_ok_ : reloads_refused_).increment();
  if (outcome.ok) {
    rules_.set(static_cast<double>(outcome.rules));
    strand_.post([self = shared_from_this(), groups = std::move(set.groups),
                  relabel = std::move(relabel)]() mutable {
      self->apply(std::move(groups), std::move(relabel));
    });
  } else {
    base::log_error(kComponent, "the rule files have {}; the running rules stay",
                    first_error(set.diagnostics));
  }
  if (start_polling) schedule_poll();
  outcome.diagnostics = std::move(set.diagnostics);
  outcome.sources = std::move(set.sources);
  return outcome;
}

void Ruler::Impl::apply(std::vector<RuleGroup> specs, std::optional<Relabelling> relabel) {
  if (stopped_) return;
  if (relabel) next_relabel_ = std::move(relabel);
  next_ = std::move(specs);
  if (!swapping_) swap_generations();
}

// Behind the loads so far, in the order of the strand.
void Ruler::Impl::when_in_force(base::Task task) {
  strand_.post([self = shared_from_this(), task = std::move(task)]() mutable {
    if (self->stopped_) return;
    if (!self->swapping_) return task();
    (self->next_ ? self->next_waiting_ : self->building_waiting_).push_back(std::move(task));
  });
}

void Ruler::Impl::swap_generations() {
  swapping_ = true;
  building_ = std::move(*next_);
  next_.reset();
  building_waiting_ = std::exchange(next_waiting_, {});
  const auto& relabel = options_.group.relabel;
  if (next_relabel_ && *next_relabel_ != (relabel ? *relabel : Relabelling())) {
    options_.group.relabel = std::make_shared<const Relabelling>(std::move(*next_relabel_));
  }
  next_relabel_.reset();
  std::multimap<std::uint64_t, const RuleGroup*> wanted;
  for (const RuleGroup& spec : building_) wanted.emplace(definition_of(spec), &spec);
  Groups running;
  {
    base::MutexLock lock(mutex_);
    running = groups_;
  }
  retiring_.clear();
  for (const auto& group : running) {
    const auto same = wanted.find(definition_of(group->spec()));
    if (same != wanted.end() && keeps(*group)) {
      wanted.erase(same);
    } else {
      retiring_.push_back(group);
    }
  }
  retiring_left_ = retiring_.size();
  if (retiring_.empty()) {
    build();
    return;
  }
  for (const auto& group : retiring_) {
    group->retire([self = shared_from_this()] {
      self->strand_.post([self] {
        if (--self->retiring_left_ == 0) self->build();
      });
    });
  }
}

void Ruler::Impl::build() {
  if (stopped_) return;
  std::multimap<std::uint64_t, std::shared_ptr<Group>> kept;
  {
    base::MutexLock lock(mutex_);
    for (const auto& group : groups_) {
      if (std::find(retiring_.begin(), retiring_.end(), group) == retiring_.end()) {
        kept.emplace(definition_of(group->spec()), group);
      }
    }
  }
  Groups all;
  Groups fresh;
  for (const RuleGroup& spec : building_) {
    const auto same = kept.find(definition_of(spec));
    if (same != kept.end()) {
      all.push_back(same->second);
      kept.erase(same);
      continue;
    }
    auto group = Group::make(spec, world_, options_.group);
    if (!group) {  // the readers have parsed every template: a bug, but not a reason to go down
      base::log_error(kComponent, "group '{}' of {} is left out: {}", spec.name, spec.file,
                      group.error().message);
      continue;
    }
    fresh.push_back(*group);
    all.push_back(std::move(*group));
  }

  std::multimap<std::string, OldRule> old;
  for (const auto& group : retiring_) {
    for (auto& runner : group->runners()) {
      old.emplace(rule_key(runner->rule()), OldRule{group_key(group->spec()), group.get(),
                                                    runner.get(), group->spec().interval});
    }
  }
  inherit(fresh, old);
  end_old(fresh, old);
  for (const auto& group : retiring_) {
    const bool replaced = std::any_of(all.begin(), all.end(), [&](const auto& other) {
      return group_key(other->spec()) == group_key(group->spec());
    });
    if (!replaced) group->forget_metrics();
  }
  {
    base::MutexLock lock(mutex_);
    groups_ = all;
  }
  share(all);
  for (const auto& group : fresh) {
    if (world_.records && !group->spec().datasource.empty() && !group->held()) continue;
    group->start(first_ ? Group::Restore::Yes : Group::Restore::No);
  }
  first_ = false;
  retiring_.clear();
  building_.clear();
  swapping_ = false;
  if (stopped_) {
    for (const auto& group : all) group->abandon();
    return;
  }
  for (const base::Task& task : std::exchange(building_waiting_, {})) task();
  for (const base::Task& task : std::exchange(between_swaps_, {})) task();
  if (next_) swap_generations();
}

// Shared groups wait for a tenure; one that was held goes on under the same.
void Ruler::Impl::share(const Groups& all) {
  if (!world_.records) return;
  std::map<std::string, std::shared_ptr<Group>> shared;
  std::vector<std::string> keys;
  for (const auto& group : all) {
    if (group->spec().datasource.empty()) continue;
    const std::string key = shared_key(group->spec(), options_.paths);
    if (!shared.emplace(key, group).second) {
      base::log_error(kComponent, "group '{}' of {} is left out: another is shared as '{}'",
                      group->spec().name, group->spec().file, key);
      continue;
    }
    keys.push_back(key);
    const auto old = shared_.find(key);
    if (old != shared_.end() && old->second != group && old->second->held()) {
      group->succeed(*old->second);
    }
  }
  shared_ = std::move(shared);
  options_.shared_changed(std::move(keys));
}

void Ruler::Impl::between_swaps(base::Task task) {
  strand_.post([self = shared_from_this(), task = std::move(task)]() mutable {
    if (self->stopped_) return;
    if (!self->swapping_) return task();
    self->between_swaps_.push_back(std::move(task));
  });
}

void Ruler::Impl::grant(std::string key, Tenure tenure) {
  between_swaps([self = shared_from_this(), key = std::move(key), tenure = std::move(tenure)] {
    const auto found = self->shared_.find(key);
    if (found == self->shared_.end() || found->second->held()) return;
    found->second->start(found->second->hold(key, tenure));
  });
}

// The old one finishes its evaluation; a fresh one stands in its place until the next tenure.
void Ruler::Impl::revoke(std::string key, base::Task ended) {
  between_swaps([self = shared_from_this(), key = std::move(key), ended = std::move(ended)] {
    const auto found = self->shared_.find(key);
    if (found == self->shared_.end() || !found->second->held()) return ended();
    const std::shared_ptr<Group> old = found->second;
    auto fresh = Group::make(old->spec(), self->world_, self->options_.group);
    if (fresh) {
      found->second = *fresh;
      base::MutexLock lock(self->mutex_);
      std::replace(self->groups_.begin(), self->groups_.end(), old, *fresh);
    }
    old->retire([self, old, ended] {
      old->stand_by();
      self->strand_.post([self, old] {
        const base::WallTime now = self->world_.executor.clock().wall();
        std::vector<model::Labels> series;
        for (auto& runner : old->runners()) {
          for (auto& marker : runner->end_series(now)) series.push_back(std::move(marker.labels));
        }
        if (!series.empty() && !self->stopped_) self->end_series(now, series);
      });
      ended();
    });
  });
}

void Ruler::Impl::inherit(const Groups& fresh, std::multimap<std::string, OldRule>& old) {
  // First within the same group, then anywhere: a rule that was moved keeps its alerts.
  for (const bool same_group : {true, false}) {
    for (const auto& group : fresh) {
      for (std::size_t i = 0; i < group->runners().size(); ++i) {
        const auto [begin, end] = old.equal_range(rule_key(group->runners()[i]->rule()));
        const auto found = std::find_if(begin, end, [&](const auto& entry) {
          return !entry.second.taken &&
                 (!same_group || entry.second.group == group_key(group->spec()));
        });
        if (found == end || group->inherited(i)) continue;
        found->second.taken = true;
        group->take_over(i, *found->second.runner);
      }
    }
  }
}

// A group that is still there ends the series of its lost rules with its next evaluation. Those of
// a group that is gone wait for two intervals: it may have been renamed, and the rules of the new
// one write the same series.
void Ruler::Impl::end_old(const Groups& fresh, std::multimap<std::string, OldRule>& old) {
  const base::WallTime now = world_.executor.clock().wall();
  std::map<std::string, std::vector<model::Labels>> series;  // by group
  std::map<std::string, base::Duration> intervals;
  std::vector<model::Alert> alerts;
  for (auto& [key, entry] : old) {
    if (entry.taken) continue;
    const Rule& rule = entry.runner->rule();
    auto& list = series[entry.group];
    intervals[entry.group] = entry.interval;
    for (auto& marker : entry.runner->end_series(now)) list.push_back(std::move(marker.labels));
    auto ended =
        entry.runner->end_alerts(now, "the rule was removed or changed: it stood at " +
                                          rule.place.file + ":" + std::to_string(rule.place.line));
    if (entry.owner->held()) {
      entry.owner->tell(std::move(ended));
    } else {
      std::move(ended.begin(), ended.end(), std::back_inserter(alerts));
    }
  }
  if (!alerts.empty()) world_.sink.post(std::move(alerts));
  for (auto& [group, list] : series) {
    const auto same = std::find_if(fresh.begin(), fresh.end(), [&](const auto& candidate) {
      return group_key(candidate->spec()) == group;
    });
    if (same != fresh.end()) {
      (*same)->end_series(std::move(list));
    } else if (!list.empty()) {
      end_series_later(now, 2 * intervals[group], std::move(list));
    }
  }
}

void Ruler::Impl::end_series_later(base::WallTime removed_at, base::Duration wait,
                                   std::vector<model::Labels> series) {
  world_.executor.post_after(
      wait, [weak = weak_from_this(), removed_at, series = std::move(series)]() mutable {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->strand_.post([self, removed_at, series = std::move(series)] {
          if (!self->stopped_) self->end_series(removed_at, series);
        });
      });
}

void Ruler::Impl::end_series(base::WallTime removed_at, const std::vector<model::Labels>& series) {
  const std::int64_t at_ms = base::to_ms(removed_at);
  const std::int64_t now_ms = base::to_ms(world_.executor.clock().wall());
  auto batch = std::make_shared<model::WriteBatch>();
  for (const model::Labels& labels : series) {
    std::vector<model::Matcher> matchers;
    for (const auto& label : labels) {
      matchers.push_back(model::Matcher::equal(std::string(label.name), std::string(label.value)));
    }
    // Somebody else writes it now.
    const auto set = world_.source.select(matchers, at_ms + 1, now_ms, {});
    bool written = false;
    std::vector<model::Sample> samples;
    for (std::size_t i = 0; set && i < (*set)->size(); ++i) {
      if ((*set)->labels(i) != labels) continue;
      written = (*set)->samples(i, at_ms + 1, now_ms, samples) && !samples.empty();
    }
    if (!written) batch->add(labels, {at_ms, model::stale_marker()});
  }
  if (batch->empty()) return;
  world_.appender.append(std::move(batch), [](const base::Result<model::AppendOutcome>& outcome) {
    if (!outcome) {
      base::log_warning(kComponent, "the series of removed rules have no stale markers: {}",
                        outcome.error().message);
    }
  });
}

void Ruler::Impl::schedule_poll() {
  world_.executor.post_after(options_.poll_interval, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && !self->stopped_) self->poll();
  });
}

void Ruler::Impl::poll() {
  const std::uint64_t found = rules_fingerprint(options_.paths, files_);
  bool changed = false;
  {
    base::MutexLock lock(mutex_);
    // 0: a file is being replaced, or gone; the next look decides.
    changed = found != 0 && found != fingerprint_;
  }
  if (changed) load();
  if (!stopped_) schedule_poll();
}

void Ruler::Impl::stop() {
  stopped_ = true;
  base::MutexLock lock(mutex_);
  for (const auto& group : groups_) group->abandon();
}

void Ruler::Impl::forget(const Forgetting& forgetting, bool pass_on) {
  for (const auto& group : groups()) group->forget(forgetting);
  if (pass_on && world_.records) world_.records->pass_on(forgetting);
}

RulerView Ruler::Impl::view() const {
  RulerView view;
  Groups groups;
  {
    base::MutexLock lock(mutex_);
    groups = groups_;
    view.last_load_ok = load_ok_;
    view.last_load_error = load_error_;
    view.loaded_at = loaded_at_;
  }
  for (const auto& group : groups) view.groups.push_back(group->view());
  return view;
}

Ruler::Ruler(const RulerWorld& world, const RulerOptions& options, const base::FileSystem& files)
    : impl_(std::make_shared<Impl>(world, options, files)) {}

Ruler::~Ruler() {
  stop();
}

void Ruler::set_told(std::vector<model::Alert> told) {
  impl_->set_told(std::move(told));
}

LoadOutcome Ruler::load(std::optional<std::vector<relabel::Rule>> alert_relabel) {
  return impl_->load(std::move(alert_relabel));
}

void Ruler::when_in_force(base::Task task) {
  impl_->when_in_force(std::move(task));
}

void Ruler::stop() {
  impl_->stop();
}

RulerView Ruler::view() const {
  return impl_->view();
}

void Ruler::forget_owner(const std::string& label, const std::string& value,
                         const std::string& because) {
  impl_->forget({Forgetting::Kind::Owner, model::Labels{{label, value}}, because}, true);
}

void Ruler::forget_alert(const model::Labels& alert, const std::string& because) {
  impl_->forget({Forgetting::Kind::Alert, alert, because}, true);
}

void Ruler::welcome(const std::string& label, const std::string& value) {
  impl_->forget({Forgetting::Kind::Welcome, model::Labels{{label, value}}, ""}, true);
}

void Ruler::heard(const Forgetting& forgetting) {
  impl_->forget(forgetting, false);
}

void Ruler::grant(std::string key, Tenure tenure) {
  impl_->grant(std::move(key), std::move(tenure));
}

void Ruler::revoke(std::string key, base::Task ended) {
  impl_->revoke(std::move(key), std::move(ended));
}

}  // namespace tocsin::ruler
