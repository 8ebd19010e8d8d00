#include "alertd/sharing/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/hash.h"

namespace tocsin::sharing {
namespace {

constexpr std::string_view kComponent = "alertd/sharing";
/// One write holds about that much; the rest waits for the next.
constexpr std::size_t kSaveBytes = 16U << 20U;
/// Who is to tell people waits for the alerts of all groups, but not for ever.
constexpr int kLooksMax = 5;

std::string fingerprint_of(const std::vector<std::string>& keys) {
  std::uint64_t hash = base::fnv1a("");
  for (const std::string& key : keys) hash = base::fnv1a(key + '\n', hash);
  return fmt::format("{:016x}", hash);
}

base::Counter moves(base::Metrics& metrics, const char* kind) {
  return metrics.counter("tocsin_alertd_group_moves_total",
                         "Rule groups that this daemon took, gave back, or lost.",
                         {{"kind", kind}});
}

}  // namespace

struct Keeper::Instruments {
  explicit Instruments(base::Metrics& metrics)
      : leases(metrics.gauge("tocsin_alertd_group_leases",
                             "Shared rule groups that this daemon holds.")),
        known(metrics.gauge("tocsin_alertd_groups_shared",
                            "Shared rule groups in this daemon's rule files.")),
        unheld(metrics.gauge("tocsin_alertd_groups_unheld",
                             "Shared rule groups that no daemon holds.")),
        members(metrics.gauge("tocsin_alertd_members", "Daemons that share the rule groups.")),
        missing(metrics.gauge("tocsin_alertd_members_missing",
                              "Daemons that went within a day without taking leave.")),
        cut_off(metrics.gauge("tocsin_alertd_groups_cut_off",
                              "1 while the shared tables cannot be reached.")),
        taken(moves(metrics, "taken")),
        given(moves(metrics, "given")),
        lost(moves(metrics, "lost")),
        refused(metrics.counter("tocsin_alertd_group_saves_refused_total",
                                "Results of evaluations that came after the group had moved.")) {}

  base::Gauge leases, known, unheld, members, missing, cut_off;
  base::Counter taken, given, lost, refused;
};

Keeper::Keeper(KeeperOptions options, GroupStore& store, base::Executor& executor,
               base::Metrics& metrics, Hooks hooks)
    : options_(std::move(options)),
      store_(store),
      executor_(executor),
      hooks_(std::move(hooks)),
      instruments_(std::make_unique<Instruments>(metrics)),
      fingerprint_(fingerprint_of({})) {}

Keeper::~Keeper() {
  *alive_ = false;
}

void Keeper::post(base::Task task) {
  executor_.post([alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

void Keeper::after(base::Duration delay, base::TimerId& timer, void (Keeper::*what)()) {
  executor_.cancel(timer);
  timer = executor_.post_after(delay, [this, alive = alive_, &timer, what] {
    if (!*alive || !running_) return;
    timer = 0;
    (this->*what)();
  });
}

void Keeper::start() {
  post([this] {
    running_ = true;
    base::log_info(kComponent, "shares rule groups as {} ({})", options_.session, options_.name);
    tend();
    look();
  });
}

void Keeper::know(std::vector<std::string> keys) {
  post([this, keys = std::move(keys)]() mutable {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    known_ = std::move(keys);
    fingerprint_ = fingerprint_of(known_);
    instruments_->known.set(static_cast<double>(known_.size()));
    rows_made_ = false;
    if (running_) tend();
  });
}

void Keeper::tend() {
  const base::Result<void> tended = tend_once();
  instruments_->cut_off.set(tended ? 0 : 1);
  if (tended) {
    failures_.clear("groups");
  } else {
    failures_.report("groups", tended.error().message);
    publish(nullptr, tended.error().message);
  }
  after(options_.poll, tend_timer_, &Keeper::tend);
}

base::Result<void> Keeper::tend_once() {
  if (!rows_made_) {
    if (!known_.empty()) TC_TRY(store_.know(known_));
    rows_made_ = true;
  }
  Member me;
  me.session = options_.session;
  me.name = options_.name;
  me.rules = fingerprint_;
  TC_TRY(Board board, store_.tend(me, options_.term));
  compare(board);
  TC_TRY(talk(board));
  TC_TRY(finish_giving());
  for (const std::string& key : giving_) board.held.erase(key);
  const Moves moves =
      plan_moves(board, options_.session, known_, settled(board), options_.assignment);
  for (const std::string& key : moves.give) begin_giving(key);
  const base::Result<void> taken = moves.take.empty() ? base::ok() : take(moves.take);
  publish(&board, "");
  return taken;
}

// What the store says is ours is; but for groups whose taking was never answered.
void Keeper::compare(const Board& board) {
  std::vector<std::string> gone;
  for (const auto& [key, epoch] : held_) {
    const auto found = board.held.find(key);
    if (found == board.held.end() || found->second != epoch) gone.push_back(key);
  }
  for (const std::string& key : gone) drop(key);
  for (const auto& [key, epoch] : board.held) {
    if (!held_.contains(key)) to_give_[key] = epoch;
  }
}

void Keeper::say(std::string text) {
  post([this, text = std::move(text)]() mutable {
    to_say_.push_back(std::move(text));
    if (running_) tend();
  });
}

base::Result<void> Keeper::talk(const Board& board) {
  std::set<std::int64_t> present;
  for (const Word& word : board.words) {
    present.insert(word.id);
    if (!heard_.contains(word.id)) hooks_.heard(word.text);
  }
  heard_ = std::move(present);
  while (!to_say_.empty()) {
    TC_TRY(store_.say(options_.session, to_say_.front()));
    to_say_.erase(to_say_.begin());
  }
  return base::ok();
}

bool Keeper::settled(const Board& board) {
  std::set<std::string> peers;
  for (const Member& member : board.members) {
    if (member.live && member.rules == fingerprint_) peers.insert(member.session);
  }
  const base::MonotonicTime now = executor_.clock().monotonic();
  if (peers != peers_) {
    peers_ = std::move(peers);
    peers_since_ = now;
  }
  return now - peers_since_ >= options_.settle;
}

base::Result<void> Keeper::take(const std::vector<std::string>& keys) {
  TC_TRY(std::vector<Taken> taken, store_.take(options_.session, keys));
  if (!taken.empty()) {
    base::log_info(kComponent, "{} rule groups taken, {} held", taken.size(),
                   held_.size() + taken.size());
  }
  for (Taken& group : taken) {
    held_[group.key] = group.epoch;
    kept_[group.key] = {base::fnv1a(group.last.state), base::fnv1a(group.last.alerts),
                        group.last.evaluated_at};
    instruments_->taken.increment();
    hooks_.taken(std::move(group));
  }
  instruments_->leases.set(static_cast<double>(held_.size()));
  return base::ok();
}

void Keeper::begin_giving(const std::string& key) {
  const auto held = held_.find(key);
  if (held == held_.end() || !giving_.insert(key).second) return;
  hooks_.give(key, [this, alive = alive_, key, epoch = held->second] {
    executor_.post([this, alive, key, epoch] {
      if (!*alive || !giving_.contains(key)) return;
      to_give_[key] = epoch;
      if (running_ && give_timer_ == 0) after(options_.collect, give_timer_, &Keeper::give);
    });
  });
}

void Keeper::give() {
  const base::Result<void> given = finish_giving();
  // The next sign of life tries again.
  if (!given) failures_.report("giving", given.error().message);
  if (given) failures_.clear("giving");
}

base::Result<void> Keeper::finish_giving() {
  if (to_give_.empty()) return base::ok();
  while (!pending_.empty()) TC_TRY(flush_once());
  TC_TRY(store_.give(to_give_));
  base::log_info(kComponent, "{} rule groups given back", to_give_.size());
  for (const auto& [key, epoch] : std::exchange(to_give_, {})) {
    giving_.erase(key);
    held_.erase(key);
    kept_.erase(key);
    instruments_->given.increment();
  }
  instruments_->leases.set(static_cast<double>(held_.size()));
  return base::ok();
}

void Keeper::drop(const std::string& key) {
  base::log_warning(kComponent, "rule group '{}' is another daemon's by now", key);
  held_.erase(key);
  kept_.erase(key);
  pending_.erase(key);
  to_give_.erase(key);
  giving_.erase(key);
  instruments_->lost.increment();
  instruments_->leases.set(static_cast<double>(held_.size()));
  hooks_.lost(key);
}

bool Keeper::changed(const GroupSave& save) const {
  const auto kept = kept_.find(save.key);
  if (kept == kept_.end()) return false;
  const Kept& last = kept->second;
  return save.now.evaluated_at - last.at >= options_.refresh ||
         base::fnv1a(save.now.state) != last.state_hash ||
         (!save.now.alerts.empty() && base::fnv1a(save.now.alerts) != last.alerts_hash);
}

void Keeper::save(GroupSave save) {
  post([this, save = std::move(save)]() mutable {
    const auto held = held_.find(save.key);
    if (held == held_.end() || held->second != save.epoch) return;
    const auto waiting = pending_.find(save.key);
    if (waiting == pending_.end() && !changed(save)) return;
    if (waiting != pending_.end() && save.now.alerts.empty()) {
      save.now.alerts = std::move(waiting->second.now.alerts);
    }
    pending_[save.key] = std::move(save);
    if (flush_timer_ == 0 && running_) after(options_.collect, flush_timer_, &Keeper::flush);
  });
}

void Keeper::flush() {
  while (!pending_.empty()) {
    const base::Result<void> kept = flush_once();
    if (kept) {
      failures_.clear("results");
      continue;
    }
    failures_.report("results", kept.error().message);
    after(options_.poll, flush_timer_, &Keeper::flush);
    return;
  }
  if (following_) look();
}

base::Result<void> Keeper::flush_once() {
  std::vector<GroupSave> batch;
  std::size_t bytes = 0;
  for (auto next = pending_.begin(); next != pending_.end() && bytes < kSaveBytes; ++next) {
    batch.push_back(next->second);
    bytes += next->second.now.state.size() + next->second.now.alerts.size();
  }
  TC_TRY(const std::set<std::string> refused, store_.save(batch));
  for (const GroupSave& save : batch) {
    pending_.erase(save.key);
    if (refused.contains(save.key)) continue;
    Kept& kept = kept_[save.key];
    kept.at = save.now.evaluated_at;
    if (!save.now.state.empty()) kept.state_hash = base::fnv1a(save.now.state);
    if (!save.now.alerts.empty()) kept.alerts_hash = base::fnv1a(save.now.alerts);
  }
  for (const std::string& key : refused) {
    instruments_->refused.increment();
    if (held_.contains(key)) drop(key);
  }
  return base::ok();
}

void Keeper::follow(base::Task ready) {
  post([this, ready = std::move(ready)]() mutable {
    following_ = true;
    cursor_ = {};
    ready_ = std::move(ready);
    looks_failed_ = 0;
    look();
  });
}

void Keeper::unfollow() {
  post([this] {
    following_ = false;
    ready_ = nullptr;
    executor_.cancel(std::exchange(look_timer_, 0));
  });
}

void Keeper::look() {
  if (!following_) return;
  auto changes = store_.changes(cursor_);
  if (changes) {
    failures_.clear("alerts");
    if (!changes->empty()) hooks_.changed(std::move(*changes));
  } else {
    failures_.report("alerts", changes.error().message);
    ++looks_failed_;
  }
  const bool enough = changes || looks_failed_ >= kLooksMax || !running_;
  if (ready_ && enough) std::exchange(ready_, nullptr)();
  if (running_) after(options_.look, look_timer_, &Keeper::look);
}

void Keeper::stop() {
  post([this] {
    running_ = false;
    following_ = false;
    for (base::TimerId* timer : {&tend_timer_, &flush_timer_, &give_timer_, &look_timer_}) {
      executor_.cancel(std::exchange(*timer, 0));
    }
    base::Result<void> kept = base::ok();
    while (kept && !pending_.empty()) {
      // Whatever is refused is another's by now; nobody here is to hear of it.
      std::vector<GroupSave> batch;
      for (auto& [key, save] : std::exchange(pending_, {})) batch.push_back(std::move(save));
      const auto saved = store_.save(batch);
      if (!saved) kept = saved.error();
    }
    const base::Result<void> left = store_.leave(options_.session);
    if (!kept || !left) {
      base::log_warning(kComponent, "the groups are given back by the end of the term: {}",
                        (kept ? left : kept).error().message);
    }
  });
}

KeeperStatus Keeper::status() const {
  base::MutexLock lock(mutex_);
  return status_;
}

void Keeper::publish(const Board* board, std::string error) {
  base::MutexLock lock(mutex_);
  status_.error = std::move(error);
  status_.held = held_;
  status_.known = known_.size();
  if (!board) return;
  status_.members = board->members;
  // Rows of groups that are gone from the files are nobody's business.
  status_.unheld = static_cast<std::size_t>(
      std::count_if(board->free.begin(), board->free.end(), [&](const FreeGroup& group) {
        return std::binary_search(known_.begin(), known_.end(), group.key);
      }));
  std::set<std::string> live;
  for (const Member& member : board->members) {
    if (member.live) live.insert(member.name);
  }
  std::set<std::string> missing;
  for (const Member& member : board->members) {
    if (!live.contains(member.name)) missing.insert(member.name);
  }
  instruments_->members.set(static_cast<double>(live.size()));
  instruments_->missing.set(static_cast<double>(missing.size()));
  instruments_->unheld.set(static_cast<double>(status_.unheld));
}

void Keeper::holdings(std::function<void(base::Result<std::vector<Holding>>)> done) {
  post([this, done = std::move(done)] { done(store_.holdings()); });
}

}  // namespace tocsin::sharing
