// Go's fmt for template values: %v and friends.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/gotemplate/template.h"

namespace tocsin::gotemplate {

/// fmt.Sprintf. Wrong verbs and missing arguments print as Go's "%!d(string=x)", "%!s(MISSING)".
/// Widths and precisions above 10000 are refused as "%!(BADWIDTH)".
std::string format_printf(std::string_view format, std::span<const Value> arguments);

/// fmt.Sprint: a space between operands when neither is a string.
std::string format_print(std::span<const Value> arguments);
/// fmt.Sprintln.
std::string format_println(std::span<const Value> arguments);

/// %v, at most kTextBytesMax bytes for lists and maps.
std::string format_value(const Value& value);

/// strconv.Quote.
std::string quote(std::string_view text);

/// strconv.FormatFloat: `verb` one of e E f F g G; `precision` -1 is the shortest that reads back.
/// "+Inf", "-Inf", "NaN".
std::string format_float(double value, char verb, int precision);

/// Appends a code point as UTF-8; U+FFFD for what is none.
void append_utf8(std::string& out, std::int64_t point);
/// Returns the length in bytes of the character at the front (1 for a stray byte) and its code
/// point.
std::size_t decode_utf8(std::string_view text, std::uint32_t& point);

}  // namespace tocsin::gotemplate
