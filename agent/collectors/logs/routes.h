// Paths of requests as a bounded number of routes, so that they may be labels.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// Returns the path without its query, and with ":id" for parts that name one thing rather than a
/// kind: numbers, UUIDs, hexadecimal and long tokens, anything with other than A-Z a-z 0-9 . _ ~ -
/// (names and addresses of people among it). At most six parts; "..." stands for further ones.
std::string route_template(std::string_view path);

/// Requests whose path matches the pattern (RE2, from its begin) are of that route.
struct RoutePattern {
  std::string pattern;
  std::string route;
};

/// Owner: one access log.
class Routes {
 public:
  /// Errors: InvalidArgument (a pattern).
  static base::Result<Routes> make(std::vector<RoutePattern> patterns, std::size_t routes_max);
  Routes(Routes&&) noexcept;
  Routes& operator=(Routes&&) noexcept;
  ~Routes();

  /// Returns the route; "other" for one that is new when there are enough, or may not `begin`: who
  /// looks for holes asks for paths that do not exist, and would use up the table.
  std::string of(std::string_view path, bool begin);

 private:
  struct State;
  explicit Routes(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::agent
