#include "alertd/notify/chat_outcome.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

constexpr std::size_t kQuotedMax = 160;
constexpr base::Duration kRetryAfterBelievedMax = std::chrono::hours(24);

base::Duration duration_of(const json::value* value, double unit_ms) {
  if (value == nullptr || !value->is_number()) return base::Duration{0};
  const double ms = value->to_number<double>() * unit_ms;
  if (!(ms > 0)) return base::Duration{0};
  const double most = static_cast<double>(kRetryAfterBelievedMax.count());
  return base::Duration{static_cast<std::int64_t>(std::ceil(std::min(ms, most)))};
}

FailureReason reason_of_status(int status) {
  if (status == 401 || status == 403) return FailureReason::Auth;
  if (status == 429) return FailureReason::RateLimited;
  return status >= 500 ? FailureReason::Unreachable : FailureReason::Refused;
}

}  // namespace

struct AnswerBody::Value {
  json::value root;

  const json::value* find(std::string_view path) const {
    const json::value* at = &root;
    for (const std::string_view part : base::split(path, '/')) {
      const json::object* object = at->if_object();
      at = object == nullptr ? nullptr : object->if_contains(part);
      if (at == nullptr) return nullptr;
    }
    return at;
  }
};

AnswerBody::AnswerBody(const base::Result<net::HttpResponse>& response)
    : value_(std::make_unique<Value>()) {
  if (!response) return;
  boost::system::error_code bad;
  json::value parsed = json::parse(response->body, bad);
  if (!bad) value_->root = std::move(parsed);
}

AnswerBody::~AnswerBody() = default;

std::string AnswerBody::text(std::string_view path) const {
  const json::value* value = value_->find(path);
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(value->get_string());
  return value->is_int64() || value->is_uint64() ? json::serialize(*value) : std::string();
}

std::optional<bool> AnswerBody::boolean(std::string_view path) const {
  const json::value* value = value_->find(path);
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

base::Duration AnswerBody::seconds(std::string_view path) const {
  return duration_of(value_->find(path), 1000);
}

base::Duration AnswerBody::milliseconds(std::string_view path) const {
  return duration_of(value_->find(path), 1);
}

ChatAnswer judge(const base::Result<net::HttpResponse>& response, base::WallTime now,
                 const ProductError& error, std::span<const ErrorRule> rules) {
  ChatAnswer answer;
  answer.outcome = http_outcome(response, now);
  Outcome& outcome = answer.outcome;
  outcome.retry_after = std::max(outcome.retry_after, error.retry_after);
  if (!response || error.error.empty()) return answer;
  const std::string quoted = base::escape_control(error.error.substr(0, kQuotedMax));
  outcome.text = fmt::format("HTTP {}: {}", response->status, quoted);
  for (const ErrorRule& rule : rules) {
    if (!error.error.starts_with(rule.error)) continue;
    outcome.verdict = rule.verdict;
    outcome.reason = rule.reason;
    if (!rule.hint.empty()) outcome.text += fmt::format(" ({})", rule.hint);
    answer.gone = rule.effect == ErrorRule::Effect::Gone;
    answer.markup_refused = rule.effect == ErrorRule::Effect::MarkupRefused;
    if (rule.effect == ErrorRule::Effect::SameAlready) outcome.verdict = Verdict::Delivered;
    return answer;
  }
  if (outcome.verdict == Verdict::Delivered) {  // an error with status 200
    outcome.verdict = Verdict::Permanent;
    outcome.reason = FailureReason::Refused;
  } else {
    outcome.reason = reason_of_status(response->status);
  }
  return answer;
}

Outcome talk_outcome(std::string_view protocol, const base::Result<net::TalkOutcome>& result) {
  Outcome outcome;
  if (!result) {
    const base::ErrorCode code = result.error().code;
    const bool auth = code == base::ErrorCode::PermissionDenied;
    outcome.verdict =
        auth || code == base::ErrorCode::InvalidArgument ? Verdict::Permanent : Verdict::Retry;
    outcome.reason = auth ? FailureReason::Auth : FailureReason::Unreachable;
    outcome.unknown = code == base::ErrorCode::Timeout;
    outcome.text = fmt::format("{}: {}", protocol, base::escape_control(result.error().message));
    return outcome;
  }
  outcome.text = fmt::format("{}: {}", protocol, result->reply);
  if (result->delivered) {
    outcome.verdict = Verdict::Delivered;
  } else {
    outcome.verdict = result->permanent ? Verdict::Permanent : Verdict::Retry;
    outcome.reason = result->auth ? FailureReason::Auth : FailureReason::Refused;
  }
  return outcome;
}

}  // namespace tocsin::notify
