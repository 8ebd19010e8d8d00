// A group that several daemons share: where it goes on, and what each evaluation leaves for the
// next holder. Alerts do not go to this process's sink but into the record: only what was kept
// under the group's epoch is told, by whoever tells people.

#include <algorithm>
#include <chrono>

#include "alertd/ruler/group.h"
#include "alertd/ruler/group_instruments.h"
#include "alertd/ruler/shared_state.h"
#include "common/base/hash.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kComponent = "alertd/ruler";
/// Times of another daemon that are later than this were told by a clock that is not ours.
constexpr base::Duration kClockAhead{10'000};
constexpr std::size_t kKeyBytesMax = 1'000;

}  // namespace

std::string shared_key(const RuleGroup& group, std::span<const std::string> paths) {
  std::string_view file = group.file;
  for (const std::string& path : paths) {
    if (!file.starts_with(path)) continue;
    file.remove_prefix(path.size());
    break;
  }
  while (file.starts_with('/')) file.remove_prefix(1);
  // A path that names the file itself.
  if (file.empty()) file = std::string_view(group.file).substr(group.file.rfind('/') + 1);
  std::string key(file);
  key += ':' + group.name;
  if (key.size() > kKeyBytesMax) {
    key = key.substr(0, kKeyBytesMax / 2) + std::to_string(base::fnv1a(key));
  }
  // What a database takes as a text.
  for (char& c : key) {
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  }
  return key;
}

Group::Restore Group::hold(std::string key, Tenure tenure) {
  const base::WallTime now = clock().wall();
  tenure_ = Held{std::move(key), tenure.epoch, {}, false};
  for (model::Alert& alert : tenure.alerts) {
    model::Labels labels = alert.labels;
    tenure_->alerts.insert_or_assign(std::move(labels), std::move(alert));
  }
  if (tenure.state.empty()) return Restore::Yes;
  base::Duration ahead = tenure.evaluated_at - now;
  if (ahead < kClockAhead) ahead = base::Duration{0};
  const base::WallTime before = tenure.evaluated_at - ahead;
  const auto loaded = load_state(tenure.state, runners_, now - before, -ahead);
  if (!loaded) {
    base::log_error(kComponent, "group '{}' of {}: {}; it begins as after a restart", spec_.name,
                    spec_.file, loaded.error().message);
    return Restore::Yes;
  }
  last_ts_ = before;
  // A slot that passed while the group moved is evaluated at once, and not counted as missed.
  last_slot_ = slot_before(now);
  if (now - before >= spec_.interval) *last_slot_ -= spec_.interval;
  return Restore::No;
}

void Group::succeed(Group& old) {
  tenure_ = std::exchange(old.tenure_, std::nullopt);
  last_ts_ = old.last_ts_;
}

void Group::forget(const Forgetting& forgetting) {
  if (forgetting.kind == Forgetting::Kind::Alert) {
    forget_alert(forgetting.labels, forgetting.because);
    return;
  }
  for (const auto& label : forgetting.labels) {
    const std::string name(label.name);
    const std::string value(label.value);
    if (forgetting.kind == Forgetting::Kind::Welcome) {
      welcome(name, value);
    } else {
      forget_owner(name, value, forgetting.because);
    }
  }
}

void Group::stand_by() {
  instruments_->last_evaluation.set(0);
  instruments_->failing.set(0);
}

void Group::tell(std::vector<model::Alert> alerts) {
  hand_over(std::move(alerts));
  keep_record();
}

void Group::hand_over(std::vector<model::Alert> alerts) {
  if (!tenure_) {
    world_.sink.post(std::move(alerts));
    return;
  }
  tenure_->changed = true;
  for (model::Alert& alert : alerts) {
    model::Labels labels = alert.labels;
    tenure_->alerts.insert_or_assign(std::move(labels), std::move(alert));
  }
}

// Between evaluations. While the past is not known yet, the state says nothing.
void Group::keep_record() {
  if (!tenure_ || abandoned_) return;
  const base::WallTime now = clock().wall();
  const std::size_t gone = std::erase_if(tenure_->alerts, [&](const auto& entry) {
    const model::Alert& alert = entry.second;
    // An end is kept as long as somebody may still believe what was said before it.
    return std::max(alert.ends_at.value_or(alert.valid_until), alert.valid_until) +
               options_.state.resolved_keep <
           now;
  });
  GroupRecord record;
  record.key = tenure_->key;
  record.epoch = tenure_->epoch;
  record.evaluated_at = last_ts_.value_or(now);
  if (!restore_) record.state = save_state(runners_);
  record.alerts_changed = std::exchange(tenure_->changed, false) || gone > 0;
  if (record.alerts_changed) {
    record.alerts.reserve(tenure_->alerts.size());
    for (const auto& [labels, alert] : tenure_->alerts) record.alerts.push_back(alert);
  }
  world_.records->keep(std::move(record));
}

}  // namespace tocsin::ruler
