// What an answer to a remote write means: the one place that decides between done, again and drop.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/net/http_client.h"
#include "proto/codec.h"

namespace tocsin::remote_write {

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
  std::string reason;   ///< Label value of ..._send_failures_total: "timeout", "http_503".
  std::string message;  ///< For the log: the same text for the same failure.
};

/// What to tell a person who alone can mend it.
struct Advice {
  std::string where = "[alertd]";  ///< The table of the settings.
  std::string unauthorized =
      "create a token with `tocsin agent add` and put it into [alertd] token_file";
  std::string forbidden =
      "the token belongs to another host name; make [agent] host and the token agree, and remove "
      "the spool folder if it holds batches under the old name";
};

/// Judges an answer or the failure to get one. Pure.
///
/// 408, 425, 429 and 5xx are tried again; 401, 403, 404, 405, 407 and redirects ask the operator,
/// because dropping a day of measurements over a wrong token helps nobody; a 400 that says how much
/// was written is a partial write, delivered with a message; other 4xx drop. A 2xx to
/// version 2.0 without the headers that 2.0 demands comes from a receiver that ignored the content
/// type. Source: Prometheus Remote-Write specification 2.0, "Retries & Backoff", "Required Written
/// Response Headers".
Judgement judge(const base::Result<net::HttpResponse>& answer, proto::Version version,
                const Advice& advice = {});

}  // namespace tocsin::remote_write
