#include "common/net/mail_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kFoldColumn = 76;
constexpr std::size_t kWordBytesMax = 900;  // RFC 5322: no line over 998 characters

bool is_header_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
}

base::Error refused(std::string_view field, std::string_view why) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("mail header '{}' {}", base::escape_control(field), why));
}

std::string encoded_words(std::string_view text) {
  constexpr std::size_t kBytesInWord = 39;  // 52 characters of base64 and 12 around them
  std::string out;
  while (!text.empty()) {
    std::size_t length = std::min(kBytesInWord, text.size());
    // A word must not end inside a character: step back over continuation bytes.
    while (length < text.size() && length > kBytesInWord - 3 &&
           (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) {
      --length;
    }
    if (!out.empty()) out += "\r\n ";
    out += "=?UTF-8?B?" + base::base64(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
  }
  return out;
}

bool has_long_word(std::string_view text) {
  for (const std::string_view word : base::split_fields(text)) {
    if (word.size() > kWordBytesMax) return true;
  }
  return false;
}

/// "Name: value" with folds at spaces; a value that is already folded stays as it is.
std::string field(std::string_view name, std::string_view value) {
  std::string line = fmt::format("{}:", name);
  if (value.find("\r\n") != std::string_view::npos) {
    return fmt::format("{} {}\r\n", line, value);
  }
  std::string out;
  for (const std::string_view word : base::split(value, ' ')) {
    const bool first = out.empty() && line.size() == name.size() + 1;
    if (!first && !word.empty() && line.size() + 1 + word.size() > kFoldColumn) {
      out += line + "\r\n";
      line.clear();
    }
    line += ' ';
    line += word;
  }
  return out + line + "\r\n";
}

/// The mailbox as it stands in From or To.
base::Result<std::string> mailbox_text(std::string_view mailbox) {
  TC_TRY(const std::string address, mailbox_address(mailbox));
  const std::size_t bracket = mailbox.find('<');
  std::string_view name = bracket == std::string_view::npos
                              ? std::string_view{}
                              : base::trim(mailbox.substr(0, bracket));
  if (name.size() >= 2 && name.starts_with('"') && name.ends_with('"')) {
    name = name.substr(1, name.size() - 2);
  }
  if (name.empty()) return address;
  if (!is_ascii(name)) return fmt::format("{} <{}>", encoded_words(name), address);
  std::string quoted;
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return fmt::format("\"{}\" <{}>", quoted, address);
}

std::string part(std::string_view type, std::string_view text) {
  return fmt::format(
      "Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n{}\r\n",
      type, quoted_printable(text));
}

base::Result<std::string> recipients_text(const Mail& mail) {
  std::string list;
  for (const std::string& to : mail.to) {
    auto text = mailbox_text(to);
    if (!text) return base::with_context(text.error(), "mail header 'To'");
    list += list.empty() ? *text : ",\r\n " + *text;
  }
  return list;
}

}  // namespace

base::Result<std::string> mailbox_address(std::string_view mailbox) {
  std::string_view address = base::trim(mailbox);
  const std::size_t open = address.find('<');
  if (open != std::string_view::npos) {
    if (!address.ends_with('>')) address = {};
    if (!address.empty()) address = address.substr(open + 1, address.size() - open - 2);
  }
  const bool good = !address.empty() && address.size() <= 320 && is_header_safe(mailbox) &&
                    address.find_first_of(" \t<>,;\"\\()") == std::string_view::npos;
  if (!good) {
    return base::error(
        base::ErrorCode::InvalidArgument,
        fmt::format("'{}' is not a mail address", base::escape_control(mailbox.substr(0, 100))));
  }
  return std::string(address);
}

std::string encode_header_text(std::string_view text) {
  // "=?" in plain text would be taken for an encoded word by the reader.
  const bool plain =
      is_ascii(text) && text.find("=?") == std::string_view::npos && !has_long_word(text);
  return plain ? std::string(text) : encoded_words(text);
}

std::string quoted_printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  std::size_t column = 0;
  const auto put = [&](std::string_view token) {
    if (column + token.size() > 75) {
      out += "=\r\n";
      column = 0;
    }
    out += token;
    column += token.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' || c == '\n') {
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      out += "\r\n";
      column = 0;
      continue;
    }
    const bool line_ends = i + 1 == text.size() || text[i + 1] == '\r' || text[i + 1] == '\n';
    const bool blank = c == ' ' || c == '\t';
    const bool plain = (c > 0x20 && c < 0x7f && c != '=') || (blank && !line_ends);
    if (plain) {
      put(std::string_view(&c, 1));
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    const char escape[3] = {'=', kDigits[byte >> 4U], kDigits[byte & 15U]};
    put(std::string_view(escape, 3));
  }
  return out;
}

base::Result<std::string> format_mail(const Mail& mail) {
  if (mail.to.empty()) {
    return base::error(base::ErrorCode::InvalidArgument, "mail has no recipient");
  }
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::string_view>{"Subject", mail.subject},
        {"Message-ID", mail.message_id}}) {
    if (!is_header_safe(value)) return refused(name, "contains a control character");
  }
  auto from = mailbox_text(mail.from);
  if (!from) return base::with_context(from.error(), "mail header 'From'");
  TC_TRY(const std::string to, recipients_text(mail));

  std::string out = field("Date", base::format_rfc5322(mail.date));
  out += fmt::format("From: {}\r\nTo: {}\r\n", *from, to);
  out += field("Subject", encode_header_text(mail.subject));
  if (!mail.message_id.empty()) out += field("Message-ID", mail.message_id);
  for (const auto& [name, value] : mail.extra_headers) {
    if (!is_field_name(name)) return refused(name, "is not a header name");
    if (!is_header_safe(value)) return refused(name, "contains a control character");
    out += field(name, encode_header_text(value));
  }
  out += "MIME-Version: 1.0\r\n";
  if (mail.html.empty()) return out + part("text/plain", mail.text);

  // "=_" cannot occur in quoted-printable, so no text can contain the boundary.
  const std::string boundary =
      "=_" + base::sha256_hex(mail.message_id + '\n' + mail.subject).substr(0, 32);
  out += fmt::format("Content-Type: multipart/alternative; boundary=\"{}\"\r\n\r\n", boundary);
  out += fmt::format("--{}\r\n{}--{}\r\n{}--{}--\r\n", boundary, part("text/plain", mail.text),
                     boundary, part("text/html", mail.html), boundary);
  return out;
}

}  // namespace tocsin::net
