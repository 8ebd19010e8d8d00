// What the answers of chat products mean, by tables: the product's own error code, then the status.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "alertd/notify/http_outcome.h"
#include "common/net/talk.h"

namespace tocsin::notify {

/// What an answer was.
struct ChatAnswer {
  Outcome outcome;
  std::string id;     ///< Of the new message.
  bool gone = false;  ///< The message it refers to (edit, thread) does not exist any more.
  bool markup_refused = false;  ///< The text is not valid in the product's markup language.
};

/// What one error of a product means.
struct ErrorRule {
  enum class Effect { None, Gone, MarkupRefused, SameAlready };

  std::string_view error;  ///< The answer's code, or the beginning of its text.
  Verdict verdict = Verdict::Permanent;
  FailureReason reason = FailureReason::Refused;
  Effect effect = Effect::None;
  std::string_view hint = {};  ///< For people: what to do.
};

/// What a product's error answer holds; read by the product from its body.
struct ProductError {
  std::string error;              ///< Its code or text; empty: none.
  base::Duration retry_after{0};  ///< Beside the header.
};

/// Judges an exchange. Without `error` it is as http_outcome() says; with one, the first rule whose
/// text begins the error's counts, even if the status is 200; an error that no rule knows is
/// permanent unless the status says otherwise.
ChatAnswer judge(const base::Result<net::HttpResponse>& response, base::WallTime now,
                 const ProductError& error, std::span<const ErrorRule> rules);

/// Judges what a server that is talked to (IRC, XMPP) said. `protocol` begins the text.
Outcome talk_outcome(std::string_view protocol, const base::Result<net::TalkOutcome>& result);

/// A JSON object out of an answer's body; looks up what may be missing.
class AnswerBody {
 public:
  explicit AnswerBody(const base::Result<net::HttpResponse>& response);
  ~AnswerBody();
  AnswerBody(const AnswerBody&) = delete;
  AnswerBody& operator=(const AnswerBody&) = delete;

  /// Returns the string (a number in digits) at a path such as "error/status"; "" if there is none.
  std::string text(std::string_view path) const;
  std::optional<bool> boolean(std::string_view path) const;
  /// Returns a number >= 0 of seconds as a duration; 0 if there is none.
  base::Duration seconds(std::string_view path) const;
  base::Duration milliseconds(std::string_view path) const;

 private:
  struct Value;
  std::unique_ptr<Value> value_;
};

}  // namespace tocsin::notify
