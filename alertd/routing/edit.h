// What people, clients and peers change in routing while it runs. Each edit is answered once it is
// durable (incident::Dispatcher::edit).
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "alertd/routing/maintenance.h"
#include "alertd/routing/notify_log.h"
#include "alertd/routing/silence.h"

namespace tocsin::routing {

/// Answer: the silence's id. See Silences::set. Errors also: LimitExceeded with a text that says
/// how many alerts it would hide (it is broad; `force` confirms it).
struct SetSilence {
  Silence silence;
  bool force = false;  ///< Also for clients that cannot be asked.
};
/// Answer: the id. See Silences::expire.
struct ExpireSilence {
  std::string id;
  std::string actor;
};
/// A peer's silences. Answer: how many were new.
struct MergeSilences {
  std::vector<Silence> silences;
};
/// Answer: the name. See Maintenances::set.
struct SetMaintenance {
  Maintenance maintenance;
};
/// Answer: the name. See Maintenances::end.
struct EndMaintenance {
  std::string name;
  std::string actor;
};
/// A peer's notification log (Alertmanager's mode). Answer: how many entries were new.
struct MergeNotifyLog {
  std::vector<LoggedNotification> entries;
};

using Edit = std::variant<SetSilence, ExpireSilence, MergeSilences, SetMaintenance, EndMaintenance,
                          MergeNotifyLog>;

/// What a silence would hide now.
struct SilencePreview {
  static constexpr std::size_t kShown = 100;
  std::size_t firing = 0;             ///< Alerts that fire in all.
  std::size_t matched = 0;            ///< Of those.
  std::vector<model::Labels> alerts;  ///< The first kShown of the matched, by labels.
  bool broad = false;                 ///< It needs `force`.
};

}  // namespace tocsin::routing
