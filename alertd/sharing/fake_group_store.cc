#include "alertd/sharing/fake_group_store.h"

#include <algorithm>

namespace tocsin::sharing {

base::Result<void> FakeGroupStore::reach() {
  ++tables_->calls;
  if (!cut_) return base::ok();
  return base::error(base::ErrorCode::Unavailable, "fake group store: cut off");
}

bool FakeGroupStore::live(const std::string& session) const {
  const auto found = tables_->sessions.find(session);
  return found != tables_->sessions.end() && found->second.until >= tables_->clock.monotonic();
}

base::Result<Board> FakeGroupStore::tend(const Member& me, base::Duration term) {
  TC_TRY(reach());
  const base::MonotonicTime now = tables_->clock.monotonic();
  std::erase_if(tables_->sessions, [&](const auto& entry) {
    return entry.second.member.name == me.name && entry.first != me.session;
  });
  tables_->sessions[me.session] = {me, now + term};
  Board board;
  for (const auto& [session, kept] : tables_->sessions) {
    Member member = kept.member;
    member.live = live(session);
    member.held = static_cast<std::size_t>(
        std::count_if(tables_->groups.begin(), tables_->groups.end(),
                      [&](const auto& entry) { return entry.second.session == session; }));
    board.members.push_back(std::move(member));
  }
  for (const auto& [key, group] : tables_->groups) {
    if (group.session == me.session) board.held[key] = group.epoch;
    if (live(group.session)) continue;
    const auto session = tables_->sessions.find(group.session);
    const auto since = session == tables_->sessions.end() ? group.since : session->second.until;
    board.free.push_back({key, std::chrono::duration_cast<base::Duration>(now - since)});
  }
  for (const Tables::Said& said : tables_->words) {
    if (said.session != me.session && now - said.at < std::chrono::minutes(2)) {
      board.words.push_back(said.word);
    }
  }
  return board;
}

base::Result<void> FakeGroupStore::know(std::span<const std::string> keys) {
  TC_TRY(reach());
  for (const std::string& key : keys) {
    tables_->groups.try_emplace(key).first->second.since = tables_->clock.monotonic();
  }
  return base::ok();
}

base::Result<std::vector<Taken>> FakeGroupStore::take(const std::string& session,
                                                      std::span<const std::string> keys) {
  TC_TRY(reach());
  std::vector<Taken> taken;
  for (const std::string& key : keys) {
    const auto found = tables_->groups.find(key);
    if (found == tables_->groups.end() || live(found->second.session)) continue;
    found->second.session = session;
    found->second.epoch = ++tables_->last_epoch;
    taken.push_back({key, found->second.epoch, found->second.state});
  }
  return taken;
}

base::Result<void> FakeGroupStore::give(const std::map<std::string, std::uint64_t>& groups) {
  TC_TRY(reach());
  for (const auto& [key, epoch] : groups) {
    const auto found = tables_->groups.find(key);
    if (found == tables_->groups.end() || found->second.epoch != epoch) continue;
    found->second.session.clear();
    found->second.since = tables_->clock.monotonic();
  }
  return base::ok();
}

base::Result<std::set<std::string>> FakeGroupStore::save(std::span<const GroupSave> saves) {
  TC_TRY(reach());
  std::set<std::string> refused;
  for (const GroupSave& save : saves) {
    const auto found = tables_->groups.find(save.key);
    const bool accepted = found != tables_->groups.end() && found->second.epoch == save.epoch &&
                          !found->second.session.empty();
    if (tables_->saved) tables_->saved(save, accepted);
    if (!accepted) {
      refused.insert(save.key);
      continue;
    }
    GroupState& state = found->second.state;
    state.evaluated_at = save.now.evaluated_at;
    if (!save.now.state.empty()) state.state = save.now.state;
    if (save.now.alerts.empty()) continue;
    state.alerts = save.now.alerts;
    ++found->second.version;
  }
  return refused;
}

base::Result<void> FakeGroupStore::say(const std::string& session, const std::string& text) {
  TC_TRY(reach());
  const auto id = static_cast<std::int64_t>(tables_->words.size() + 1);
  tables_->words.push_back({session, {id, text}, tables_->clock.monotonic()});
  return base::ok();
}

base::Result<std::vector<ChangedGroup>> FakeGroupStore::changes(ChangesCursor& cursor) {
  TC_TRY(reach());
  std::vector<ChangedGroup> changed;
  for (const auto& [key, group] : tables_->groups) {
    if (group.version == 0 || cursor.versions[key] == group.version) continue;
    cursor.versions[key] = group.version;
    changed.push_back({key, group.version, group.state.alerts});
  }
  return changed;
}

base::Result<std::vector<Holding>> FakeGroupStore::holdings() {
  TC_TRY(reach());
  std::vector<Holding> holdings;
  for (const auto& [key, group] : tables_->groups) {
    const auto session = tables_->sessions.find(group.session);
    const bool held = live(group.session);
    holdings.push_back({key, held ? session->second.member.name : "", group.epoch});
  }
  return holdings;
}

base::Result<void> FakeGroupStore::leave(const std::string& session) {
  TC_TRY(reach());
  for (auto& [key, group] : tables_->groups) {
    if (group.session != session) continue;
    group.session.clear();
    group.since = tables_->clock.monotonic();
  }
  tables_->sessions.erase(session);
  return base::ok();
}

}  // namespace tocsin::sharing
