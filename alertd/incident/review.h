// What people write about an incident while it lasts and afterwards: words of the report, action
// items, and the news that stakeholders were told. One kept record ("report") an incident, which
// outlives the incident's place in memory and is never overwritten by a report made again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/incident/state_change.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::incident {

inline constexpr std::string_view kReviewKind = "report";

enum class ActionType { Prevent, Detect, Mitigate };

/// Returns "prevent", "detect" or "mitigate".
std::string_view to_string(ActionType type);
std::optional<ActionType> parse_action_type(std::string_view text);

/// Something that shall be done so that it does not happen again.
struct ActionItem {
  std::int64_t number = 0;  ///< From 1, of its incident; "A-1042-1" is the first of T-1042.
  std::string text;
  std::string owner;                  ///< Empty: nobody yet.
  std::optional<base::WallTime> due;  ///< Overdue from then on.
  ActionType type = ActionType::Prevent;
  std::string ticket;  ///< Name or address in another system.
  base::WallTime created_at;
  std::string created_by;
  std::optional<base::WallTime> done_at;
  std::string done_by;

  bool overdue(base::WallTime now) const { return due && !done_at && *due <= now; }
};

/// Returns "A-1042-1" for item 1 of incident 1042.
std::string action_id(std::int64_t incident, std::int64_t item);
/// Returns the numbers of incident and item; nullopt: it is no such id.
std::optional<std::pair<std::int64_t, std::int64_t>> parse_action_id(std::string_view id);

enum class NewsState { Investigating, Identified, Monitoring, Resolved };

/// Returns "investigating", "identified", "monitoring" or "resolved".
std::string_view to_string(NewsState state);
std::optional<NewsState> parse_news_state(std::string_view text);

/// What was told to stakeholders once.
struct News {
  base::WallTime at;
  std::string by;  ///< Empty: the daemon itself.
  NewsState state = NewsState::Investigating;
  std::string text;                    ///< Of the person; empty: drafted words alone.
  std::vector<std::string> audiences;  ///< Who was told.
  bool everybody = true;               ///< To all that it concerns, not to chosen ones.
  std::optional<base::WallTime> next_update;
};

/// All of it about one incident. Value type.
struct Review {
  std::int64_t incident = 0;
  /// Name of kReviewFields, or "noise.<rule>" -> words.
  std::map<std::string, std::string> fields;
  std::vector<ActionItem> actions;
  std::vector<News> news;                     ///< Oldest first.
  std::optional<base::WallTime> reminded_at;  ///< That news is overdue.
  base::WallTime updated_at;
};

/// A field of the report that people fill in.
struct ReviewField {
  std::string_view name;
  std::string_view title;
};

/// The fields, in the order of the report: summary, users, root_cause, ...
std::vector<ReviewField> review_fields();
/// The field that says whether alerts of a rule were worth it: "noise.DiskFull".
inline constexpr std::string_view kNoisePrefix = "noise.";

inline constexpr std::size_t kReviewTextMax = 16U << 10U;
inline constexpr std::size_t kActionsMax = 100;  ///< Of one incident.
inline constexpr std::size_t kNewsMax = 500;     ///< Of one incident.

/// What a person changes.
struct ReviewEdit {
  std::map<std::string, std::string> fields;  ///< Empty text: forgotten.
  std::optional<ActionItem> new_action;       ///< Its number and creation are given by the engine.
  std::int64_t action = 0;                    ///< Changes this item: 0: none.
  bool done = false;                          ///< Of `action`.
  std::optional<std::string> owner;           ///< Of `action`; so is the next.
  std::optional<base::WallTime> due;
};

/// Changes the review. Returns the number of the new or changed item, 0 if there is none.
/// Errors: InvalidArgument (unknown field with the nearest known one, item without words, item done
/// already), NotFound (no such item), LimitExceeded (names the limit; nothing is changed).
base::Result<std::int64_t> apply_edit(Review& review, const ReviewEdit& edit,
                                      const std::string& actor, base::WallTime now);

KeptRecord review_record(const Review& review);
/// Errors: Corruption (names the field).
base::Result<Review> review_from_record(const KeptRecord& record);

}  // namespace tocsin::incident
