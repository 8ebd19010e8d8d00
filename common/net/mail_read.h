// Reading a mail: the headers that say whom it answers, and its first plain text.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::net {

struct ReceivedMail {
  std::string from;  ///< The bare address, in lower case; empty if there is none, or several.
  std::string in_reply_to;  ///< As written.
  std::string references;   ///< As written, on one line.
  std::string subject;      ///< As written.
  bool automatic = false;   ///< Nobody wrote it: Auto-Submitted, Precedence, an empty Return-Path.
  std::string text;         ///< Of the first text/plain part, decoded; at most 16 KiB.
};

/// Reads a stored message; what is malformed reads as missing. Multipart nested up to 5 deep;
/// quoted-printable and base64. Source: RFC 5322, RFC 2045, RFC 2046, RFC 3834.
ReceivedMail read_mail(std::string_view message);

}  // namespace tocsin::net
