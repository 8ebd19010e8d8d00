// Who is on call, as the API sees it, and changes that people announce.
#pragma once

#include "alertd/api/views.h"

namespace tocsin::api {

struct ShiftInfo {
  std::string schedule;
  base::WallTime begin;
  base::WallTime end;
  std::vector<std::string> persons;  ///< Empty: nobody is on call.
  std::string layer;                 ///< "override O-..." or the layer's name.
};

/// Who is on call in one schedule at the time asked for.
struct OnCallInfo {
  std::string schedule;
  std::string time_zone;
  std::vector<std::string> persons;
  std::string layer;
  std::optional<base::WallTime> until;  ///< When somebody else is; none within four weeks.
  std::vector<std::string> next;        ///< Who is then.
};

struct OverrideRequest {
  std::string schedule;
  std::vector<std::string> persons;
  base::WallTime begin;
  base::WallTime end;
  std::string by;
  std::string comment;
  std::string source;
};

struct ChangeInfo {
  std::string id;
  base::WallTime at;
  std::string service;  ///< Empty: concerns everything.
  std::string version;
  std::string author;
  std::string link;
  std::string text;
};

class OnCallView {
 public:
  virtual ~OnCallView() = default;
  virtual void on_call(base::WallTime at, Done<std::vector<OnCallInfo>> done) = 0;
  /// `schedule` empty: all. Errors in `done`: NotFound.
  virtual void shifts(std::string schedule, base::WallTime from, base::WallTime to,
                      Done<std::vector<ShiftInfo>> done) = 0;
  /// Answers with the override's id. Errors in `done`: NotFound (schedule, person),
  /// InvalidArgument.
  virtual void put_override(OverrideRequest request, Done<std::string> done) = 0;
  /// Errors in `done`: NotFound.
  virtual void remove_override(std::string id, std::string by, std::string source,
                               Done<void> done) = 0;
  /// Answers with the change's id. Errors in `done`: LimitExceeded.
  virtual void add_change(ChangeInfo change, std::string source, Done<std::string> done) = 0;
  /// Newest first.
  virtual void changes(Done<std::vector<ChangeInfo>> done) = 0;
};

}  // namespace tocsin::api
