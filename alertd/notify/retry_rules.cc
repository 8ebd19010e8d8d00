#include "alertd/notify/retry_rules.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/http_outcome.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

constexpr std::size_t kMessageShownMax = 200;
constexpr base::Duration kFiveSeconds{5'000};

// 429 and 5xx again, all other refusals never: an invalid event stays invalid.
constexpr RetryRule kPagerDuty[] = {
    {400, 428, Verdict::Permanent}, {429, 429, Verdict::Retry}, {430, 499, Verdict::Permanent}};
constexpr RetryRule kOpsgenie[] = {{422, 422, Verdict::Permanent}, {429, 429, Verdict::Retry}};
constexpr RetryRule kNtfy[] = {{429, 429, Verdict::Retry}, {507, 507, Verdict::Retry}};
// Their 429 is the month's quota: more of the same only brings a block of the address.
constexpr RetryRule kPushover[] = {{400, 499, Verdict::Permanent},
                                   {500, 599, Verdict::Retry, kFiveSeconds}};
constexpr RetryRule kTwilio[] = {{429, 429, Verdict::Retry}};
// 403: credentials; 404: no such service; 503: the box or its line is down.
constexpr RetryRule kKannel[] = {{400, 499, Verdict::Permanent}, {503, 503, Verdict::Retry}};
// 400: it took the good ones and not the others; the same again would not help.
constexpr RetryRule kAlertmanager[] = {{400, 400, Verdict::Permanent}};

std::string first_text(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (const json::array* list = value.if_array()) {
    std::string out;
    for (const json::value& one : *list) {
      if (!one.is_string() || out.size() > kMessageShownMax) continue;
      out += (out.empty() ? "" : "; ") + std::string(one.get_string());
    }
    return out;
  }
  if (const json::object* fields = value.if_object()) {
    std::string out;
    for (const auto& [name, one] : *fields) {
      if (!one.is_string() || out.size() > kMessageShownMax) continue;
      out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", std::string_view(name),
                         std::string_view(one.get_string()));
    }
    return out;
  }
  return {};
}

}  // namespace

std::span<const RetryRule> retry_rules(Service service) {
  switch (service) {
    case Service::PagerDuty:
      return kPagerDuty;
    case Service::Opsgenie:
      return kOpsgenie;
    case Service::Ntfy:
      return kNtfy;
    case Service::Pushover:
      return kPushover;
    case Service::Twilio:
      return kTwilio;
    case Service::Kannel:
      return kKannel;
    case Service::Alertmanager:
      return kAlertmanager;
    case Service::Webhook:
      break;
  }
  return {};
}

std::string answer_message(std::string_view body) {
  boost::system::error_code bad;
  json::parse_options options;
  options.max_depth = 8;
  const json::value answer = json::parse(body, bad, {}, options);
  const json::object* fields = bad ? nullptr : answer.if_object();
  if (fields == nullptr) return {};
  std::string out;
  for (const char* name : {"message", "error", "errors"}) {
    const json::value* value = fields->if_contains(name);
    const std::string text = value == nullptr ? "" : first_text(*value);
    if (!text.empty()) out += (out.empty() ? "" : ": ") + text;
  }
  return base::escape_control(out.substr(0, kMessageShownMax));
}

Outcome service_outcome(Service service, const base::Result<net::HttpResponse>& response,
                        base::WallTime now) {
  Outcome outcome = http_outcome(response, now);
  if (!response) return outcome;
  for (const RetryRule& rule : retry_rules(service)) {
    if (response->status < rule.first || response->status > rule.last) continue;
    outcome.verdict = rule.verdict;
    if (rule.verdict == Verdict::Retry) {
      outcome.retry_after =
          std::max({rule.wait_min, outcome.retry_after, net::retry_after(*response, now)});
    } else {
      outcome.retry_after = base::Duration{0};
    }
    break;
  }
  if (outcome.verdict != Verdict::Delivered) {
    const std::string why = answer_message(response->body);
    if (!why.empty()) outcome.text = fmt::format("HTTP {}: {}", response->status, why);
  }
  return outcome;
}

}  // namespace tocsin::notify
