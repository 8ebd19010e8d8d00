#include "alertd/ruler/arrivals.h"

#include <algorithm>
#include <utility>

#include "alertd/promql/ast.h"

namespace tocsin::ruler {
namespace {

// Older samples are late ones: rules see them when they are evaluated next, nobody is woken.
constexpr base::Duration kLateMin{600'000};
// A clock that is further ahead than this is wrong; its samples wait for the fallback.
constexpr base::Duration kAheadMax{10'000};

bool is_name(const model::Matcher& matcher) {
  return matcher.op() == model::MatchOp::Equal && matcher.name() == model::kMetricName;
}

std::string_view value_of(std::span<const model::LabelView> labels, std::string_view name) {
  const auto at = std::lower_bound(
      labels.begin(), labels.end(), name,
      [](const model::LabelView& label, std::string_view wanted) { return label.name < wanted; });
  return at != labels.end() && at->name == name ? at->value : std::string_view();
}

}  // namespace

ListenerId Arrivals::listen(const std::vector<Rule>& rules, Listener listener) {
  auto group = std::make_shared<Group>();
  group->rules = rules.size();
  group->listener = std::move(listener);
  Registered registered;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (const promql::VectorSelector* selector : promql::selectors_of(*rules[i].expr)) {
      Entry entry{group.get(), i, {}};
      std::string name;
      for (const model::Matcher& matcher : selector->matchers) {
        if (is_name(matcher)) {
          name = matcher.value();
        } else {
          entry.matchers.push_back(matcher);
        }
      }
      registered.entries.push_back(std::move(entry));
      registered.names.push_back(std::move(name));
    }
  }
  base::MutexLock lock(mutex_);
  group->id = ++last_;
  registered.group = group;
  registered_.push_back(std::move(registered));
  rebuild();
  return group->id;
}

void Arrivals::forget(ListenerId id) {
  base::MutexLock lock(mutex_);
  const auto removed =
      std::erase_if(registered_, [id](const auto& entry) { return entry.group->id == id; });
  if (removed > 0) rebuild();
}

void Arrivals::rebuild() {
  auto index = std::make_shared<Index>();
  for (const Registered& registered : registered_) {
    index->groups.push_back(registered.group);
    for (std::size_t i = 0; i < registered.entries.size(); ++i) {
      auto& list =
          registered.names[i].empty() ? index->any_name : index->by_name[registered.names[i]];
      list.push_back(registered.entries[i]);
    }
  }
  anybody_ = !registered_.empty();
  index_ = std::move(index);
}

/// One batch against the index.
class Arrivals::Matching {
 public:
  Matching(base::WallTime now, const Chain& chain) : now_ms_(base::to_ms(now)), chain_(chain) {}

  void look(const Index& index, const model::WriteBatch& batch,
            const model::WriteBatch::Series& series) {
    const auto samples = batch.samples(series);
    if (samples.empty()) return;
    const std::int64_t newest_ms = samples.back().timestamp_ms;
    if (newest_ms < now_ms_ - kLateMin.count()) return;
    const std::string_view name = series.known != nullptr
                                      ? series.known->labels->metric_name()
                                      : value_of(batch.labels(series), model::kMetricName);
    if (name != name_ || !entries_known_) {
      name_ = name;
      entries_known_ = true;
      key_.assign(name);
      const auto found = index.by_name.find(key_);
      entries_ = found == index.by_name.end() ? nullptr : &found->second;
    }
    if (entries_ == nullptr && index.any_name.empty()) return;
    const auto labels = batch.labels_of(series, labels_);
    if (entries_) ask(*entries_, labels, newest_ms);
    ask(index.any_name, labels, newest_ms);
  }

  void tell() {
    for (auto& [group, arrival] : told_) {
      arrival.chain = chain_;
      group->listener(arrival);
    }
  }

 private:
  void ask(const std::vector<Entry>& entries, std::span<const model::LabelView> labels,
           std::int64_t newest_ms) {
    const bool ahead = newest_ms > now_ms_ && newest_ms <= now_ms_ + kAheadMax.count();
    for (const Entry& entry : entries) {
      const auto known = told_.find(entry.group);
      if (!ahead && known != told_.end() && known->second.rules[entry.rule]) continue;
      if (chain_.contains(entry.group->id)) continue;
      const bool reads = std::all_of(
          entry.matchers.begin(), entry.matchers.end(),
          [&](const model::Matcher& m) { return m.matches(value_of(labels, m.name())); });
      if (!reads) continue;
      Arrival& arrival = told_[entry.group];
      arrival.rules.resize(entry.group->rules);
      arrival.rules[entry.rule] = true;
      if (!ahead) continue;
      const base::WallTime until = base::wall_time(newest_ms);
      if (!arrival.ahead_until || until > *arrival.ahead_until) arrival.ahead_until = until;
    }
  }

  std::int64_t now_ms_;
  const Chain& chain_;
  // Neighbours in a batch often have the same name.
  std::string_view name_;
  std::string key_;
  bool entries_known_ = false;
  const std::vector<Entry>* entries_ = nullptr;
  std::vector<model::LabelView> labels_;  // scratch
  std::unordered_map<const Group*, Arrival> told_;
};

void Arrivals::show(const model::WriteBatch& batch, base::WallTime now, const Chain& chain) {
  if (!anybody_) return;
  std::shared_ptr<const Index> index;
  {
    base::MutexLock lock(mutex_);
    index = index_;
  }
  Matching matching(now, chain);
  for (const auto& series : batch.series()) {
    matching.look(*index, batch, series);
  }
  matching.tell();
}

void ShowingAppender::append(std::shared_ptr<const model::WriteBatch> batch,
                             model::AppendDone done) {
  inner_.append(batch, [this, batch, done = std::move(done)](auto outcome) {
    if (outcome && outcome->samples_appended > 0) arrivals_.show(*batch, clock_.wall());
    if (done) done(std::move(outcome));
  });
}

}  // namespace tocsin::ruler
