// The text of one mail: header lines, encoded words, quoted-printable, two alternative parts.
//
// Built here and not by curl's MIME functions so that a mail is a pure function of its values (the
// outbox sends the same bytes again) and a mail without HTML is a plain text/plain message. Source:
// RFC 5322 (lines, folding), RFC 2047 (encoded words), RFC 2045 6.7 (quoted-printable), RFC
// 2046 5.1.4 (multipart/alternative).
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/net/mail_client.h"

namespace tocsin::net {

/// Returns the bare address of "Name <address>" or "address".
/// Errors: InvalidArgument (empty, spaces or control characters inside, unbalanced brackets).
base::Result<std::string> mailbox_address(std::string_view mailbox);

/// Returns `text` as header text: itself when it is plain ASCII, else UTF-8 encoded words of at
/// most 64 characters separated by folds.
std::string encode_header_text(std::string_view text);

/// Returns quoted-printable with CRLF line ends and lines of at most 76 characters; any of \n, \r\n
/// and \r in `text` is a line end.
std::string quoted_printable(std::string_view text);

/// Returns the complete message, CRLF line ends, without SMTP's dot stuffing (curl does that).
/// Errors: InvalidArgument (control character in a header, bad header name or address, no
/// recipient).
base::Result<std::string> format_mail(const Mail& mail);

}  // namespace tocsin::net
