// A document as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "alertd/bulletin/document.h"

namespace tocsin::bulletin {

enum class Format { Html, Markdown, Csv, Text };

/// Returns "html", "markdown", "csv" or "text".
std::string_view to_string(Format format);
/// Knows also "md". nullopt: another word.
std::optional<Format> parse_format(std::string_view text);

/// The whole report. Texts that look like secrets are masked; what a spreadsheet would take for a
/// formula is written as text.
std::string write(const Document& document, Format format);

/// A line for each section, without tables: what fits into a chat. At most `lines_max` sections,
/// the worst first.
std::string digest(const Document& document, std::size_t lines_max = 40);

/// SHA-256, in hexadecimal, of the CSV form without its last line, which states it.
std::string evidence_hash(const Document& document);

}  // namespace tocsin::bulletin
