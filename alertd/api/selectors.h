// Expressions and series selectors in requests. Internal to alertd/api.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/engine.h"
#include "common/base/result.h"
#include "common/model/matcher.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Parses an expression. Errors: InvalidArgument as Prometheus words it: `invalid parameter "name":
/// 1:5: parse error: ...`.
base::Result<promql::ExprPtr> parse_parameter(std::string_view name, std::string_view text,
                                              const promql::ParseOptions& options);

/// Parses every value of a repeated parameter as a series selector such as `up{job="a"}`; empty if
/// there is none. Errors: InvalidArgument.
base::Result<std::vector<std::vector<model::Matcher>>> selectors_parameter(
    const net::ServerRequest& request, const std::string& name,
    const promql::ParseOptions& options);

}  // namespace tocsin::api
