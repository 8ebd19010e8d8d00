// The shared tables in memory, with the store's clock, for tests: several daemons on one `Tables`.
#pragma once

#include <functional>
#include <memory>

#include "alertd/sharing/group_store.h"
#include "common/base/clock.h"

namespace tocsin::sharing {

/// One daemon's way to the tables. Thread: one.
class FakeGroupStore final : public GroupStore {
 public:
  struct Tables {
    explicit Tables(const base::Clock& store_clock) : clock(store_clock) {}
    struct Session {
      Member member;
      base::MonotonicTime until;
    };
    struct Group {
      std::string session;
      std::uint64_t epoch = 0;
      base::MonotonicTime since;
      GroupState state;
      std::uint64_t version = 0;
    };
    const base::Clock& clock;
    std::map<std::string, Session> sessions;
    std::map<std::string, Group> groups;
    struct Said {
      std::string session;
      Word word;
      base::MonotonicTime at;
    };
    std::vector<Said> words;
    std::uint64_t last_epoch = 0;
    std::size_t calls = 0;
    /// Of each save that was accepted or refused.
    std::function<void(const GroupSave&, bool accepted)> saved;
  };

  explicit FakeGroupStore(std::shared_ptr<Tables> tables) : tables_(std::move(tables)) {}

  /// While cut, every call is Unavailable.
  void cut(bool cut) { cut_ = cut; }

  base::Result<Board> tend(const Member& me, base::Duration term) override;
  base::Result<void> know(std::span<const std::string> keys) override;
  base::Result<std::vector<Taken>> take(const std::string& session,
                                        std::span<const std::string> keys) override;
  base::Result<void> give(const std::map<std::string, std::uint64_t>& groups) override;
  base::Result<std::set<std::string>> save(std::span<const GroupSave> saves) override;
  base::Result<void> say(const std::string& session, const std::string& text) override;
  base::Result<std::vector<ChangedGroup>> changes(ChangesCursor& cursor) override;
  base::Result<std::vector<Holding>> holdings() override;
  base::Result<void> leave(const std::string& session) override;

 private:
  base::Result<void> reach();
  bool live(const std::string& session) const;

  std::shared_ptr<Tables> tables_;
  bool cut_ = false;
};

}  // namespace tocsin::sharing
