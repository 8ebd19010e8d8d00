// One request out of a line of an access log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

struct AccessEntry {
  std::string method;  ///< As written; "" if the request is no HTTP.
  std::string path;    ///< With its query; "" if the request is no HTTP.
  int status = 0;
  double bytes = 0;               ///< Of the response.
  std::optional<double> seconds;  ///< How long it took.
};

/// How lines are written.
struct AccessFormatSettings {
  enum class Kind { Combined, Json, Pattern };
  Kind kind = Kind::Combined;
  std::string pattern;  ///< RE2 with the groups of docs/logs.md.
  std::string method_field = "request_method";
  std::string path_field = "request_uri";
  std::string status_field = "status";
  std::string bytes_field = "body_bytes_sent";
  std::string duration_field = "request_time";
  double duration_unit_seconds = 1;  ///< What one in the duration field is.
};

/// Reads lines of one format. Movable. Thread: one at a time.
class AccessFormat {
 public:
  /// Errors: InvalidArgument (the pattern; groups `status` and one of `path`, `request` are
  /// needed).
  static base::Result<AccessFormat> make(AccessFormatSettings settings);
  AccessFormat(AccessFormat&&) noexcept;
  AccessFormat& operator=(AccessFormat&&) noexcept;
  ~AccessFormat();

  /// nullopt: the line is not of this format.
  std::optional<AccessEntry> parse(std::string_view line) const;

 private:
  struct State;
  explicit AccessFormat(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Reads the combined format of nginx, Apache and gunicorn; also the common one. A number at the
/// very end ($request_time) is the duration in seconds.
std::optional<AccessEntry> parse_combined(std::string_view line);

/// Reads JSON with the fields that `settings` names. "a.b" is a field in an object, unless there is
/// a field of that very name.
std::optional<AccessEntry> parse_access_json(std::string_view line,
                                             const AccessFormatSettings& settings);

/// Sets method and path from "GET /a HTTP/1.1"; leaves them empty for what is no request line.
void set_request(std::string_view request, AccessEntry& entry);

}  // namespace tocsin::agent
