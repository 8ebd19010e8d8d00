// Changes that people and pipelines announce: a deploy, a switched flag, a migration.
//
// An incident that opens within `[incident] change_window` after a change of one of its services
// (or of no named service) lists it. Kept for a week, at most kChangesMax.
#pragma once

#include <string>

#include "alertd/incident/state_store.h"

namespace tocsin::incident {

struct Change {
  std::string id;  ///< Given by the engine: "C-17".
  base::WallTime at;
  std::string service;  ///< Empty: concerns everything.
  std::string version;
  std::string author;
  std::string link;
  std::string text;

  /// Returns "deploy of shop 1.2.3 by ann: text (link)".
  std::string describe() const;
};

inline constexpr std::size_t kChangesMax = 1000;
inline constexpr base::Duration kChangesKept = std::chrono::hours(24 * 7);
inline constexpr std::string_view kChangeKind = "change";
inline constexpr std::string_view kHandoverKind = "oncall_handover";
inline constexpr std::string_view kOverrideKind = "oncall_override";

KeptRecord change_record(const Change& change);
/// Errors: Corruption (names the field).
base::Result<Change> change_from_record(const KeptRecord& record);

}  // namespace tocsin::incident
