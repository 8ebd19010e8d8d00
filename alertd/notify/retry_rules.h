// Which answers of which service are worth another attempt.
//
// One table for each service, in retry_rules.cc, read off its documentation
// (shared/reference/routing.md, section 5); what a table does not name goes by the general rule of
// http_outcome.h.
#pragma once

#include <span>
#include <string_view>

#include "alertd/notify/channel.h"
#include "common/net/http_client.h"

namespace tocsin::notify {

/// For statuses `first` to `last`, both inclusive.
struct RetryRule {
  int first;
  int last;
  Verdict verdict;
  base::Duration wait_min{0};  ///< At least so long before the next attempt.
};

enum class Service { PagerDuty, Opsgenie, Ntfy, Pushover, Twilio, Kannel, Alertmanager, Webhook };

std::span<const RetryRule> retry_rules(Service service);

/// As http_outcome, with the service's own table first. What the service says went wrong
/// ("message", "error" or "errors" of a JSON answer) is quoted, without control characters.
Outcome service_outcome(Service service, const base::Result<net::HttpResponse>& response,
                        base::WallTime now);

/// Returns what went wrong by a JSON answer of one of the usual forms, or "".
std::string answer_message(std::string_view body);

}  // namespace tocsin::notify
