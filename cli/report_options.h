// tocsin report, action, news and stats: what was asked for.
#pragma once

#include <string>
#include <vector>

namespace tocsin::cli {

struct ReportOptions {
  std::string id;                   ///< Of an incident; or "daily" and so on: a report of a time.
  std::string format = "markdown";  ///< "md" is short for it; "html"; "json", or "csv", "text".
  std::string output;               ///< File; empty: stdout.
  std::vector<std::string> set;     ///< "root_cause=..."; "root_cause=@FILE": the file's text.
  std::string by;
  std::string from;  ///< Of a time's report, and so are the next two; empty: its own period.
  std::string to;
  std::string time_zone;  ///< Empty: the daemon's.
};

struct ActionOptions {
  enum class Action { List, Add, Change, Done };
  Action action = Action::List;
  std::string id;  ///< Of the incident (add), or of the item.
  std::string text;
  std::string owner;
  std::string due;  ///< Day, RFC 3339, or a duration from now.
  std::string type = "prevent";
  std::string ticket;
  std::string by;
  bool all = false;  ///< Done ones too.
};

struct NewsOptions {
  std::string id;
  std::string state;  ///< Empty: show what was told.
  std::string text;
  std::vector<std::string> audiences;
  std::string by;
};

struct StatsOptions {
  std::string from = "-30d";
  std::string to = "now";
};

}  // namespace tocsin::cli
