// When a group evaluates: at its slots, and, for on-data groups, when something that its rules read
// has arrived, or when a `for` ends.

#include <algorithm>
#include <chrono>

#include "alertd/ruler/group_instruments.h"
#include "common/base/hash.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kComponent = "alertd/ruler";
// A wall clock that differs by more than this from the monotonic one was stepped.
constexpr base::Duration kClockStepMin{10'000};
// A `for` that cannot end (its rule fails) must not keep the group running.
constexpr base::Duration kDueSpacing{1'000};

base::Duration to_duration(base::MonotonicTime::duration time) {
  return std::chrono::duration_cast<base::Duration>(time);
}

bool any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

void merge(std::vector<bool>& into, const std::vector<bool>& flags) {
  into.resize(std::max(into.size(), flags.size()));
  for (std::size_t i = 0; i < flags.size(); ++i) into[i] = into[i] || flags[i];
}

/// Of two causes, what both have gone through: a cause from outside has gone through nothing.
Chain common_part(const Chain& a, const Chain& b) {
  Chain common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::inserter(common, common.end()));
  return common;
}

}  // namespace

base::WallTime slot_before(const RuleGroup& group, base::WallTime time) {
  const std::int64_t interval = group.interval.count();
  const std::uint64_t hash = base::fnv1a(group.name, base::fnv1a(group.file));
  const auto phase = static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(interval));
  const std::int64_t since = base::to_ms(time) - phase;
  const std::int64_t slots = since >= 0 ? since / interval : -((-since + interval - 1) / interval);
  return base::wall_time(slots * interval + phase);
}

void Group::listen() {
  if (!spec_.on_data || !world_.arrivals) return;
  // The first evaluation need not wait for the fallback.
  pending_.assign(runners_.size(), true);
  listener_ = world_.arrivals->listen(spec_.rules, [weak = weak_from_this()](const auto& arrival) {
    if (const auto self = weak.lock()) self->arrived(arrival);
  });
}

void Group::arrived(const Arrival& arrival) {
  if (abandoned_) return;
  {
    base::MutexLock lock(mutex_);
    arrived_chain_ = any(arrived_) ? common_part(arrived_chain_, arrival.chain) : arrival.chain;
    merge(arrived_, arrival.rules);
    if (arrival.ahead_until) {
      arrived_ahead_ =
          std::max(arrived_ahead_.value_or(*arrival.ahead_until), *arrival.ahead_until);
    }
    if (arrived_posted_) return;
    arrived_posted_ = true;
  }
  strand_.post([self = shared_from_this()] { self->take_arrivals(); });
}

void Group::take_arrivals() {
  std::vector<bool> rules;
  Chain chain;
  std::optional<base::WallTime> ahead;
  {
    base::MutexLock lock(mutex_);
    arrived_posted_ = false;
    rules.swap(arrived_);
    chain.swap(arrived_chain_);
    ahead.swap(arrived_ahead_);
  }
  pending_chain_ = any(pending_) ? common_part(pending_chain_, chain) : std::move(chain);
  merge(pending_, rules);
  if (ahead) {
    ahead_due_ = std::min(ahead_due_.value_or(*ahead), *ahead);
    ahead_until_ = std::max(ahead_until_.value_or(*ahead), *ahead);
    merge(ahead_rules_, rules);
  }
  if (!running_) schedule();
}

std::optional<base::WallTime> Group::next_for() const {
  std::optional<base::WallTime> due;
  for (const auto& runner : runners_) {
    const auto one = runner->state() ? runner->state()->next_due() : std::nullopt;
    if (one && (!due || *one < *due)) due = one;
  }
  return due;
}

base::WallTime Group::next_data_due(base::WallTime now) const {
  const base::Duration since_last =
      to_duration(clock().monotonic() - last_began_.value_or(base::MonotonicTime{}));
  const auto spaced = [&](base::WallTime due, base::Duration spacing) {
    return last_began_ ? std::max(due, now + (spacing - since_last)) : due;
  };
  base::WallTime due = base::WallTime::max();
  if (any(pending_)) due = std::min(due, spaced(now, spec_.min_interval));
  if (ahead_due_) due = std::min(due, spaced(*ahead_due_, spec_.min_interval));
  if (const auto ends = next_for()) {
    due = std::min(due, spaced(*ends, std::max(spec_.min_interval, kDueSpacing)));
  }
  return due;
}

void Group::schedule() {
  if (retiring_ || abandoned_) return;
  world_.executor.cancel(std::exchange(timer_, 0));
  const base::WallTime now = clock().wall();
  base::WallTime due = slot_before(now) + spec_.interval;
  // A slot that passed while the last evaluation ran is evaluated now, late; older ones are missed.
  if (last_slot_ && slot_before(now) > *last_slot_) due = now;
  if (spec_.on_data) due = std::min(due, next_data_due(now));
  if (due <= now) {
    strand_.post([self = shared_from_this()] { self->wake(); });
    return;
  }
  timer_ = world_.executor.post_at(clock().monotonic() + (due - now), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->abandoned_) return;
    self->strand_.post([self] { self->wake(); });
  });
}

void Group::follow_clock_step() {
  const std::pair now{clock().wall(), clock().monotonic()};
  const base::Duration step =
      now.first - last_clocks_->first - to_duration(now.second - last_clocks_->second);
  last_clocks_ = now;
  if (std::chrono::abs(step) < kClockStepMin) return;
  instruments_->clock_steps.increment();
  base::log_warning(kComponent,
                    "group '{}': the wall clock was stepped by {} s; alerts keep their age",
                    spec_.name, std::chrono::duration<double>(step).count());
  for (auto& runner : runners_) runner->shift(step);
  for (auto* time : {&last_ts_, &last_slot_, &ahead_due_, &ahead_until_}) {
    if (*time) **time += step;
  }
}

void Group::wake() {
  if (retiring_ || abandoned_ || running_) return;
  follow_clock_step();
  const base::WallTime now = clock().wall();
  const base::WallTime slot = slot_before(now);
  if (last_slot_ ? slot > *last_slot_ : !spec_.on_data || !any(pending_)) {
    if (last_slot_) {
      const auto skipped = (slot - *last_slot_) / spec_.interval - 1;
      if (skipped > 0) {
        missed_ += static_cast<std::uint64_t>(skipped);
        instruments_->missed.increment(static_cast<double>(skipped));
      }
    }
    last_slot_ = slot;
    pending_chain_.clear();
    begin(spec_.on_data ? now : slot, std::vector<bool>(runners_.size(), true));
    return;
  }
  std::vector<bool> rules = spec_.on_data ? due_rules(now) : std::vector<bool>{};
  if (!any(rules)) {  // woken a little early, or the clock went back a little
    schedule();
    return;
  }
  instruments_->arrivals.increment();
  if (!last_slot_) last_slot_ = slot;
  begin(now, std::move(rules));
}

std::vector<bool> Group::due_rules(base::WallTime now) {
  std::vector<bool> rules(runners_.size());
  if (any(pending_)) {
    const auto since_last = clock().monotonic() - last_began_.value_or(base::MonotonicTime{});
    if (!last_began_ || since_last >= spec_.min_interval) merge(rules, pending_);
  }
  if (ahead_due_ && *ahead_due_ <= now) merge(rules, ahead_rules_);
  for (std::size_t i = 0; i < runners_.size(); ++i) {
    const auto due = runners_[i]->state() ? runners_[i]->state()->next_due() : std::nullopt;
    if (due && *due <= now) rules[i] = true;
  }
  return rules;
}

void Group::begin(base::WallTime ts, std::vector<bool> rules) {
  // Two arrivals within a millisecond: time must go on.
  if (last_ts_ && ts <= *last_ts_) ts = *last_ts_ + base::Duration{1};
  // What reads a rule of the same group needs its news.
  for (std::size_t i = 0; i < runners_.size(); ++i) {
    rules[i] = rules[i] || std::any_of(dependencies_[i].begin(), dependencies_[i].end(),
                                       [&](std::size_t earlier) { return rules[earlier]; });
  }
  for (std::size_t i = 0; i < pending_.size(); ++i) pending_[i] = pending_[i] && !rules[i];
  if (ahead_due_ && *ahead_due_ <= ts) {
    ahead_due_ = *ahead_until_ > ts ? ahead_until_ : std::nullopt;
    if (!ahead_due_) {
      ahead_until_.reset();
      ahead_rules_.clear();
    }
  }
  last_ts_ = ts;
  last_began_ = clock().monotonic();
  running_ = true;
  context_.now = ts;
  iteration_ = {ts,
                *last_began_,
                0,
                std::make_shared<model::WriteBatch>(),
                std::vector<bool>(runners_.size()),
                std::move(rules),
                std::exchange(pending_chain_, {})};
  if (listener_ != 0) iteration_.chain.insert(listener_);
  if (restore_) return begin_with_past();
  run_rules();
}

}  // namespace tocsin::ruler
