#include "alertd/routing/silence.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::routing {

using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

bool same_second(WallTime a, WallTime b) {
  return std::chrono::floor<std::chrono::seconds>(a) == std::chrono::floor<std::chrono::seconds>(b);
}

/// Whether an edit leaves history true. Source: Alertmanager, silence.canUpdate.
bool may_update(const Silence& old, const Silence& edited, WallTime now) {
  if (old.matcher_sets != edited.matcher_sets) return false;
  switch (old.state(now)) {
    case SilenceState::Active:
      return same_second(old.starts_at, edited.starts_at) && edited.ends_at >= now;
    case SilenceState::Pending:
      return edited.starts_at >= now;
    case SilenceState::Expired:
      return false;
  }
  return false;
}

std::size_t size_bytes(const Silence& silence) {
  std::size_t bytes =
      silence.id.size() + silence.created_by.size() + silence.comment.size() + 3 * sizeof(WallTime);
  for (const MatcherSet& set : silence.matcher_sets) {
    for (const model::Matcher& matcher : set) {
      bytes += matcher.name().size() + matcher.value().size() + 2;
    }
  }
  for (const auto& [name, value] : silence.annotations) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

std::string_view to_string(SilenceState state) {
  switch (state) {
    case SilenceState::Pending:
      return "pending";
    case SilenceState::Active:
      return "active";
    case SilenceState::Expired:
      return "expired";
  }
  return "?";
}

SilenceState Silence::state(WallTime now) const {
  if (now >= ends_at) return SilenceState::Expired;
  return now < starts_at ? SilenceState::Pending : SilenceState::Active;
}

bool matches(const Silence& silence, const AlertLabels& alert) {
  return std::any_of(silence.matcher_sets.begin(), silence.matcher_sets.end(),
                     [&](const MatcherSet& set) { return alert.match(set); });
}

std::string describe_matchers(const std::vector<MatcherSet>& sets) {
  std::string text;
  for (const MatcherSet& set : sets) {
    text += text.empty() ? "{" : " or {";
    for (std::size_t i = 0; i < set.size(); ++i) text += (i ? "," : "") + set[i].to_string();
    text += "}";
  }
  return text;
}

std::string describe_silence(const Silence& silence) {
  std::string text = "silence " + silence.id;
  if (!silence.created_by.empty()) text += " of " + silence.created_by;
  if (!silence.comment.empty()) text += " (" + silence.comment + ")";
  return text;
}

Result<void> check_silence(const Silence& silence) {
  if (silence.matcher_sets.empty()) return invalid("at least one matcher required");
  for (const MatcherSet& set : silence.matcher_sets) {
    if (set.empty()) return invalid("at least one matcher required");
    const bool narrows = std::any_of(set.begin(), set.end(), [](const model::Matcher& matcher) {
      return !matcher.matches_empty();
    });
    if (!narrows) return invalid("at least one matcher must not match the empty string");
    for (const model::Matcher& matcher : set) {
      if (matcher.name().empty()) return invalid("a matcher's label name is empty");
    }
  }
  if (silence.ends_at == WallTime{}) return invalid("invalid zero end timestamp");
  if (silence.ends_at < silence.starts_at) return invalid("end time must not be before start time");
  return base::ok();
}

Result<void> Silences::check_size(const Silence& silence) const {
  const std::size_t bytes = size_bytes(silence);
  if (limits_.bytes_max == 0 || bytes <= limits_.bytes_max) return base::ok();
  return base::error(ErrorCode::LimitExceeded,
                     fmt::format("silence exceeded maximum size: {} bytes (limit: {} bytes)", bytes,
                                 limits_.bytes_max));
}

/// A hash in the form of a UUID: the same command at the same time over the same state gets the
/// same id, so that a step made again after a crash makes no second silence.
std::string Silences::new_id(const Silence& silence, WallTime now) const {
  const std::string text =
      fmt::format("{}|{}|{}|{}|{}|{}|{}", silences_.size(), base::to_ms(now),
                  base::to_ms(silence.starts_at), base::to_ms(silence.ends_at),
                  describe_matchers(silence.matcher_sets), silence.created_by, silence.comment);
  std::string id;
  for (int salt = 0; id.empty() || silences_.contains(id); ++salt) {
    const std::string hex = base::sha256_hex(fmt::format("{}|{}", salt, text));
    id = fmt::format("{}-{}-8{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 3),
                     hex.substr(15, 3), hex.substr(18, 12));
  }
  return id;
}

Silence& Silences::store(Silence silence, WallTime now) {
  changed_at_ = now;
  changed_.insert(silence.id);
  dirty_.insert(silence.id);
  index_stale_ = true;
  Silence& stored = silences_[silence.id];
  stored = std::move(silence);
  return stored;
}

Result<std::string> Silences::set(Silence silence, WallTime now) {
  if (silence.starts_at == WallTime{}) silence.starts_at = now;
  TC_TRY(check_silence(silence));
  const Silence* old = find(silence.id);
  if (!silence.id.empty() && !old) {
    return base::error(ErrorCode::NotFound, fmt::format("silence {} not found", silence.id));
  }
  silence.updated_at = now;
  if (old && may_update(*old, silence, now)) {
    TC_TRY(check_size(silence));
    silence.has_hidden = old->has_hidden;
    silence.reminded = old->reminded && old->ends_at == silence.ends_at;
    return store(std::move(silence), now).id;
  }
  if (limits_.silences_max > 0 && silences_.size() >= limits_.silences_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("exceeded maximum number of silences: {} (limit: {})",
                                   silences_.size(), limits_.silences_max));
  }
  const std::string replaced = silence.id;
  silence.starts_at = std::max(silence.starts_at, now);
  if (silence.ends_at < silence.starts_at) {
    return invalid("end time must not be before start time");
  }
  silence.has_hidden = silence.reminded = false;
  silence.id = new_id(silence, now);
  TC_TRY(check_size(silence));
  if (old && old->state(now) != SilenceState::Expired) TC_TRY(expire(replaced, now));
  return store(std::move(silence), now).id;
}

Result<void> Silences::expire(const std::string& id, WallTime now) {
  const Silence* found = find(id);
  if (!found) return base::error(ErrorCode::NotFound, fmt::format("silence {} not found", id));
  Silence silence = *found;
  switch (silence.state(now)) {
    case SilenceState::Expired:
      return invalid(fmt::format("silence {} already expired", id));
    case SilenceState::Pending:
      silence.starts_at = now;
      break;
    case SilenceState::Active:
      break;
  }
  silence.ends_at = now;
  silence.updated_at = now;
  store(std::move(silence), now);
  return base::ok();
}

bool Silences::merge(Silence silence, WallTime now) {
  if (silence.id.empty() || silence.ends_at + limits_.retention < now) return false;
  if (!check_silence(silence)) return false;
  const Silence* mine = find(silence.id);
  if (mine && mine->updated_at >= silence.updated_at) return false;
  silence.has_hidden = mine && mine->has_hidden;
  silence.reminded = mine && mine->reminded && mine->ends_at == silence.ends_at;
  store(std::move(silence), now);
  return true;
}

void Silences::restore(std::vector<Silence> silences, WallTime now) {
  for (Silence& silence : silences) {
    const std::string id = silence.id;
    states_[id] = silence.state(now);
    silences_[id] = std::move(silence);
  }
  index_stale_ = true;
  advanced_at_ = now;
  next_ = find_next_change();
}

std::vector<std::string> Silences::advance(WallTime now) {
  // Nearly every step: nothing to look through.
  if (changed_.empty() && now >= advanced_at_ && (!next_ || now < *next_)) return {};
  std::vector<std::string> changed;
  for (auto it = silences_.begin(); it != silences_.end();) {
    const auto& [id, silence] = *it;
    const SilenceState state = silence.state(now);
    const auto before = states_.find(id);
    if (before == states_.end() || before->second != state || changed_.contains(id)) {
      changed.push_back(id);
      states_[id] = state;
      index_stale_ = true;
    }
    if (silence.ends_at + limits_.retention < now) {
      dirty_.insert(id);
      states_.erase(id);
      it = silences_.erase(it);
      index_stale_ = true;
    } else {
      ++it;
    }
  }
  changed_.clear();
  advanced_at_ = now;
  next_ = find_next_change();
  return changed;
}

std::optional<WallTime> Silences::next_change() const {
  return changed_.empty() ? next_ : changed_at_;
}

std::optional<WallTime> Silences::find_next_change() const {
  std::optional<WallTime> next;
  for (const auto& [id, silence] : silences_) {
    WallTime at = silence.ends_at + limits_.retention + base::Duration{1};
    if (states_.at(id) == SilenceState::Pending) at = silence.starts_at;
    if (states_.at(id) == SilenceState::Active) at = silence.ends_at;
    next = std::min(next.value_or(WallTime::max()), at);
  }
  return next;
}

const SilenceIndex& Silences::index() const {
  if (index_stale_) {
    index_.clear();
    for (const auto& [id, silence] : silences_) {
      const auto state = states_.find(id);
      if (state == states_.end() || state->second != SilenceState::Active) continue;
      index_.add(id, silence.matcher_sets);
    }
    index_.build();
    index_stale_ = false;
  }
  return index_;
}

std::vector<std::string> Silences::matching(const AlertLabels& alert) const {
  std::vector<std::string> ids;
  index().find(alert, ids);
  return ids;
}

void Silences::mark_hidden(const std::string& id) {
  const auto found = silences_.find(id);
  if (found == silences_.end() || found->second.has_hidden) return;
  found->second.has_hidden = true;
  dirty_.insert(id);
}

void Silences::mark_reminded(const std::string& id) {
  const auto found = silences_.find(id);
  if (found == silences_.end() || found->second.reminded) return;
  found->second.reminded = true;
  dirty_.insert(id);
}

const Silence* Silences::find(const std::string& id) const {
  const auto found = silences_.find(id);
  return found == silences_.end() ? nullptr : &found->second;
}

std::set<std::string> Silences::take_dirty() {
  return std::exchange(dirty_, {});
}

}  // namespace tocsin::routing
