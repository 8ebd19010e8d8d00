// Reading what a request says: times, steps, limits, bodies. Internal to alertd/api.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Parses a time as unix seconds with fractions, or RFC 3339; "" gives `missing`.
/// Errors: InvalidArgument naming the parameter.
base::Result<base::WallTime> time_parameter(const net::ServerRequest& request,
                                            const std::string& name, base::WallTime missing);

/// Parses a duration > 0 in seconds with fractions, or in Prometheus notation; nullopt if not
/// given. Errors: InvalidArgument naming the parameter.
base::Result<std::optional<base::Duration>> duration_parameter(const net::ServerRequest& request,
                                                               const std::string& name);

/// Parses a count; 0 if not given. Errors: InvalidArgument naming the parameter.
base::Result<std::size_t> count_parameter(const net::ServerRequest& request,
                                          const std::string& name);

/// Returns all values of a repeated parameter.
std::vector<std::string> list_parameter(const net::ServerRequest& request, const std::string& name);

/// Returns the error of the first result that has one.
template <class... Results>
std::optional<base::Error> first_error(const Results&... results) {
  std::optional<base::Error> first;
  ((first || results ? void() : void(first = results.error())), ...);
  return first;
}

/// A JSON body of texts and, for labels, one level of objects of texts.
struct JsonBody {
  std::map<std::string, std::string> texts;
  std::map<std::string, std::map<std::string, std::string>> objects;
};

/// Parses the JSON body; an empty body is an empty object. `allowed` are the keys it may have.
/// Errors: InvalidArgument (not JSON, another type than said, unknown key with the nearest known
/// one, a Content-Type other than application/json: a form of another site could send that).
base::Result<JsonBody> json_body(const net::ServerRequest& request,
                                 const std::vector<std::string>& allowed);

}  // namespace tocsin::api
