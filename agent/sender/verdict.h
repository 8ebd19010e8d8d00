// What an answer to a remote write means: the one place that decides between done, again and drop.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/net/http_client.h"
#include "proto/codec.h"

namespace tocsin::agent {

enum class Verdict {
  Delivered,     ///< Forget the batches.
  OlderVersion,  ///< The receiver knows remote write 1.0 only: the same again in that version.
  Retry,         ///< Try again with growing pauses; the outcome may be unknown.
  AskOperator,   ///< Nothing but a person can mend it: keep the data, try again slowly, say what to
                 ///< do.
  SmallerRequest,  ///< The request was too large: the same data in smaller requests.
  Drop,            ///< The receiver will never take this data.
};

struct Judgement {
  Verdict verdict = Verdict::Retry;
  std::string reason;   ///< Label value of tocsin_agent_send_failures_total: "timeout", "http_503".
  std::string message;  ///< For the log: the same text for the same failure.
};

/// Judges an answer or the failure to get one. Pure.
///
/// 408, 425, 429 and 5xx are tried again; 401, 403, 404, 405, 407 and redirects ask the operator,
/// because dropping a day of measurements over a wrong token helps nobody; other 4xx drop. A 2xx to
/// version 2.0 without the headers that 2.0 demands comes from a receiver that ignored the content
/// type. Source: Prometheus Remote-Write specification 2.0, "Retries & Backoff", "Required Written
/// Response Headers".
Judgement judge(const base::Result<net::HttpResponse>& answer, proto::Version version);

}  // namespace tocsin::agent
