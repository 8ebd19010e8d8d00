// An answer to one of our mails that acknowledges: what it says, and the right it carries.
//
// The Message-Id of our mails holds the acknowledge token ("<key.ack-TOKEN@host>"), so any mail
// program's In-Reply-To or References brings it back; nothing has to be kept in a subject or an
// address. Source: shared/reference/routing.md, section 6, "Ack links".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "alertd/api/ack_token.h"
#include "common/base/time.h"

namespace tocsin::api {

struct MailReply {
  AckAction action = AckAction::Acknowledge;
  std::optional<base::Duration> hold;  ///< "ack 2h"
  std::string comment;                 ///< What else the line says; at most 1000 bytes.
};

/// Reads the first line that is neither empty nor quoted: "ack", "ack 2h", "ack on my way",
/// "acknowledge ...", "resolve ...", "resolved ...". nullopt if it is something else.
std::optional<MailReply> read_reply(std::string_view text);

/// Returns the token of the last Message-Id in the header that has one, or "".
std::string reply_token(std::string_view header);

}  // namespace tocsin::api
