#include "alertd/notify/http_outcome.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kQuotedMax = 80;

// An answer is quoted only if it is a word or two: a page could hold anything.
std::string quoted(std::string_view body) {
  body = base::trim(body);
  const bool plain = std::all_of(body.begin(), body.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" _-.,:").find(c) != std::string_view::npos;
  });
  if (body.empty() || body.size() > kQuotedMax || !plain) return {};
  return fmt::format(": {}", body);
}

FailureReason reason_of_status(int status) {
  if (status == 401 || status == 403 || status == 407) return FailureReason::Auth;
  if (status == 429) return FailureReason::RateLimited;
  if (status == 408 || status == 425 || status >= 500) return FailureReason::Unreachable;
  return FailureReason::Refused;
}

}  // namespace

std::string_view to_string(FailureReason reason) {
  switch (reason) {
    case FailureReason::Auth:
      return "auth";
    case FailureReason::RateLimited:
      return "rate_limited";
    case FailureReason::Refused:
      return "refused";
    case FailureReason::Unreachable:
      return "unreachable";
    case FailureReason::Unknown:
      break;
  }
  return "unknown";
}

FailureReason reason_of(base::ErrorCode code) {
  switch (code) {
    case base::ErrorCode::PermissionDenied:
      return FailureReason::Auth;
    case base::ErrorCode::InvalidArgument:
    case base::ErrorCode::LimitExceeded:
      return FailureReason::Refused;
    case base::ErrorCode::Unavailable:
    case base::ErrorCode::Timeout:
      return FailureReason::Unreachable;
    default:
      return FailureReason::Unknown;
  }
}

Outcome http_outcome(const base::Result<net::HttpResponse>& response, base::WallTime now) {
  Outcome outcome;
  if (!response) {
    const bool hopeless = response.error().code == base::ErrorCode::InvalidArgument ||
                          response.error().code == base::ErrorCode::PermissionDenied;
    outcome.verdict = hopeless ? Verdict::Permanent : Verdict::Retry;
    outcome.unknown = response.error().code == base::ErrorCode::Timeout;
    outcome.reason = reason_of(response.error().code);
    outcome.text = base::escape_control(response.error().message);
    return outcome;
  }
  const int status = response->status;
  outcome.text = fmt::format("HTTP {}", status);
  if (status >= 200 && status < 300) {
    outcome.verdict = Verdict::Delivered;
    return outcome;
  }
  outcome.reason = reason_of_status(status);
  outcome.text += quoted(response->body);
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    outcome.verdict = Verdict::Retry;
    outcome.retry_after = net::retry_after(*response, now);
  } else {
    outcome.verdict = Verdict::Permanent;
    if (status >= 300 && status < 400) outcome.text += ", redirects are not followed";
  }
  return outcome;
}

}  // namespace tocsin::notify
