// Escaping for the places a text may go to.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::gotemplate {

/// & < > " ' and NUL, so that the text is plain in HTML text and quoted attributes.
std::string escape_html(std::string_view text);
/// For JavaScript strings: quotes, backslash, < > & = and control characters.
std::string escape_js(std::string_view text);
/// For a URL's query: everything but letters, digits and -_.~; a space becomes '+'.
std::string escape_query(std::string_view text);
/// As a JSON string, quotes included; < > & as \u003c ..., as Go's encoder does.
std::string escape_json(std::string_view text);

}  // namespace tocsin::gotemplate
