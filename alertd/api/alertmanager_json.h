// Alertmanager's API v2 in JSON: its answers, its error shapes, its postable silence. Internal to
// alertd/api.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/api/alertmanager_views.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Returns the time as its clients expect it: always three digits of milliseconds, "Z".
std::string api_time(base::WallTime time);

/// Returns one alert as a gettableAlert. `receivers` stand for the alert's own if not null.
void append_alert(std::string& out, const AlertmanagerAlert& one,
                  const std::vector<std::string>& receivers,
                  const std::vector<std::string>* muted_by);

/// Returns one silence as a gettableSilence. `matchers` is its first set; more than one set is
/// shown beside it as `matcherSets`.
void append_silence(std::string& out, const AlertmanagerSilence& silence);

/// Parses a postableSilence.
/// Errors: InvalidArgument (says which field).
base::Result<AlertmanagerSilence> parse_silence(std::string_view body);

/// 400 and the like of a handler: the message as a JSON text.
net::ServerResponse alertmanager_error(int status, std::string_view message);
/// What the generated layer of Alertmanager answers: {"code":...,"message":...}.
net::ServerResponse alertmanager_invalid(int status, int code, std::string_view message);
/// The answer for an Error by its code.
net::ServerResponse alertmanager_failure(const base::Error& error);
/// 200 with that JSON text.
net::ServerResponse alertmanager_ok(std::string body);

}  // namespace tocsin::api
