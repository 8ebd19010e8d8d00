// How many SMS a text needs, and a text that fits.
//
// A text whose characters are all in GSM's default alphabet takes 160 in one SMS, 153 in each part
// of several; any other character makes the whole text UCS-2: 70 and 67. Source: 3GPP TS 23.038
// (alphabet and its extension table, whose characters count twice), TS 23.040 (concatenation).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tocsin::notify {

struct Sms {
  std::string text;  ///< UTF-8.
  bool gsm = true;   ///< Else UCS-2.
  std::size_t segments = 1;
};

/// Returns the text, cut so that it needs at most `segments_max` SMS. Typographic quotes, dashes
/// and ellipses become plain ones first: one of them would halve the room. Control characters but
/// line ends become spaces.
Sms fit_sms(std::string_view text, std::size_t segments_max);

}  // namespace tocsin::notify
