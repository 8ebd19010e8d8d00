// The formats of answers: Prometheus's envelope, its numbers and times. Internal to alertd/api.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/engine.h"
#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/net/http_server.h"

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace tocsin::api {

/// What Prometheus calls warnings and infos.
struct Notes {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

/// Returns 200 {"status":"success","data":`data`} with the notes; `data` is JSON text.
net::ServerResponse success(std::string_view data, const Notes& notes = {});
net::ServerResponse success(const boost::json::value& data);
net::ServerResponse plain_text(int status, std::string text);

/// Returns the error answer for `error`; `invalid` is the status for InvalidArgument and
/// LimitExceeded: 400 when the request is wrong (errorType bad_data), 422 when its execution failed
/// (execution).
net::ServerResponse failure(const base::Error& error, int invalid);
net::ServerResponse bad_data(std::string_view message);

/// Returns {"resultType":...,"result":...} as Prometheus prints it: times as seconds with
/// milliseconds, values as strings. `stats`, if not empty, is JSON text of its member of that name.
/// Errors: LimitExceeded (more than `bytes_max`; nothing beyond it is written).
base::Result<std::string> query_data(const promql::QueryResult& result, std::size_t bytes_max,
                                     std::string_view stats = {});
/// Returns {"name":"value",...} in order of names.
std::string labels_text(const model::Labels& labels);
/// Returns ["a","b"].
std::string strings_text(const std::vector<std::string>& strings);

boost::json::object labels_json(const model::Labels& labels);
/// Returns the text with bytes that are not UTF-8 replaced, so that every answer is valid JSON.
std::string clean(std::string_view text);
/// Returns a number as Prometheus prints an alert's value: "1e+00", "9.65e+01".
std::string alert_value(double value);

}  // namespace tocsin::api
