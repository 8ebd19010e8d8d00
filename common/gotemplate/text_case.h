// Upper and lower case for Latin, Greek and Cyrillic letters; others stay as they are.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::gotemplate {

std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
/// Every word's first letter in upper case, the rest unchanged.
std::string title_case(std::string_view text);

}  // namespace tocsin::gotemplate
