// Reports, action items, news and statistics, as the API sees them; see views.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/api/views.h"

namespace tocsin::api {

enum class ReportFormat { Markdown, Html, Json };

/// What a person changes of a report. Each text at most 16 KiB.
struct ReportChange {
  std::string id;  ///< Of the incident.
  std::string by;
  std::string source;
  std::map<std::string, std::string> fields;  ///< Empty text: taken back.
};

struct ActionInfo {
  std::string id;        ///< "A-1042-1"
  std::string incident;  ///< "T-1042"
  std::string text;
  std::string owner;
  std::optional<base::WallTime> due;
  std::string type = "prevent";  ///< "prevent", "detect" or "mitigate"
  std::string ticket;
  base::WallTime created_at;
  std::string created_by;
  std::optional<base::WallTime> done_at;
  std::string done_by;
};

/// A new action item (`id` empty, `incident` given), or a change of one (`id` given).
struct ActionChange {
  std::string id;
  std::string incident;
  std::string by;
  std::string source;
  ActionInfo item;  ///< Of a new one.
  bool done = false;
  std::optional<std::string> owner;  ///< Of a change; so is the next.
  std::optional<base::WallTime> due;
};

struct NewsInfo {
  base::WallTime at;
  std::string by;  ///< Empty: automatic.
  std::string state;
  std::string text;
  std::vector<std::string> audiences;
  std::optional<base::WallTime> next_update;
};

struct NewsRequest {
  std::string id;  ///< Of the incident.
  std::string by;
  std::string source;
  std::string state;  ///< "investigating", "identified", "monitoring" or "resolved"
  std::string text;
  std::vector<std::string> audiences;  ///< Empty: all whom it concerns.
};

/// Errors in `done` of all: NotFound (no such incident or item), Unavailable.
class ReportView {
 public:
  virtual ~ReportView() = default;
  /// The report as text in that format.
  virtual void report(std::string id, ReportFormat format, Done<std::string> done) = 0;
  /// Errors in `done` also: InvalidArgument (unknown field), LimitExceeded.
  virtual void change_report(ReportChange change, Done<void> done) = 0;
  /// Of all incidents, by due time, those without one last.
  virtual void actions(Done<std::vector<ActionInfo>> done) = 0;
  /// Answers with the item's id. Errors in `done` also: InvalidArgument, LimitExceeded.
  virtual void change_action(ActionChange change, Done<std::string> done) = 0;
  /// Oldest first.
  virtual void news(std::string id, Done<std::vector<NewsInfo>> done) = 0;
  /// Errors in `done` also: InvalidArgument (nobody is concerned, a host is named), LimitExceeded.
  virtual void tell(NewsRequest request, Done<void> done) = 0;
  /// Statistics of the incidents opened within [from, to), as JSON text.
  virtual void statistics(base::WallTime from, base::WallTime to, Done<std::string> done) = 0;
};

}  // namespace tocsin::api
