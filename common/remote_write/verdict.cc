#include "common/remote_write/verdict.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::remote_write {
namespace {

constexpr std::size_t kServerTextBytesMax = 300;

// The server's own words, shortened; the log escapes what could harm a terminal.
std::string said(const net::HttpResponse& response) {
  std::string_view text = base::trim(response.body);
  if (text.empty()) return fmt::format("HTTP {}", response.status);
  const bool cut = text.size() > kServerTextBytesMax;
  return fmt::format("HTTP {}: {}{}", response.status, text.substr(0, kServerTextBytesMax),
                     cut ? " ..." : "");
}

Judgement judge_failure(const base::Error& error, const Advice& advice) {
  using base::ErrorCode;
  switch (error.code) {
    case ErrorCode::Timeout:
      return {Verdict::Retry, "timeout", error.message};
    case ErrorCode::InvalidArgument:
    case ErrorCode::PermissionDenied:
      return {Verdict::AskOperator, "bad_url",
              error.message + "; correct " + advice.where + " in the settings"};
    default:
      return {Verdict::Retry, "network", error.message};
  }
}

Judgement ask(const net::HttpResponse& response, std::string_view what_to_do) {
  return {Verdict::AskOperator, fmt::format("http_{}", response.status),
          fmt::format("{}; data is kept: {}", said(response), what_to_do)};
}

Judgement judge_refusal(const net::HttpResponse& response, proto::Version version,
                        const Advice& advice) {
  const std::string reason = fmt::format("http_{}", response.status);
  switch (response.status) {
    case 415:
      if (version == proto::Version::V2) return {Verdict::OlderVersion, reason, said(response)};
      return ask(response, advice.where + " url does not lead to a remote-write receiver");
    case 401:
      return ask(response, advice.unauthorized);
    case 403:
      return ask(response, advice.forbidden);
    case 407:
      return ask(response, "a proxy asks for a login");
    case 404:
    case 405:
      return ask(response, advice.where + " url does not lead to a remote-write receiver");
    case 408:
    case 425:
    case 429:
      return {Verdict::Retry, reason, said(response)};
    case 413:
      return {Verdict::SmallerRequest, reason, said(response)};
    default:
      return {Verdict::Drop, reason, said(response)};
  }
}

}  // namespace

Judgement judge(const base::Result<net::HttpResponse>& answer, proto::Version version,
                const Advice& advice) {
  if (!answer) return judge_failure(answer.error(), advice);
  const net::HttpResponse& response = *answer;
  if (response.status >= 200 && response.status < 300) {
    if (version == proto::Version::V2 &&
        response.header("x-prometheus-remote-write-samples-written").empty()) {
      return {Verdict::OlderVersion, "no_written_header",
              "the receiver answers without the headers of remote write 2.0"};
    }
    return {Verdict::Delivered, {}, {}};
  }
  if (response.status >= 500) {
    return {Verdict::Retry, fmt::format("http_{}", response.status), said(response)};
  }
  if (response.status == 400) {
    const std::string_view written = response.header("x-prometheus-remote-write-samples-written");
    // A partial write: what is missing will be refused again, what is there would be there twice.
    if (!written.empty() && written != "0") return {Verdict::Delivered, "partial", said(response)};
  }
  if (response.status >= 400) return judge_refusal(response, version, advice);
  return ask(response, advice.where + " url is redirected; give the final address");
}

}  // namespace tocsin::remote_write
