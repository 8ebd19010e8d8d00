// Rule groups that several daemons share: the keeper of leases and the ruler, put together.
//
// What an evaluation leaves becomes texts on their way into the shared tables; a group that is
// taken becomes a tenure of the ruler; and while this daemon tells people, the alerts of all groups
// come out of the tables and go where alerts of local groups go.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/ruler/ruler.h"
#include "alertd/ruler/sharing.h"
#include "alertd/sharing/keeper.h"

namespace tocsin::alertd {

/// Lifecycle: make, attach, start, stop. Thread: all from any.
class SharingLink final : public ruler::GroupRecords {
 public:
  SharingLink(sharing::KeeperOptions options, sharing::GroupStore& store, base::Executor& executor,
              base::Metrics& metrics, model::AlertSink& sink);

  /// The ruler outlives the executor's last task.
  void attach(ruler::Ruler& ruler) { ruler_ = &ruler; }
  void start() { keeper_.start(); }
  void stop() { keeper_.stop(); }

  void keep(ruler::GroupRecord record) override;
  void pass_on(const ruler::Forgetting& forgetting) override;
  /// These are the shared groups of the rules that run.
  void know(std::vector<std::string> keys) { keeper_.know(std::move(keys)); }
  /// This daemon is to tell people: `ready` runs, on the executor, when the last word about every
  /// alert of a shared group was posted. What was posted earlier, in a time before, may be out of
  /// date: so that is to come before the sink takes anything in.
  void follow(base::Task ready = {});
  void unfollow() { keeper_.unfollow(); }

  bool healthy() const { return keeper_.status().error.empty(); }
  /// For people: "holds 10 of 20 shared rule groups; 2 daemons: db1 (10), db2 (10)".
  std::string describe() const;
  std::size_t held() const { return keeper_.status().held.size(); }

  /// GET /api/v1/groups/holders: every shared group, its holder and epoch.
  std::vector<api::Route> routes();

 private:
  sharing::Keeper::Hooks hooks();
  void tell(const std::vector<sharing::ChangedGroup>& changed);

  base::Executor& executor_;
  model::AlertSink& sink_;
  ruler::Ruler* ruler_ = nullptr;
  /// What was told of each alert of each group, so that only news are told. Owned by the executor.
  struct Told {
    base::WallTime updated_at;
    std::optional<base::WallTime> ends_at;
    bool operator==(const Told&) const = default;
  };
  std::map<std::string, std::map<std::uint64_t, Told>> told_;
  sharing::Keeper keeper_;
};

}  // namespace tocsin::alertd
