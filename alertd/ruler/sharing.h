// A group that several daemons share: it is evaluated by one of them at a time, and what each
// evaluation leaves goes to the others through GroupRecords.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::ruler {

/// What an evaluation of a shared group leaves.
struct GroupRecord {
  std::string key;
  std::uint64_t epoch = 0;
  base::WallTime evaluated_at;
  std::string state;  ///< See shared_state.h.
  /// Everything that is told now, what ended lately included; nothing: as before.
  std::vector<model::Alert> alerts;
  bool alerts_changed = false;
};

/// Said to one daemon, meant for whoever holds the groups: label sets that do not come back, or do
/// after all. See Ruler::forget_owner, forget_alert and welcome.
struct Forgetting {
  enum class Kind { Owner, Alert, Welcome };
  Kind kind = Kind::Owner;
  model::Labels labels;  ///< Owner and Welcome: the one label. Alert: as the sink got them.
  std::string because;
};

/// Keeps records where the next holder finds them; the implementation is alertd/app's.
class GroupRecords {
 public:
  virtual ~GroupRecords() = default;
  /// Thread: any; never blocks. A record replaces an older one of the same group and epoch.
  virtual void keep(GroupRecord record) = 0;
  /// Passes it on to the other daemons, once. Thread: any; never blocks.
  virtual void pass_on(const Forgetting& forgetting) = 0;
};

/// The right to evaluate a group, and where to go on.
struct Tenure {
  std::uint64_t epoch = 0;
  base::WallTime evaluated_at;       ///< By the last holder.
  std::string state;                 ///< Empty: the group was never shared before.
  std::vector<model::Alert> alerts;  ///< As they were told last.
};

struct RuleGroup;

/// Returns what names the group to all daemons: the path of its file below the first of `paths`
/// that has it, and its name. The same on hosts that keep their rules in different places.
std::string shared_key(const RuleGroup& group, std::span<const std::string> paths);

}  // namespace tocsin::ruler
